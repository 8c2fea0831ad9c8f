"""A small bundle."""

import minutes
import pandas as pd
import pytest

METRICS = pd.DataFrame(
    [
        {
            "task": "stress-baseline",
            "model": "logistic",
            "protocol": "cold_start",
            "windows": "all",
            "accuracy": 0.9,
            "ece": float("nan"),
        }
    ]
)


@pytest.fixture(scope="session")
def saved_bundle(tmp_path_factory, make_windows_of_toys):
    """The folder of a bundle, not to be changed."""
    return minutes.save_toy_bundle(
        "logistic",
        tmp_path_factory.mktemp("bundles") / "logistic",
        make_windows_of_toys(),
        metrics=METRICS,
        drift_reference=pd.DataFrame({"subject": ["S2"], "start_s": [0.0], "wrist_eda_mean": [1.5]}),
        drift_threshold={"statistic": 0.4},
    )
