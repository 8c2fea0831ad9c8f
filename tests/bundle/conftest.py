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
def saved_bundle(tmp_path_factory):
    """The folder of a bundle, not to be changed."""
    return minutes.save_small_bundle(
        "logistic",
        tmp_path_factory.mktemp("bundles") / "logistic",
        metrics=METRICS,
        drift_reference=pd.DataFrame({"subject": ["S2"], "start_s": [0.0], "wrist_eda_mean": [1.5]}),
        drift_threshold={"statistic": 0.4},
    )


@pytest.fixture(scope="session")
def _windows():
    return minutes.wrist_windows(4, first=0)


@pytest.fixture
def windows(_windows):
    """Windows of people whom the model has not seen."""
    return _windows.copy(deep=True)
