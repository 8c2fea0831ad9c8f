"""The measurements behind the rules of quality, on plain arrays: stillness, flatness, range, rails, beats.

Every score is a share in [0, 1], 1 is best, computed for all windows at once.
"""

import numpy as np

from wesadlib.signals.present import median_of_present

#: Acceleration's magnitude varies by less than this, in g (SD over a second), where a wearer is still.
STILL_G = 0.1
#: Shorter stretches of nothing but noise are no flat line, s.
LEAST_QUIET_S = 10.0
#: Beats come at 40 to 180 a minute (Orphanidou 2015).
SHORTEST_BEAT_S, LONGEST_BEAT_S = 60 / 180, 60 / 40
#: The longest interval between beats is at most this many times the shortest (Orphanidou 2015).
LARGEST_RATIO = 2.2
#: Least correlation of a beat with the window's mean beat: Orphanidou's for ECG. That source asks 0.86 of a pulse taken
#: at a finger at rest; at the wrist of people who speak and stand, most healthy minutes would fail it.
TEMPLATE_CORRELATION = 0.66
_TEMPLATE_POINTS = 32
_BLOCK = 256


def stillness(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    """Share of the seconds in which the magnitude of acceleration varies by less than :data:`STILL_G` (SD).

    Parameters
    ----------
    acceleration : ndarray (window, axis, time)
        In g.
    rate_hz : float
        Samples a second.

    Returns
    -------
    ndarray (window,)
        NaN where no second was recorded whole.
    """
    second = max(round(rate_hz), 2)
    whole = acceleration.shape[-1] // second
    magnitude = np.sqrt((acceleration[..., : whole * second].astype(np.float64) ** 2).sum(axis=1))
    spread = magnitude.reshape(len(magnitude), whole, second).std(axis=2)
    read = np.count_nonzero(~np.isnan(spread), axis=1)
    return np.where(read > 0, np.count_nonzero(spread < STILL_G, axis=1) / np.maximum(read, 1), np.nan)


def longest_quiet_s(values: np.ndarray, rate_hz: float, floor: float) -> np.ndarray:
    """Longest stretch of seconds in each of which the signal's range stays below `floor`.

    Parameters
    ----------
    values : ndarray (window, time)
        NaN where missing; a second with a missing sample is not quiet.
    rate_hz : float
        Samples a second.
    floor : float
        In the unit of `values`.

    Returns
    -------
    ndarray (window,)
        In seconds; 0 below :data:`LEAST_QUIET_S`, because a heart rests between beats and a chest between breaths.
    """
    second = max(round(rate_hz), 2)
    whole = values.shape[1] // second
    quiet = np.ptp(values[:, : whole * second].reshape(len(values), whole, second), axis=2) < floor
    position = np.arange(1, whole + 1)
    longest = (position - np.maximum.accumulate(np.where(quiet, 0, position), axis=1)).max(axis=1, initial=0)
    longest_s = longest * second / rate_hz
    return np.where(longest_s >= LEAST_QUIET_S, longest_s, 0.0)


def in_range(values: np.ndarray, low: float, high: float, fastest: float = np.inf, lag: int = 1) -> np.ndarray:
    """Share of the samples present that lie in [`low`, `high`] and are not part of too fast a change.

    Parameters
    ----------
    values : ndarray (window, time)
        NaN where missing.
    low, high : float
        In the unit of `values`.
    fastest : float
        Largest change over `lag` samples, in the unit of `values`; the sample at its end counts as outside.
    lag : int
        At least 1.

    Returns
    -------
    ndarray (window,)
        NaN where every sample is missing.
    """
    present = np.count_nonzero(~np.isnan(values), axis=1)
    possible = (values >= low) & (values <= high)
    if np.isfinite(fastest):
        possible[:, lag:] &= ~(np.abs(values[:, lag:] - values[:, :-lag]) > fastest)
    inside = np.count_nonzero(possible, axis=1)
    return np.where(present > 0, inside / np.maximum(present, 1), np.nan)


def off_rail(rail_share: np.ndarray, values: np.ndarray, rail: float) -> np.ndarray:
    """Share of the samples that are not at a rail.

    Parameters
    ----------
    rail_share : ndarray (window,)
        Share of the native samples at the window's own repeated extreme.
    values : ndarray (window, time)
        The signal, to tell whether that extreme can be a rail.
    rail : float
        Least absolute value at which it can.

    Returns
    -------
    ndarray (window,)
    """
    reached = np.fmax.reduce(np.abs(values), axis=1) >= rail
    return 1 - np.where(reached, rail_share, 0.0)


def beat_plausibility(beat_s: np.ndarray, values: np.ndarray, rate_hz: float, window_s: float) -> np.ndarray:
    """Share of the window covered by beats that a heart could make.

    An interval counts when it is a rate of 40 to 180 a minute, lies within a factor of the square root of 2.2 of the
    window's median interval (so that the longest is at most 2.2 times the shortest), and the beats at both its ends
    look like the window's mean beat. The stretches before the first beat and after the last count too, up to the
    longest plausible interval.

    Parameters
    ----------
    beat_s : ndarray (window, beat)
        Beats in seconds from the window's start, ascending, padded with NaN.
    values : ndarray (window, time)
        The signal in which they were found.
    rate_hz, window_s : float
        Its rate and the window's length.

    Returns
    -------
    ndarray (window,)
        0 where fewer than three beats were found.

    References
    ----------
    Orphanidou et al., "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE Journal of
    Biomedical and Health Informatics 19 (2015).
    """
    most = max(int(np.count_nonzero(~np.isnan(beat_s), axis=1).max(initial=0)), 1)
    beat_s = beat_s[:, :most]
    interval = np.diff(beat_s, axis=1)
    found = np.count_nonzero(~np.isnan(beat_s), axis=1)
    typical = median_of_present(interval)
    factor = np.sqrt(LARGEST_RATIO)
    plausible = (interval >= SHORTEST_BEAT_S) & (interval <= LONGEST_BEAT_S)
    plausible &= (interval <= typical[:, None] * factor) & (interval >= typical[:, None] / factor)
    alike = np.concatenate(
        [
            _matches_template(beat_s[k : k + _BLOCK], values[k : k + _BLOCK], rate_hz, typical[k : k + _BLOCK])
            >= TEMPLATE_CORRELATION
            for k in range(0, len(beat_s), _BLOCK)
        ]
    )
    plausible &= alike[:, 1:] & alike[:, :-1]
    covered = np.where(plausible, interval, 0.0).sum(axis=1)
    first, last = np.fmin.reduce(beat_s, axis=1), np.fmax.reduce(beat_s, axis=1)
    edges = np.where(alike[:, 0], np.fmin(first, LONGEST_BEAT_S), 0.0)
    last_alike = alike[np.arange(len(alike)), np.maximum(found - 1, 0)]
    edges += np.where(last_alike, np.fmin(window_s - last, LONGEST_BEAT_S), 0.0)
    score = np.where(plausible.any(axis=1), (covered + edges) / window_s, 0.0)
    return np.where(found >= 3, np.clip(np.nan_to_num(score), 0, 1), 0.0)


def _matches_template(beat_s: np.ndarray, values: np.ndarray, rate_hz: float, typical: np.ndarray) -> np.ndarray:
    """Correlation (window, beat) with the mean beat of the window, over one typical interval centred on the beat.

    A beat too close to an edge to be cut whole counts as alike: it says nothing either way.
    """
    offset = np.linspace(-0.5, 0.5, _TEMPLATE_POINTS) * typical[:, None]
    position = (beat_s[:, :, None] + offset[:, None, :]) * rate_hz
    whole = (position[..., 0] >= 0) & (position[..., -1] <= values.shape[1] - 1)
    position = np.where(whole[..., None], position, 0.0)
    left = np.minimum(position.astype(int), values.shape[1] - 2)
    row = np.arange(len(values))[:, None, None]
    weight = (position - left).astype(np.float32)
    beat = values[row, left] * (1 - weight) + values[row, left + 1] * weight
    beat = beat - beat.mean(axis=2, keepdims=True)
    norm = np.sqrt((beat**2).sum(axis=2, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        beat = np.where(whole[..., None] & (norm > 0), beat / norm, 0.0)
    template = beat.sum(axis=1)
    template /= np.maximum(np.sqrt((template**2).sum(axis=1, keepdims=True)), 1e-12)
    correlation = (beat * template[:, None, :]).sum(axis=2)
    return np.where(whole, correlation, np.where(np.isnan(beat_s), np.nan, 1.0))
