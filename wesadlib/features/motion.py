"""Movement and posture from the three axes of acceleration."""

import numpy as np

from wesadlib.features.block import Block, Feature, Group, Values, stretches
from wesadlib.features.statistics import describe
from wesadlib.signals.filters import mean_of_present

#: A second counts as active when the magnitude's standard deviation in it exceeds this, g.
ACTIVE_G = 0.02
#: Mean acceleration over this long is taken for gravity, s.
_POSTURE_S = 5.0
_OF_MAGNITUDE = ("mean", "sd", "dynamic_range", "interquartile_range", "kurtosis")


def _read(block: Block) -> dict[str, Values]:
    """Every device with three axes; posture itself is the axes' means, among the statistics."""
    values = {}
    for device in sorted({name.removesuffix("_acc_x") for name in block.signal if name.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if all(axis is not None for axis in axes):
            values[f"{device}_acc"] = _movement(np.array(axes, np.float64), block.rate_hz)
    return values


def _movement(acceleration: np.ndarray, rate_hz: float) -> Values:
    """Features of acceleration (axis, window, time)."""
    magnitude = np.sqrt((acceleration**2).sum(axis=0))
    statistics = describe(magnitude, rate_hz)
    spread = stretches(magnitude, max(1, round(rate_hz))).std(axis=-1)
    change = np.sqrt((np.diff(acceleration, axis=-1) ** 2).sum(axis=0))
    gravity = stretches(acceleration, max(1, round(_POSTURE_S * rate_hz))).mean(axis=-1)
    away = ((gravity - mean_of_present(gravity)[..., None]) ** 2).sum(axis=0)
    values = {
        "jerk": mean_of_present(change) * rate_hz,
        "active_share": mean_of_present(np.where(np.isnan(spread), np.nan, spread > ACTIVE_G)),
        "posture_change": np.sqrt(mean_of_present(away)),
    }
    # Where too little of the magnitude is present for its mean, none of these are read either.
    readable = ~np.isnan(statistics["mean"])
    return {
        **{f"magnitude_{name}": statistics[name] for name in _OF_MAGNITUDE},
        **{name: np.where(readable, value, np.nan) for name, value in values.items()},
    }


MOTION = Group(
    "motion",
    "acceleration",
    (
        Feature("magnitude_mean", "g", "mean magnitude; 1 g at rest"),
        Feature("magnitude_sd", "g", "standard deviation of the magnitude"),
        Feature("magnitude_dynamic_range", "g", "largest minus smallest magnitude"),
        Feature("magnitude_interquartile_range", "g", "upper minus lower quartile of the magnitude"),
        Feature(
            "magnitude_kurtosis",
            "",
            "fourth standardised moment of the magnitude less 3; high where still with few jolts",
        ),
        Feature("jerk", "g/s", "mean magnitude of the change of acceleration"),
        Feature("active_share", "", "share of seconds in which the magnitude's standard deviation exceeds 0.02 g"),
        Feature("posture_change", "g", "spread of the direction of gravity, from means over 5 s, around its own mean"),
    ),
    _read,
)
