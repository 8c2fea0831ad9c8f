"""What attributions of samples come to: around events in the signals, against chance, and where samples are deleted."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import find_peaks
from scipy.stats import rankdata

from wesadlib.features.block import stretches
from wesadlib.features.electrodermal import MIN_AMPLITUDE_US, REACH_S
from wesadlib.features.motion import ACTIVE_G
from wesadlib.signals.filters import bridge_gaps, zero_phase

#: Event (a skin response's is its onset) -> how far around it is looked, s.
SPANS_S = {"pulse peak": (-0.6, 0.6), "skin response": (-4.0, 8.0), "burst of movement": (-4.0, 8.0)}
#: Shares of seconds, of each channel by itself, that are deleted.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
#: Means around an event are of so many stretches.
_STRETCHES = 24
#: Moments drawn at random for each event.
_DRAWS = 5
#: Seconds without movement before a burst.
_CALM_S = 3


def choose_windows(windows: xr.Dataset, person: str, number: int) -> np.ndarray:
    """Positions of so many of a person's accepted windows of each state, spread over its time."""
    chosen = windows["subject"].values == person
    if "verdict" in windows:
        chosen &= windows["verdict"].values.astype(bool)
    label, positions = windows["label"].values, []
    for state in dict.fromkeys(label[chosen]):
        theirs = np.flatnonzero(chosen & (label == state))
        positions.append(theirs[np.linspace(0, len(theirs) - 1, min(number, len(theirs))).round().astype(int)])
    return np.sort(np.concatenate(positions))


def find_events(windows: xr.Dataset) -> dict[str, tuple[list[int], list[np.ndarray]]]:
    """Event of :data:`SPANS_S` -> positions of its channels, and when it happens in each window, s."""
    channels, rate_hz = list(map(str, windows["channel"].values)), float(windows.attrs["rate_hz"])
    signal = windows["signal"].transpose("window", "channel", "time").values
    found = {}
    for source in map(str, windows["beat_source"].values):
        if source in channels:
            beats = windows["beat_s"].sel(beat_source=source).values
            found["pulse peak"] = [channels.index(source)], [row[np.isfinite(row)] for row in beats]
    for k in (k for k, name in enumerate(channels) if name.endswith("_eda")):
        found["skin response"] = [k], [_find_onsets(row, rate_hz) for row in signal[:, k]]
    axes = [k for k, name in enumerate(channels) if "_acc_" in name]
    if axes:
        magnitude = np.sqrt((signal[:, axes].astype(float) ** 2).sum(axis=1))
        moving = stretches(magnitude, round(rate_hz)).std(axis=-1) > ACTIVE_G
        found["burst of movement"] = axes, [_find_bursts(row) for row in moving]
    return found


def _find_onsets(conductance: np.ndarray, rate_hz: float) -> np.ndarray:
    """When responses begin, s: the trough before each peak that stands out."""
    bridged = bridge_gaps(conductance[None])
    if np.isnan(bridged).any():
        return np.empty(0)
    smooth = zero_phase(bridged, rate_hz, "lowpass", 1.0)[0]
    _, shape = find_peaks(smooth, prominence=MIN_AMPLITUDE_US, wlen=round(2 * REACH_S * rate_hz) + 1)
    return shape["left_bases"] / rate_hz


def _find_bursts(moving: np.ndarray) -> np.ndarray:
    """Seconds (burst,) at which movement begins after some without any."""
    return np.array([k for k in range(_CALM_S, len(moving)) if moving[k] and not moving[k - _CALM_S : k].any()], float)


def average_around(
    values: np.ndarray, times_s: list[np.ndarray], rate_hz: float, span_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Lags (lag,) in s, and the mean of values (window, time) over all events at each; NaN without an event."""
    lags = np.arange(round(span_s[0] * rate_hz), round(span_s[1] * rate_hz) + 1)
    cuts = [
        row[at + lags]
        for row, times in zip(values, times_s, strict=True)
        for at in np.round(times * rate_hz).astype(int)
        if at + lags[0] >= 0 and at + lags[-1] < len(row)
    ]
    return lags / rate_hz, np.mean(cuts, axis=0) if cuts else np.full(len(lags), np.nan)


def follow_events(windows: xr.Dataset, samples: np.ndarray) -> pd.DataFrame:
    """Size of attributions (window, channel, time) around events and random moments, in multiples of channels' means.

    Rows: ``measure how x value``, `x` the lag in s.
    """
    generator, rate_hz, rows = np.random.default_rng(0), float(windows.attrs["rate_hz"]), []
    for event, (channels, times_s) in find_events(windows).items():
        size = np.abs(samples[:, channels]).sum(axis=1)
        size = size / size.mean()
        drawn = [generator.uniform(0, size.shape[1] / rate_hz, _DRAWS * len(times)) for times in times_s]
        if not any(map(len, times_s)):
            continue
        for how, when in (("at events", times_s), ("at random", drawn)):
            lag_s, mean = average_around(size, when, rate_hz, SPANS_S[event])
            step_s = (lag_s[-1] - lag_s[0]) / _STRETCHES
            mean = pd.Series(mean).groupby(step_s * np.round(lag_s / step_s)).mean()
            rows.append(pd.DataFrame({"measure": event, "how": how, "x": mean.index, "value": mean.to_numpy()}))
    return pd.concat(rows, ignore_index=True)


def sum_seconds(samples: np.ndarray, rate_hz: float) -> np.ndarray:
    """Attributions (window, channel, time) summed over each second, ``(window, channel, second)``."""
    return stretches(samples, round(rate_hz)).sum(axis=-1)


def agree(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over windows of the rank correlation of two attributions' sizes (window, channel, second)."""
    ranks = [rankdata(np.abs(part).reshape(len(part), -1), axis=1) for part in (first, second)]
    return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(*ranks, strict=True)]))


def delete_seconds(
    log_odds: Callable[[np.ndarray], np.ndarray], seconds: np.ndarray, shape: tuple[int, ...]
) -> pd.DataFrame:
    """What is left of the mean probability of an answer where the seconds that speak most for it are deleted.

    `log_odds` (window,) are of samples removed, of the given shape; `seconds` (window, channel, second) are
    attributions. Rows: ``measure how x value``, `x` a share of :data:`SHARES`.
    """
    generator = np.random.default_rng(0)
    sign = np.sign(log_odds(np.zeros(shape, bool)))
    orders = {
        "by attribution": (-sign[:, None, None] * seconds).reshape(len(seconds), -1).argsort(axis=1),
        "at random": generator.permuted(np.tile(np.arange(seconds[0].size), (len(seconds), 1)), axis=1),
    }
    samples, rows = shape[-1] // seconds.shape[-1], []
    for how, order in orders.items():
        for share in SHARES:
            removed = np.zeros(order.shape, bool)
            np.put_along_axis(removed, order[:, : round(share * order.shape[1])], True, axis=1)
            whole = np.zeros(shape, bool)
            whole[..., : samples * seconds.shape[-1]] = removed.reshape(seconds.shape).repeat(samples, axis=-1)
            probability = 1 / (1 + np.exp(-sign * log_odds(whole)))
            rows.append({"measure": "deleted", "how": how, "x": share, "value": float(probability.mean())})
    return pd.DataFrame(rows)
