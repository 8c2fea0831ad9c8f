"""What keeps a window from being used, channel by channel."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def find_problems(
    channels: Mapping[str, Any],
    rates_hz: Mapping[str, float],
    wanted: Sequence[str],
    window_s: float,
    infinite: bool = True,
) -> dict[str, str]:
    """Find what keeps one window from being used.

    Parameters
    ----------
    channels : mapping of str to array (time)
        Native samples, whatever was sent.
    rates_hz : mapping of str to float
        Sampling rate of each.
    wanted : sequence of str
        The channels that a window must have.
    window_s : float
        Length of a window.
    infinite : bool
        Whether infinite samples are looked for, which takes more time than all else.

    Returns
    -------
    dict of str to str
        Channel name to problem, empty where there is none.
    """
    problems = {}
    for name in channels:
        if name not in wanted:
            problems[name] = f"unknown channel, this model uses {', '.join(wanted)}"
    for name in wanted:
        if name not in channels:
            problems[name] = "missing channel"
        elif problem := _problem(channels[name], rates_hz.get(name, math.nan), window_s, infinite):
            problems[name] = problem
    return problems


def _problem(samples: Any, rate_hz: float, window_s: float, infinite: bool) -> str:
    if not 0 < rate_hz <= 1e5:
        return f"rate_hz must be above 0 and at most 100000, not {rate_hz:g}"
    try:
        values = np.asarray(samples)
    except ValueError:
        values = np.empty((0, 0))
    if values.ndim != 1 or (values.size and values.dtype.kind not in "fiu"):
        return "samples must be one row of numbers"
    expected = round(rate_hz * window_s)
    if len(values) != expected:
        return f"{window_s:g} s at {rate_hz:g} Hz are {expected} samples, not {len(values)}"
    if expected < 2:
        return f"{window_s:g} s at {rate_hz:g} Hz are {expected} samples; at least 2 are needed"
    if infinite and np.isinf(values).any():
        return "a sample is infinite; a missing one is NaN"
    return ""
