"""Movement and posture from the three axes of acceleration."""

import numpy as np

from wesadlib.compiled import compiled
from wesadlib.features.block import Block, Description, block_means
from wesadlib.features.statistics import describe, sum_present

#: A second counts as active when the magnitude's standard deviation in it exceeds this, g.
ACTIVE_G = 0.02
#: Mean acceleration over this long is taken for gravity, s.
_POSTURE_S = 5.0
_MAGNITUDE = ("mean", "sd", "dynamic_range", "interquartile_range", "kurtosis")

DESCRIPTIONS = tuple(
    Description("motion", "acceleration", *row)
    for row in (
        ("magnitude_mean", "g", "mean magnitude; 1 g at rest"),
        ("magnitude_sd", "g", "standard deviation of the magnitude"),
        ("magnitude_dynamic_range", "g", "largest minus smallest magnitude"),
        ("magnitude_interquartile_range", "g", "upper minus lower quartile of the magnitude"),
        (
            "magnitude_kurtosis",
            "",
            "fourth standardised moment of the magnitude less 3; high where still with few jolts",
        ),
        ("jerk", "g/s", "mean magnitude of the change of acceleration"),
        ("active_share", "", f"share of seconds in which the magnitude's standard deviation exceeds {ACTIVE_G} g"),
        ("posture_change", "g", "spread of the direction of gravity, from means over 5 s, around its own mean"),
    )
)
_FOUND = (*(f"magnitude_{name}" for name in _MAGNITUDE), "jerk", "active_share", "posture_change")


def extract(block: Block) -> dict[str, np.ndarray]:
    """Movement features of every device with three axes; posture itself is the axes' means, among the statistics."""
    features = {}
    for device in sorted({name.removesuffix("_acc_x") for name in block.signal if name.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if any(axis is None for axis in axes):
            continue
        x, y, z = map(np.ascontiguousarray, axes)
        second, stretch = max(1, round(block.rate_hz)), max(1, round(_POSTURE_S * block.rate_hz))
        magnitude, movement = _describe_movement(x, y, z, block.rate_hz, second, stretch)
        statistics = describe(magnitude, block.rate_hz)
        movement[np.isnan(statistics["mean"])] = np.nan
        values = (*(statistics[name] for name in _MAGNITUDE), *movement.T)
        features |= {f"{device}_acc_{name}": value for name, value in zip(_FOUND, values, strict=True)}
    return features


@compiled
def _describe_movement(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, rate_hz: float, second: int, stretch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude (window, time) and, of each window, jerk, active share and change of posture (window, 3)."""
    magnitude = np.empty(x.shape)
    movement = np.empty((len(x), 3))
    gravity_x, gravity_y, gravity_z = block_means(x, stretch), block_means(y, stretch), block_means(z, stretch)
    for row in range(len(x)):
        for k in range(x.shape[1]):
            magnitude[row, k] = np.sqrt(_square(x[row, k], y[row, k], z[row, k]))
        movement[row, 0] = _mean_change(x[row], y[row], z[row]) * rate_hz
        movement[row, 1] = _active_share(magnitude[row], second)
        movement[row, 2] = _spread(gravity_x[row], gravity_y[row], gravity_z[row])
    return magnitude, movement


@compiled
def _square(x: float, y: float, z: float) -> float:
    return np.float64(x) * x + np.float64(y) * y + np.float64(z) * z


@compiled
def _mean_change(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    count, total = 0, 0.0
    for k in range(1, len(x)):
        # One of two samples in double precision makes their difference so.
        change = np.sqrt(_square(x[k] - np.float64(x[k - 1]), y[k] - np.float64(y[k - 1]), z[k] - np.float64(z[k - 1])))
        present = not np.isnan(change)
        count += present
        total += change if present else 0.0
    return total / count


@compiled
def _active_share(magnitude: np.ndarray, second: int) -> float:
    complete, active = 0, 0
    for start in range(0, len(magnitude) - second + 1, second):
        total, square = 0.0, 0.0
        for k in range(start, start + second):
            total += magnitude[k]
        mean = total / second
        for k in range(start, start + second):
            square += (magnitude[k] - mean) ** 2
        if not np.isnan(square):
            complete += 1
            active += np.sqrt(square / second) > ACTIVE_G
    return active / complete


@compiled
def _spread(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """Spread of points around their mean; of each axis all that is present counts for the mean."""
    (count_x, sum_x), (count_y, sum_y), (count_z, sum_z) = sum_present(x), sum_present(y), sum_present(z)
    count, total = 0, 0.0
    for k in range(len(x)):
        square = _square(x[k] - sum_x / count_x, y[k] - sum_y / count_y, z[k] - sum_z / count_z)
        if not np.isnan(square):
            count += 1
            total += square
    return np.sqrt(total / count)
