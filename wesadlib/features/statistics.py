"""Plain statistics of every channel: level, spread, dynamic range, shape and peaks; of a temperature its trend, too."""

import numpy as np

from wesadlib.features.block import Block, Feature, Group, Values, slope

#: Least share of a window's samples from which a statistic is computed.
MIN_PRESENT_SHARE = 0.5
_LEVELS = np.array([0, 0.25, 0.75, 1])


def describe(values: np.ndarray, rate_hz: float) -> Values:
    """Statistics of rows (row, time), NaN where samples are missing; NaN of a row of which less than half is there."""
    samples = values.shape[-1]
    missing = np.isnan(values)
    gaps = missing.any()
    count = samples - missing.sum(axis=-1).astype(float) if gaps else np.full(len(values), float(samples))
    count[count < max(1, MIN_PRESENT_SHARE * samples)] = np.nan
    whole = (np.where(missing, 0, values) if gaps else values).astype(np.float64)
    mean = whole.sum(axis=-1) / count
    centred = whole - mean[:, None]
    if gaps:
        centred[missing] = 0
    square = centred**2
    sd = np.sqrt(square.sum(axis=-1) / count)
    smallest, lower, upper, largest = _quantiles(values, count)
    # Rounding must not make a level of one value throughout vary.
    still = smallest == largest
    mean[still], sd[still] = smallest[still], 0
    varying = np.where(sd > 0, sd, np.nan)
    inner = values[:, 1:-1]
    # Beside a missing sample both comparisons fail.
    peak = (inner > values[:, :-2]) & (inner >= values[:, 2:]) & (centred[:, 1:-1] > sd[:, None])
    return {
        "mean": mean,
        "sd": sd,
        "dynamic_range": largest - smallest,
        "interquartile_range": upper - lower,
        "skewness": np.einsum("rt,rt->r", square, centred) / count / varying**3,
        "kurtosis": np.einsum("rt,rt->r", square, square) / count / varying**4 - 3,
        "peak_rate": np.where(sd > 0, peak.sum(axis=-1), np.nan) / count * rate_hz * 60,
    }


def _quantiles(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Quantiles (level, row) of the `count` samples present, at 0, 1/4, 3/4 and 1."""
    position = _LEVELS[:, None] * (np.where(np.isnan(count), 1, count) - 1)
    around = np.stack([np.floor(position), np.ceil(position)]).astype(int)
    # Missing samples come last.
    ordered = np.sort(values, axis=-1)
    low, high = ordered[np.arange(len(values)), around].astype(np.float64)
    return np.where(np.isnan(count), np.nan, low + (position - around[0]) * (high - low))


def _read(block: Block) -> dict[str, Values]:
    channels = tuple(block.signal)
    if not channels:
        return {}
    values = describe(np.concatenate([block.signal[channel] for channel in channels]), block.rate_hz)
    by_channel = {name: value.reshape(len(channels), -1) for name, value in values.items()}
    return {channel: {name: value[k] for name, value in by_channel.items()} for k, channel in enumerate(channels)}


STATISTICS = Group(
    "statistics",
    "every channel",
    (
        Feature("mean", "{unit}", "mean level"),
        Feature("sd", "{unit}", "standard deviation"),
        Feature("dynamic_range", "{unit}", "largest minus smallest sample"),
        Feature("interquartile_range", "{unit}", "upper minus lower quartile"),
        Feature("skewness", "", "third standardised moment; above 0 where the long tail is upward"),
        Feature("kurtosis", "", "fourth standardised moment less 3; above 0 where rare samples stand far out"),
        Feature(
            "peak_rate",
            "1/min",
            "local maxima above the mean by more than one standard deviation; noise, where a channel is slow",
        ),
    ),
    _read,
)


def _read_temperature(block: Block) -> dict[str, Values]:
    channels = [channel for channel in block.signal if channel.endswith("_temp")]
    return {channel: {"slope": 1000 * slope(block.signal[channel], block.rate_hz)} for channel in channels}


_SLOPE = Feature("slope", "mdegC/s", "slope of the least-squares line through the window")
THERMAL = Group("thermal", "temperature", (_SLOPE,), _read_temperature)
