"""Movement and posture from the three axes of acceleration."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wesadlib.features.block import Block, Feature, Group, stretches
from wesadlib.features.statistics import describe
from wesadlib.signals.filters import mean_of_present

#: A second counts as active when the magnitude's standard deviation in it exceeds this, g.
ACTIVE_G = 0.02
#: Mean acceleration over this long is taken for gravity, s.
_POSTURE_S = 5.0


@dataclass(frozen=True)
class Movement:
    """Acceleration (axis, window, time) in g, its magnitude (window, time), and that one's statistics."""

    acceleration: np.ndarray
    magnitude: np.ndarray
    statistics: dict[str, np.ndarray]
    rate_hz: float

    def readable(self, value: np.ndarray) -> np.ndarray:
        """A value (window,) where enough of the magnitude is present, else NaN."""
        return np.where(np.isnan(self.statistics["mean"]), np.nan, value)


def _read(block: Block) -> Iterator[tuple[str, Movement]]:
    """Every device with three axes; posture itself is the axes' means, among the statistics."""
    for device in sorted({name.removesuffix("_acc_x") for name in block.signal if name.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if any(axis is None for axis in axes):
            continue
        acceleration = np.array(axes, np.float64)
        magnitude = np.sqrt((acceleration**2).sum(axis=0))
        yield f"{device}_acc", Movement(acceleration, magnitude, describe(magnitude, block.rate_hz), block.rate_hz)


def _jerk(movement: Movement) -> np.ndarray:
    change = np.sqrt((np.diff(movement.acceleration, axis=-1) ** 2).sum(axis=0))
    return movement.readable(mean_of_present(change) * movement.rate_hz)


def _active_share(movement: Movement) -> np.ndarray:
    spread = stretches(movement.magnitude, max(1, round(movement.rate_hz))).std(axis=-1)
    return movement.readable(mean_of_present(np.where(np.isnan(spread), np.nan, spread > ACTIVE_G)))


def _posture_change(movement: Movement) -> np.ndarray:
    length = max(1, round(_POSTURE_S * movement.rate_hz))
    gravity = stretches(movement.acceleration, length).mean(axis=-1)
    away = gravity - mean_of_present(gravity)[..., None]
    return movement.readable(np.sqrt(mean_of_present((away**2).sum(axis=0))))


def _magnitude(statistic: str, unit: str, definition: str) -> Feature:
    return Feature(f"magnitude_{statistic}", unit, definition, "", lambda movement: movement.statistics[statistic])


MOTION = Group(
    "motion",
    "acceleration",
    _read,
    (
        _magnitude("mean", "g", "mean magnitude; 1 g at rest"),
        _magnitude("sd", "g", "standard deviation of the magnitude"),
        _magnitude("dynamic_range", "g", "largest minus smallest magnitude"),
        _magnitude("interquartile_range", "g", "upper minus lower quartile of the magnitude"),
        _magnitude(
            "kurtosis", "", "fourth standardised moment of the magnitude less 3; high where still with few jolts"
        ),
        Feature("jerk", "g/s", "mean magnitude of the change of acceleration", "", _jerk),
        Feature(
            "active_share",
            "",
            f"share of seconds in which the magnitude's standard deviation exceeds {ACTIVE_G} g",
            "",
            _active_share,
        ),
        Feature(
            "posture_change",
            "g",
            "spread of the direction of gravity, from means over 5 s, around its own mean",
            "",
            _posture_change,
        ),
    ),
)
