import pytest

from wesadlib import plots


@pytest.fixture(autouse=True)
def _book_style():
    plots.style()
