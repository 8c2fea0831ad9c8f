"""Examples that the tests of models share."""

import pytest

from wesadlib.features import extract_features
from wesadlib.models import Examples


@pytest.fixture(scope="session")
def examples(make_windows_of_toys) -> Examples:
    """Six people of 24 short windows with features, the last third of each under stress; not to be changed."""
    return Examples.from_dataset(extract_features(make_windows_of_toys(per_subject=24, window_s=24.0)))
