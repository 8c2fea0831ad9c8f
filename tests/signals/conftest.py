"""A small cohort in memory."""

import numpy as np
import pytest
from minutes import ToyCohort
from signal_toys import make_recording


@pytest.fixture
def cohort() -> ToyCohort:
    """Two wrists: transient, baseline, stress, meditation for some minutes each."""
    codes = np.repeat([0, 1, 2, 4], [45 * 700, 150 * 700, 105 * 700, 60 * 700])
    return ToyCohort([make_recording(codes, seed=2, subject="S2"), make_recording(codes, seed=10, subject="S10")])
