"""What a number of people can show: draws of people, intervals, and paired tests whose unit is the person."""

import numpy as np


def bootstrap_weights(people: int, draws: int, seed: int = 0) -> np.ndarray:
    """How often each person is drawn, in draws of as many people with replacement; float (draw, person)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(people, np.full(people, 1 / people), size=draws).astype(float)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of values, by quantiles."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
