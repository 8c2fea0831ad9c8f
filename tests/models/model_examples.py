"""Windows of some people, out of the examples that the tests of models share."""

import numpy as np

from wesadlib.models import Examples


def of(examples: Examples, *people: str, rest: bool = False) -> Examples:
    """The first four windows of each, at rest, or all others."""
    return examples.take(np.isin(examples.subject, people) & ((examples.start_s < 120) == rest))
