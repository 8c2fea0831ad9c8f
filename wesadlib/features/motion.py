"""Movement and posture from the three axes of acceleration."""

import numpy as np

from wesadlib.features.block import Block, Description, stretches
from wesadlib.features.statistics import describe
from wesadlib.signals.present import mean_of_present

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


def extract(block: Block) -> dict[str, np.ndarray]:
    """Movement features of every device with three axes; posture itself is the axes' means, among the statistics."""
    features = {}
    for device in sorted({name.removesuffix("_acc_x") for name in block.signal if name.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if any(axis is None for axis in axes):
            continue
        acceleration = np.stack(axes, axis=1)
        magnitude = np.sqrt((acceleration**2).sum(axis=1))
        statistics = describe(magnitude, block.rate_hz)
        found = {f"magnitude_{name}": statistics[name] for name in _MAGNITUDE}
        readable = np.isfinite(statistics["mean"])
        found["jerk"] = np.where(readable, _jerk(acceleration, block.rate_hz), np.nan)
        found["active_share"] = np.where(readable, _active_share(magnitude, block.rate_hz), np.nan)
        found["posture_change"] = np.where(readable, _posture_change(acceleration, block.rate_hz), np.nan)
        features |= {f"{device}_acc_{name}": value for name, value in found.items()}
    return features


def _jerk(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    return mean_of_present(np.sqrt((np.diff(acceleration, axis=-1) ** 2).sum(axis=1)) * rate_hz)


def _active_share(magnitude: np.ndarray, rate_hz: float) -> np.ndarray:
    spread = stretches(magnitude, round(rate_hz)).std(axis=-1)
    return mean_of_present(np.where(np.isnan(spread), np.nan, spread > ACTIVE_G))


def _posture_change(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    gravity = stretches(acceleration, round(_POSTURE_S * rate_hz)).mean(axis=-1)
    deviation = gravity - mean_of_present(gravity)[..., None]
    return np.sqrt(mean_of_present((deviation**2).sum(axis=1)))
