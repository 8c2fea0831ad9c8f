"""Values held against what a sensor must show: the unit that a channel seems to have been recorded in."""

from collections.abc import Callable

import numpy as np

from wesadlib.quality.rules import GRAVITY_G, RANGES

_Convert = Callable[[np.ndarray], np.ndarray]
#: Units in which a signal comes by mistake, and how each becomes ours: uS, degC, g, mV.
_CONVERSIONS: dict[str, dict[str, _Convert]] = {
    "eda": {"nS": lambda value: value / 1e3, "S": lambda value: value * 1e6, "kOhm": lambda value: 1e3 / value},
    "temp": {"degF": lambda value: (value - 32) / 1.8, "K": lambda value: value - 273.15},
    "acc": {
        # In 1/64 g; other units have negative values, too.
        "signed bytes, read as unsigned": lambda value: np.where(
            (value >= 2) & (np.nanmin(value) >= 0), value - 4, value
        ),
        "m/s2": lambda value: value / 9.81,
        "1/64 g": lambda value: value / 64,
        "mg": lambda value: value / 1e3,
        "m/s2, read as 1/64 g": lambda value: value * 64 / 9.81,
    },
    "ecg": {"uV": lambda value: value / 1e3, "V": lambda value: value * 1e3},
}
# Spread of an ECG's samples, in mV: a QRS complex of 1 mV and a tenth of a second among others.
_ECG_SPREAD = (0.02, 2.0)


def likely_unit(signal: str, values: np.ndarray) -> str | None:
    """Unit that samples seem to have in place of the right one: None where they are possible, "" where none explains.

    Parameters
    ----------
    signal : str
        Such as ``eda``; a pulse has no unit of its own.
    values : ndarray (time,) or (axis, time)
        About a minute of a channel, in the unit that it should have, NaN where missing; of acceleration all three axes.

    Examples
    --------
    >>> likely_unit("temp", np.full(240, 91.4)), likely_unit("temp", np.full(240, 33.0))
    ('degF', None)
    """
    values = np.asarray(values, np.float64)
    if signal not in _CONVERSIONS or not np.isfinite(values).any() or _possible(signal, values):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return next((unit for unit, turn in _CONVERSIONS[signal].items() if _possible(signal, turn(values))), "")


def _possible(signal: str, values: np.ndarray) -> bool:
    if signal == "acc":
        low, high = GRAVITY_G
        level = np.nanmedian(np.sqrt((values**2).sum(axis=0)))
    elif signal == "ecg":
        low, high = _ECG_SPREAD
        level = np.nanstd(values)
    else:
        low, high = RANGES[signal]
        level = np.nanmedian(values)
    return bool(low <= level <= high)
