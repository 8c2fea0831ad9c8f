"""Movement and posture from the three axes of acceleration."""

import numpy as np

from wesadlib.features.block import Block, Description
from wesadlib.features.statistics import describe

#: A second counts as active when the magnitude's standard deviation in it exceeds this, g.
ACTIVE_G = 0.02
_MAGNITUDE = ("mean", "sd", "dynamic_range", "interquartile_range", "kurtosis")

DESCRIPTIONS = (
    *(
        Description(
            "motion",
            "acceleration",
            f"magnitude_{statistic}",
            "" if statistic == "kurtosis" else "g",
            f"the statistic `{statistic}` of the acceleration's magnitude",
        )
        for statistic in _MAGNITUDE
    ),
    Description("motion", "acceleration", "jerk", "g/s", "mean magnitude of the change of acceleration"),
    Description(
        "motion",
        "acceleration",
        "active_share",
        "",
        f"share of seconds in which the magnitude's standard deviation exceeds {ACTIVE_G} g",
    ),
)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Movement features of every device with three axes; posture is the axes' means, which are among the statistics."""
    features = {}
    for device in sorted({channel.removesuffix("_acc_x") for channel in block.signal if channel.endswith("_acc_x")}):
        axes = [block.signal.get(f"{device}_acc_{axis}") for axis in "xyz"]
        if any(axis is None for axis in axes):
            continue
        acceleration = np.stack(axes)
        magnitude = np.sqrt((acceleration**2).sum(axis=0))
        found = describe(magnitude, block.rate_hz)
        features |= {f"{device}_acc_magnitude_{statistic}": found[statistic] for statistic in _MAGNITUDE}
        features[f"{device}_acc_jerk"] = _jerk(acceleration, block.rate_hz)
        features[f"{device}_acc_active_share"] = _active_share(magnitude, block.rate_hz)
    return features


def _jerk(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    change = np.sqrt((np.diff(acceleration, axis=-1) ** 2).sum(axis=0)) * rate_hz
    return _mean_of_present(change)


def _active_share(magnitude: np.ndarray, rate_hz: float) -> np.ndarray:
    length = round(rate_hz)
    seconds = magnitude.shape[-1] // length
    spread = magnitude[:, : seconds * length].reshape(len(magnitude), seconds, length).std(axis=-1)
    return _mean_of_present(np.where(np.isnan(spread), np.nan, spread > ACTIVE_G))


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    count = np.isfinite(values).sum(axis=-1)
    return np.nansum(values, axis=-1) / np.where(count >= values.shape[-1] / 2, count, np.nan)
