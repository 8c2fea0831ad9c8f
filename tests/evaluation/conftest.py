"""Fixtures of evaluation: small windows, and predictions whose scores are known by hand."""

import numpy as np
import pandas as pd
import pytest
import stub_models  # noqa: F401  (registers the models that the tests run)
from known_predictions import make_predictions


@pytest.fixture(scope="session")
def small_windows(make_windows_of_toys):
    """Five wrist people with six windows of 20 s each, four of baseline and two of stress; not to be changed."""
    return make_windows_of_toys(n_subjects=5, per_subject=6, window_s=20.0)


@pytest.fixture
def predictions():
    """Two people: S2 has three of four windows right, S3 one of two."""
    rows = [("S2", "baseline", 0.1), ("S2", "baseline", 0.6), ("S2", "stress", 0.9), ("S2", "stress", 0.8)]
    return make_predictions([*rows, ("S3", "baseline", 0.3), ("S3", "stress", 0.2)])


@pytest.fixture
def random_predictions():
    """Eight people, two seeds, two models; confident and wrong often enough for every score to be a plain number."""
    generator = np.random.default_rng(1)
    tables = []
    for model, skill in (("one", 1.0), ("two", 2.0)):
        for seed in (3, 5):
            rows = []
            for person in range(8):
                level = generator.normal(0, 1)
                for label, count in (("baseline", 9), ("stress", 5)):
                    logit = skill * (2 * (label == "stress") - 1) + level + generator.normal(0, 1.5, count)
                    rows += [(f"S{person + 2}", label, value) for value in 1 / (1 + np.exp(-logit))]
            tables.append(make_predictions(rows, model, seed))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(accepted=table["window"] % 5 != 0)
