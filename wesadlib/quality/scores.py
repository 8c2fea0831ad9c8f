"""The measurements behind the rules of quality, on plain arrays: stillness, flatness, range, rails, beats.

Every score is a share in [0, 1], 1 is best, computed for all windows at once; each window gets what it gets alone.
"""

import numpy as np

from wesadlib.signals.filters import median_of_present

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
_TEMPLATE = np.linspace(-0.5, 0.5, 32)


def stillness(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    """Share (window,) of the whole seconds in which acceleration's magnitude varies by less than :data:`STILL_G` (SD).

    `acceleration` is (window, axis, time) in g. NaN where no second was recorded whole.
    """
    spread = _magnitude(acceleration, rate_hz).std(axis=2)
    recorded = (~np.isnan(spread)).sum(axis=1)
    return (spread < STILL_G).sum(axis=1) / np.where(recorded > 0, recorded, np.nan)


def weightless(acceleration: np.ndarray, rate_hz: float, low: float, high: float) -> np.ndarray:
    """Mark the samples (window, time) of the still seconds whose mean magnitude is beyond `low` and `high`, in g."""
    magnitude = _magnitude(acceleration, rate_hz)
    mean = magnitude.mean(axis=2)
    wrong = (magnitude.std(axis=2) < STILL_G * np.maximum(mean, 1)) & ~((mean >= low) & (mean <= high))
    return np.repeat(wrong, magnitude.shape[2], axis=1)


def _magnitude(acceleration: np.ndarray, rate_hz: float) -> np.ndarray:
    """Magnitude (window, second, time) of acceleration (window, axis, time) in its whole seconds."""
    second = max(round(rate_hz), 2)
    whole = acceleration.shape[-1] // second
    magnitude = np.sqrt((acceleration[..., : whole * second].astype(np.float64) ** 2).sum(axis=1))
    return magnitude.reshape(len(magnitude), whole, second)


def longest_quiet_s(values: np.ndarray, rate_hz: float, floor: float | np.ndarray) -> np.ndarray:
    """Longest stretch (…) of seconds in each of which the range of values (…, time) stays below `floor`, in s.

    A second with a missing sample is not quiet. 0 below :data:`LEAST_QUIET_S`, because a heart rests between beats and
    a chest between breaths.
    """
    second = max(round(rate_hz), 2)
    whole = values.shape[-1] // second
    seconds = values[..., : whole * second].reshape(*values.shape[:-1], whole, second)
    quiet = seconds.max(axis=-1) - seconds.min(axis=-1) < floor
    position = np.arange(1, whole + 1)
    longest = (position - np.maximum.accumulate(np.where(quiet, 0, position), axis=-1)).max(axis=-1, initial=0)
    longest_s = longest * second / rate_hz
    return np.where(longest_s >= LEAST_QUIET_S, longest_s, 0.0)


def in_range(values: np.ndarray, low: np.ndarray, high: np.ndarray, impossible: np.ndarray) -> np.ndarray:
    """Share (…) of the samples present of values (…, time) that lie in [`low`, `high`] and are not `impossible`.

    NaN where all are missing.
    """
    present = (~np.isnan(values)).sum(axis=-1)
    possible = ((values >= low) & (values <= high) & ~impossible).sum(axis=-1)
    return possible / np.where(present > 0, present, np.nan)


def beat_plausibility(beat_s: np.ndarray, values: np.ndarray, rate_hz: float, window_s: float) -> np.ndarray:
    """Share (window,) of the window covered by beats (window, beat) that a heart could make, found in (window, time).

    An interval counts when it is a rate of 40 to 180 a minute, lies within a factor of the square root of 2.2 of the
    window's median interval (so that the longest is at most 2.2 times the shortest), and the beats at both its ends
    look like the window's mean beat. The stretches before the first beat and after the last count too, up to the
    longest plausible interval. 0 where fewer than three beats were found. Orphanidou et al., "Signal-quality indices
    for the electrocardiogram and photoplethysmogram", IEEE J. Biomed. Health Inform. 19 (2015).
    """
    count = (~np.isnan(beat_s)).sum(axis=1)
    beat_s = beat_s[:, : max(count.max(initial=0), 2)]
    interval = np.diff(beat_s, axis=1)
    typical = median_of_present(interval)[:, None]
    factor = np.sqrt(LARGEST_RATIO)
    alike = _alike(beat_s, values, rate_hz, typical)
    plausible = (interval >= np.maximum(SHORTEST_BEAT_S, typical / factor)) & alike[:, 1:] & alike[:, :-1]
    plausible &= interval <= np.minimum(LONGEST_BEAT_S, typical * factor)
    covered = np.where(plausible, interval, 0.0).sum(axis=1)
    last = np.maximum(count - 1, 0)[:, None]
    before = np.where(alike[:, 0], np.fmin(beat_s[:, 0], LONGEST_BEAT_S), 0.0)
    after = np.fmin(window_s - np.take_along_axis(beat_s, last, axis=1)[:, 0], LONGEST_BEAT_S)
    after = np.where(np.take_along_axis(alike, last, axis=1)[:, 0], after, 0.0)
    readable = (count >= 3) & plausible.any(axis=1)
    return np.where(readable, np.clip((covered + before + after) / window_s, 0, 1), 0.0)


def _alike(beat_s: np.ndarray, values: np.ndarray, rate_hz: float, typical: np.ndarray) -> np.ndarray:
    """Whether beats (window, beat) correlate with the window's mean beat, over one typical interval centred on each.

    A beat too close to an edge to be cut whole counts as alike: it says nothing either way.
    """
    position = (beat_s + _TEMPLATE[:, None, None] * typical) * rate_hz
    whole = (position[0] >= 0) & (position[-1] <= values.shape[1] - 1)
    window, beat = np.nonzero(whole)
    position = position[:, window, beat]
    left = np.minimum(position.astype(int), values.shape[1] - 2)
    # From a sample of its own, so that a flat line is 0 exactly, and a small wave on a large value keeps its digits.
    origin = values[window, left[0]].astype(np.float64)
    at_left, at_right = values[window, left] - origin, values[window, left + 1] - origin
    cut = at_left + (at_right - at_left) * (position - left)
    cut -= cut.mean(axis=0)
    norm = np.sqrt((cut**2).sum(axis=0))
    # A beat that does not vary, or has a gap, is like nothing and adds nothing to the mean.
    cut = np.where(norm > 0, cut, 0.0) / np.where(norm > 0, norm, 1.0)
    cuts = np.zeros((len(_TEMPLATE), *beat_s.shape))
    cuts[:, window, beat] = cut
    template = cuts.sum(axis=2)
    # Of beats that cancel each other, what is left is rounding, which must not be scaled up.
    template /= np.maximum(np.sqrt((template**2).sum(axis=0)), 1e-12)
    alike = np.ones(beat_s.shape, np.bool_)
    alike[window, beat] = (cut * template[:, window]).sum(axis=0) >= TEMPLATE_CORRELATION
    return alike
