"""The compiled loops behind the scores, each over the rows of a whole run or of the one window that a server got.

Rows are contiguous. Limits are given once a channel and hold for that channel of every window: row `k` has the limit
``k % len(limits)``. Where a limit is NaN, the row is not read and the result is NaN. A limit is compared in the
precision of the samples, so that a sample that was stored as the limit lies on it.
"""

import numpy as np

from wesadlib.compiled import compiled


@compiled
def still_share(acceleration: np.ndarray, second: int, limit: float) -> np.ndarray:
    """Share (window,) of the seconds recorded whole in which the magnitude has an SD below `limit`.

    Parameters
    ----------
    acceleration : ndarray (window, axis, time)
    second : int
        Samples a second.
    limit : float
        In the unit of `acceleration`.
    """
    whole = acceleration.shape[2] // second
    magnitude = np.empty(whole * second)
    share = np.full(len(acceleration), np.nan)
    for k in range(len(acceleration)):
        magnitude[:] = 0.0
        for axis in range(acceleration.shape[1]):
            for t in range(len(magnitude)):
                magnitude[t] += np.float64(acceleration[k, axis, t]) ** 2
        for t in range(len(magnitude)):
            magnitude[t] = np.sqrt(magnitude[t])
        recorded = still = 0
        for start in range(0, len(magnitude), second):
            spread = _standard_deviation(magnitude[start : start + second])
            recorded += not np.isnan(spread)
            still += spread < limit
        if recorded:
            share[k] = still / recorded
    return share


@compiled
def _standard_deviation(values: np.ndarray) -> float:
    total = squares = 0.0
    for t in range(len(values)):
        total += values[t]
    mean = total / len(values)
    for t in range(len(values)):
        squares += (values[t] - mean) ** 2
    return np.sqrt(squares / len(values))


@compiled
def most_quiet_seconds(rows: np.ndarray, second: int, floors: np.ndarray) -> np.ndarray:
    """Most successive seconds of a row (row,) in each of which every sample is there and the range is below `floors`.

    Parameters
    ----------
    rows : ndarray (row, time)
    second : int
        Samples a second.
    floors : ndarray (channel,)
        In the unit of `rows`.
    """
    most = np.full(len(rows), np.nan)
    for k in range(len(rows)):
        floor = floors[k % len(floors)]
        if np.isnan(floor):
            continue
        longest = lasting = 0
        for start in range(0, len(rows[k]) - second + 1, second):
            quiet = _stays_below(rows[k, start : start + second], rows.dtype.type(floor))
            lasting = lasting + 1 if quiet else 0
            longest = max(longest, lasting)
        most[k] = longest
    return most


@compiled
def _stays_below(values: np.ndarray, floor: float) -> bool:
    lowest = highest = values[0]
    for t in range(len(values)):
        lowest, highest = min(lowest, values[t]), max(highest, values[t])
        # A living signal need not be read to the second's end.
        if np.isnan(values[t]) or not highest - lowest < floor:
            return False
    return True


@compiled
def possible_share(
    rows: np.ndarray, low: np.ndarray, high: np.ndarray, fastest: np.ndarray, lag: np.ndarray
) -> np.ndarray:
    """Share (row,) of the samples present that lie in [`low`, `high`] and do not end too fast a change.

    Parameters
    ----------
    rows : ndarray (row, time)
    low, high, fastest : ndarray (channel,)
        In the unit of `rows`; `fastest` over `lag` samples.
    lag : ndarray (channel,) of int
    """
    share = np.full(len(rows), np.nan)
    for k in range(len(rows)):
        if np.isnan(low[k % len(low)]):
            continue
        row, present, possible = rows[k], 0, 0
        lowest, highest = rows.dtype.type(low[k % len(low)]), rows.dtype.type(high[k % len(high)])
        for t in range(len(row)):
            present += not np.isnan(row[t])
            possible += (row[t] >= lowest) & (row[t] <= highest)
        largest, samples = rows.dtype.type(fastest[k % len(fastest)]), lag[k % len(lag)]
        if np.isfinite(largest):
            earlier, later = row[: len(row) - samples], row[samples:]
            for t in range(len(later)):
                jumped = np.abs(later[t] - earlier[t]) > largest
                possible -= jumped & (later[t] >= lowest) & (later[t] <= highest)
        if present:
            share[k] = possible / present
    return share


@compiled
def off_rail_share(rail_share: np.ndarray, rows: np.ndarray, rails: np.ndarray) -> np.ndarray:
    """What `rail_share` leaves (row,) where the row reaches `rails`, else 1.

    Parameters
    ----------
    rail_share : ndarray (row,)
    rows : ndarray (row, time)
    rails : ndarray (channel,)
        Least absolute values, in the unit of `rows`.
    """
    share = np.full(len(rows), np.nan)
    for k in range(len(rows)):
        rail = rails[k % len(rails)]
        if np.isnan(rail):
            continue
        row, least, reached = rows[k], rows.dtype.type(rail), 0
        # Most rows have nothing at a rail, and need not be read.
        if rail_share[k] != 0:
            for t in range(len(row)):
                reached += np.abs(row[t]) >= least
        share[k] = 1 - rail_share[k] if reached else 1.0
    return share


@compiled
def rescale(scores: np.ndarray, cutoffs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring every rule to one scale, on which 0 stays 0, the cut-off is 0.5 and 1 stays 1.

    Parameters
    ----------
    scores : ndarray (window, channel, rule)
        NaN where nothing can be said.
    cutoffs : ndarray (channel, rule)
        Least accepted scores; NaN where a rule is not asked.

    Returns
    -------
    margin : ndarray (window, channel, rule)
        NaN where either is.
    quality : ndarray (window, channel), float32
        The least margin of a channel; NaN where it has none.
    """
    margin = np.full(scores.shape, np.nan)
    quality = np.full(scores.shape[:2], np.nan, np.float32)
    for window, channel, rule in np.ndindex(scores.shape):
        score, cutoff = np.float64(scores[window, channel, rule]), cutoffs[channel, rule]
        if np.isnan(score) or np.isnan(cutoff):
            continue
        # Scores are kept as float32: a share that equals its cut-off must not fail by the last bit.
        if score < cutoff - 1e-6:
            scaled = min(max(0.5 * score / cutoff, 0.0), 0.5 - 1e-6)
        elif cutoff < 1:
            scaled = min(max(0.5 + 0.5 * (score - cutoff) / (1 - cutoff), 0.5), 1.0)
        else:
            scaled = 1.0
        margin[window, channel, rule] = scaled
        quality[window, channel] = np.fmin(quality[window, channel], scaled)
    return margin, quality
