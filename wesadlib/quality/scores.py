"""The measurements behind the rules of quality, on plain arrays: stillness, flatness, range, rails, beats.

Every score is a share in [0, 1], 1 is best, computed for all windows at once; each window gets what it gets alone.

Where `values` may have a dimension ``channel``, a limit may be given for each channel. A channel whose limit is NaN is
not read, and scores NaN.
"""

import math

import numpy as np

from wesadlib.quality import beats, loops

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
    return loops.still_share(np.ascontiguousarray(acceleration), _second(rate_hz), STILL_G)


def longest_quiet_s(values: np.ndarray, rate_hz: float, floor: float | np.ndarray) -> np.ndarray:
    """Longest stretch of seconds in each of which the signal's range stays below `floor`.

    Parameters
    ----------
    values : ndarray (window, time) or (window, channel, time)
        NaN where missing; a second with a missing sample is not quiet.
    rate_hz : float
        Samples a second.
    floor : float or ndarray (channel,)
        In the unit of `values`.

    Returns
    -------
    ndarray (window,) or (window, channel)
        In seconds; 0 below :data:`LEAST_QUIET_S`, because a heart rests between beats and a chest between breaths.
    """
    second = _second(rate_hz)
    longest_s = loops.most_quiet_seconds(_rows(values), second, _limits(floor)) * second / rate_hz
    longest_s[longest_s < LEAST_QUIET_S] = 0.0
    return longest_s.reshape(values.shape[:-1])


def in_range(
    values: np.ndarray,
    low: float | np.ndarray,
    high: float | np.ndarray,
    fastest: float | np.ndarray = np.inf,
    lag: int | np.ndarray = 1,
) -> np.ndarray:
    """Share of the samples present that lie in [`low`, `high`] and are not part of too fast a change.

    Parameters
    ----------
    values : ndarray (window, time) or (window, channel, time)
        NaN where missing.
    low, high : float or ndarray (channel,)
        In the unit of `values`.
    fastest : float or ndarray (channel,)
        Largest change over `lag` samples, in the unit of `values`; the sample at its end counts as outside.
    lag : int or ndarray (channel,)
        At least 1.

    Returns
    -------
    ndarray (window,) or (window, channel)
        NaN where every sample is missing.
    """
    limits = _limits(low), _limits(high), _limits(fastest), _limits(lag, np.int64)
    return loops.possible_share(_rows(values), *limits).reshape(values.shape[:-1])


def off_rail(rail_share: np.ndarray, values: np.ndarray, rail: float | np.ndarray) -> np.ndarray:
    """Share of the samples that are not at a rail.

    Parameters
    ----------
    rail_share : ndarray (window,) or (window, channel)
        Share of the native samples at the window's own repeated extreme.
    values : ndarray (window, time) or (window, channel, time)
        The signal, to tell whether that extreme can be a rail.
    rail : float or ndarray (channel,)
        Least absolute value at which it can.

    Returns
    -------
    ndarray (window,) or (window, channel)
    """
    shares = np.array(rail_share, np.float64, order="C")
    return loops.off_rail_share(shares.reshape(-1), _rows(values), _limits(rail)).reshape(shares.shape)


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
    return beats.plausible_share(
        np.ascontiguousarray(beat_s),
        np.ascontiguousarray(values),
        float(rate_hz),
        float(window_s),
        (SHORTEST_BEAT_S, LONGEST_BEAT_S),
        LARGEST_RATIO,
        TEMPLATE_CORRELATION,
    )


def _second(rate_hz: float) -> int:
    return max(round(rate_hz), 2)


# Rows of one layout, so that the loops are compiled once and sum up alike for a lone window and for many.
def _rows(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(math.prod(values.shape[:-1]), values.shape[-1])


def _limits(limit: float | np.ndarray, dtype: type = np.float64) -> np.ndarray:
    return np.array(limit, dtype, ndmin=1)
