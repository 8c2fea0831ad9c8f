"""Movement and posture from the three axes of acceleration."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wesadlib.features import statistics
from wesadlib.features.block import Block, Group, stretches
from wesadlib.features.statistics import Moments
from wesadlib.signals.filters import mean_of_present

#: A second counts as active when the magnitude's standard deviation in it exceeds this, g.
ACTIVE_G = 0.02
#: Mean acceleration over this long is taken for gravity, s.
_POSTURE_S = 5.0


@dataclass(frozen=True)
class Movement:
    """Acceleration (axis, window, time) in g, its magnitude (window, time), and that one's moments."""

    acceleration: np.ndarray
    magnitude: np.ndarray
    moments: Moments
    rate_hz: float

    def readable(self, value: np.ndarray) -> np.ndarray:
        """A value (window,) where enough of the magnitude is present, else NaN."""
        return np.where(np.isnan(self.moments.mean), np.nan, value)


def _read(block: Block) -> Iterator[tuple[tuple[str], Movement]]:
    """Every device with three axes; posture itself is the axes' means, among the statistics."""
    for device in sorted({name.removesuffix("_acc_x") for name in block.signal if name.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if all(axis is not None for axis in axes):
            acceleration = np.array(axes, np.float64)
            magnitude = np.sqrt((acceleration**2).sum(axis=0))
            moments = Moments.of(magnitude, block.rate_hz)
            yield (f"{device}_acc",), Movement(acceleration, magnitude, moments, block.rate_hz)


MOTION = Group("motion", "acceleration", _read)


@MOTION.feature("g")
def magnitude_mean(movement: Movement) -> np.ndarray:
    """Mean magnitude; 1 g at rest."""
    return movement.moments.mean


@MOTION.feature("g")
def magnitude_sd(movement: Movement) -> np.ndarray:
    """Standard deviation of the magnitude."""
    return movement.moments.sd


@MOTION.feature("g")
def magnitude_dynamic_range(movement: Movement) -> np.ndarray:
    """Largest minus smallest magnitude."""
    return statistics.dynamic_range(movement.moments)


@MOTION.feature("g")
def magnitude_interquartile_range(movement: Movement) -> np.ndarray:
    """Upper minus lower quartile of the magnitude."""
    return statistics.interquartile_range(movement.moments)


@MOTION.feature("")
def magnitude_kurtosis(movement: Movement) -> np.ndarray:
    """Fourth standardised moment of the magnitude less 3; high where still with few jolts."""
    return statistics.kurtosis(movement.moments)


@MOTION.feature("g/s")
def jerk(movement: Movement) -> np.ndarray:
    """Mean magnitude of the change of acceleration."""
    change = np.sqrt((np.diff(movement.acceleration, axis=-1) ** 2).sum(axis=0))
    return movement.readable(mean_of_present(change) * movement.rate_hz)


@MOTION.feature("")
def active_share(movement: Movement) -> np.ndarray:
    """Share of seconds in which the magnitude's standard deviation exceeds 0.02 g."""
    spread = stretches(movement.magnitude, max(1, round(movement.rate_hz))).std(axis=-1)
    return movement.readable(mean_of_present(np.where(np.isnan(spread), np.nan, spread > ACTIVE_G)))


@MOTION.feature("g")
def posture_change(movement: Movement) -> np.ndarray:
    """Spread of the direction of gravity, from means over 5 s, around its own mean."""
    length = max(1, round(_POSTURE_S * movement.rate_hz))
    gravity = stretches(movement.acceleration, length).mean(axis=-1)
    away = gravity - mean_of_present(gravity)[..., None]
    return movement.readable(np.sqrt(mean_of_present((away**2).sum(axis=0))))
