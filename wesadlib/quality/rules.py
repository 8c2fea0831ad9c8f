"""The rules of quality as data: definition, cut-off, source, and the signals that each is asked of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.errors import InputError
from wesadlib.params import Params
from wesadlib.quality import scores
from wesadlib.quality.scores import STILL_G, TEMPLATE_CORRELATION
from wesadlib.signals import RAW_STATISTICS, Windows

SIGNALS = ("ecg", "bvp", "eda", "emg", "resp", "temp", "acc")

#: Where a body can be, in the signal's unit. Skin conductance after Kleckner (2018); for temperature 28 degC rather
#: than that source's 30 lets in cold hands, and a sensor that hangs in a room reads 20 to 25; ECG, EMG, respiration and
#: acceleration generously beyond what these recorders give, so that a wrong unit is seen.
RANGES: dict[str, tuple[float, float]] = {
    "ecg": (-5.0, 5.0),
    "emg": (-5.0, 5.0),
    "resp": (-60.0, 60.0),
    "eda": (0.05, 60.0),
    "temp": (28.0, 40.0),
    "acc": (-8.0, 8.0),
}

_DEFAULTS = Params()

#: What an accelerometer that lies still shows, in g: the earth's pull, 1 g, by any sensor's data sheet within a few
#: percent. Beyond half of it the unit is wrong, or signed bytes were read as unsigned ones.
GRAVITY_G = (0.5, 1.5)

#: How fast a body can move, in the signal's unit a second, over so many seconds: Kleckner (2018) for skin conductance;
#: a temperature sensor that has come off cools by 0.2 degC a second, skin by a tenth of that.
SPEEDS: dict[str, tuple[float, float]] = {"eda": (10.0, 1.0), "temp": (0.1, 5.0)}

#: A second in which the signal's range is below this, in its unit, is quiet, and ten of them in a row are a flat line:
#: a sensor that touches nobody reads noise, which never stands still. Hearts and breathing chests do not fall below.
NOISE_FLOORS: dict[str, float] = {"ecg": 0.1, "bvp": 4.0, "resp": 0.3}

#: A repeated extreme counts as a rail from this absolute value on: slow, coarsely quantised signals repeat their
#: extremes in perfect health, and an accelerometer of a hand at rest does nothing else.
RAILS: dict[str, float] = {"ecg": 0.0, "bvp": 0.0, "emg": 0.0, "resp": 0.0, "eda": 20.0, "acc": 1.9}


class _Layout:
    """Where the channels of a signal lie among these names, and what limits each of them has."""

    def __init__(self, names: tuple[str, ...]):
        self.signals = [signal_of(name) for name in names]
        self.device = np.array([name.split("_")[0] for name in names])
        self.axes = {
            device: [k for k, signal in enumerate(self.signals) if signal == "acc" and self.device[k] == device]
            for device in dict.fromkeys(self.device.tolist())
        }

    def limits(self, of: Mapping[str, float | tuple[float, float]]) -> tuple[list[int], np.ndarray]:
        """Positions of the channels that a table names, and their entries, one after another."""
        at = [k for k, signal in enumerate(self.signals) if signal in of]
        return at, np.array([of[self.signals[k]] for k in at], np.float32)


_layout = lru_cache(maxsize=8)(_Layout)


def _raw(windows: Windows, statistic: str) -> np.ndarray:
    """One of the raw statistics, (window, channel)."""
    return windows.raw_statistics[..., RAW_STATISTICS.index(statistic)].astype(np.float64)


def _completeness(windows: Windows) -> np.ndarray:
    return 1 - _raw(windows, "missing_share")


def _flat_line(windows: Windows) -> np.ndarray:
    layout, flat_s = _layout(windows.channels), _raw(windows, "longest_flat_s")
    for axes in layout.axes.values():
        # The three axes are one sensor: a hand at rest leaves one of them unchanged for a minute.
        flat_s[:, axes] = np.fmin.reduce(flat_s[:, axes], axis=1, initial=np.nan)[:, None]
    at, floors = layout.limits(NOISE_FLOORS)
    quiet_s = scores.longest_quiet_s(windows.signal[:, at], windows.rate_hz, floors[:, None])
    flat_s[:, at] = np.fmax(flat_s[:, at], quiet_s)
    # A heart never stands still, so of it many short stretches are as bad as a long one.
    hearts = [k for k in at if layout.signals[k] in ("ecg", "bvp")]
    flat_s[:, hearts] = np.fmax(flat_s[:, hearts], windows.window_s * _raw(windows, "flat_share")[:, hearts])
    return 1 - np.minimum(flat_s / windows.window_s, 1)


def _range(windows: Windows) -> np.ndarray:
    layout, result = _layout(windows.channels), np.full(windows.signal.shape[:2], np.nan)
    at, limits = layout.limits(RANGES)
    if not at:
        return result
    impossible = np.zeros(windows.signal.shape, np.bool_)
    for k, signal in enumerate(layout.signals):
        if signal in SPEEDS:
            speed, over_s = SPEEDS[signal]
            lag = max(round(over_s * windows.rate_hz), 1)
            change = windows.signal[:, k, lag:] - windows.signal[:, k, :-lag]
            impossible[:, k, lag:] = np.abs(change) > speed * over_s
    for axes in layout.axes.values():
        if len(axes) == 3:
            wrong = scores.weightless(windows.signal[:, axes], windows.rate_hz, *GRAVITY_G)
            impossible[:, axes, : wrong.shape[1]] = wrong[:, None]
    result[:, at] = scores.in_range(windows.signal[:, at], *limits.T[..., None], impossible[:, at])
    return result


def _saturation(windows: Windows) -> np.ndarray:
    at, rails = _layout(windows.channels).limits(RAILS)
    result = np.full(windows.signal.shape[:2], np.nan)
    reached = (np.abs(windows.signal[:, at]) >= rails[:, None]).any(axis=-1)
    result[:, at] = np.where(reached, 1 - _raw(windows, "rail_share")[:, at], 1.0)
    return result


def _motion(windows: Windows) -> np.ndarray:
    layout, result = _layout(windows.channels), np.full(windows.signal.shape[:2], np.nan)
    for device, axes in layout.axes.items():
        if axes:
            result[:, layout.device == device] = scores.stillness(windows.signal[:, axes], windows.rate_hz)[:, None]
    return result


def _beats(windows: Windows) -> np.ndarray:
    result = np.full(windows.signal.shape[:2], np.nan)
    for k, source in enumerate(windows.beat_sources):
        if source in windows.channels:
            at = windows.channels.index(source)
            values = windows.beat_s[:, k], windows.signal[:, at], windows.rate_hz, windows.window_s
            result[:, at] = scores.beat_plausibility(*values)
    return result


@dataclass(frozen=True)
class Rule:
    """One rule of quality.

    Attributes
    ----------
    name : str
        As it appears in a reason.
    definition : str
        What the score is: always a share, 1 is best.
    thresholds : dict
        Signal to the parameter that holds its cut-off; a signal that is not named is not asked.
    source : str
        Key in the book's references, or "own".
    score : callable
        Of :class:`Windows`: scores (window, channel), NaN where nothing can be read.
    """

    name: str
    definition: str
    thresholds: Mapping[str, str]
    source: str
    score: Callable[[Windows], np.ndarray]


def _same(threshold: str, *signals: str) -> dict[str, str]:
    return dict.fromkeys(signals, threshold)


#: The rules, in the order in which a tie between reasons is broken.
RULES: tuple[Rule, ...] = (
    Rule(
        "completeness",
        "share of the samples that arrived, counted at the native rate",
        _same("min_completeness", *SIGNALS),
        "own",
        _completeness,
    ),
    Rule(
        "flat line",
        "1 - longest stretch without change / window, at the native rate; of an accelerometer, its liveliest axis; in "
        "ECG, BVP and respiration ten seconds or more of nothing but noise are no change; in ECG and BVP, stretches "
        "of a quarter of a second and more count together",
        {
            **_same("max_flat_fast_s", "ecg", "bvp", "emg", "resp"),
            "eda": "max_flat_s",
            **_same("max_flat_coarse_s", "temp", "acc"),
        },
        "clifford2012",
        _flat_line,
    ),
    Rule(
        "physiological range",
        "share of the samples that lie where a body can be; for EDA and temperature, and move no faster than it can; "
        f"for acceleration, and are not of a still second with a magnitude beyond {GRAVITY_G[0]} to {GRAVITY_G[1]} g",
        _same("min_in_range_share", *RANGES),
        "kleckner2018",
        _range,
    ),
    Rule(
        "saturation",
        "1 - share of the samples at the window's own repeated extreme, at the native rate",
        _same("max_saturated_share", *RAILS),
        "own",
        _saturation,
    ),
    Rule(
        "motion",
        f"share of the seconds in which the magnitude of acceleration varies by less than {STILL_G} g (SD)",
        _same("min_motion_score", "ecg", "bvp", "eda", "emg", "resp"),
        "own",
        _motion,
    ),
    Rule(
        "beat plausibility",
        "share of the window covered by beats that come at 40 to 180 a minute, differ by at most a factor of 2.2, "
        f"and look like the window's mean beat (correlation {TEMPLATE_CORRELATION})",
        {"ecg": "min_beat_plausibility", "bvp": "min_pulse_plausibility"},
        "orphanidou2015",
        _beats,
    ),
)

THRESHOLDS: tuple[str, ...] = tuple(dict.fromkeys(name for rule in RULES for name in rule.thresholds.values()))


def read_thresholds(thresholds: Any = None) -> dict[str, float]:
    """Gather the cut-offs as plain values, from whatever holds the names in :data:`THRESHOLDS`; None: the defaults."""
    thresholds = _DEFAULTS if thresholds is None else thresholds
    if not isinstance(thresholds, Mapping):
        return {name: float(getattr(thresholds, name)) for name in THRESHOLDS}
    missing = [name for name in THRESHOLDS if name not in thresholds]
    if missing:
        raise InputError(f"quality thresholds: `{missing[0]}` is missing; all of {', '.join(THRESHOLDS)} are needed.")
    return {name: float(thresholds[name]) for name in THRESHOLDS}


def describe_rules(thresholds: Any = None) -> pd.DataFrame:
    """Tabulate the rules with the cut-offs in force: a row a rule and cut-off.

    Parameters
    ----------
    thresholds : Params, mapping or None
        As in :func:`assess_quality`.

    Returns
    -------
    DataFrame
        Columns ``rule signals definition parameter cutoff source``; `cutoff` in the parameter's own unit.
    """
    values = read_thresholds(thresholds)
    rows = []
    for rule in RULES:
        for parameter in dict.fromkeys(rule.thresholds.values()):
            signals = ", ".join(signal for signal in SIGNALS if rule.thresholds.get(signal) == parameter)
            rows.append((rule.name, signals, rule.definition, parameter, values[parameter], rule.source))
    return pd.DataFrame(rows, columns=["rule", "signals", "definition", "parameter", "cutoff", "source"])


@cache
def signal_of(channel: str) -> str:
    """Signal of a channel: ``wrist_acc_x`` is ``acc``."""
    parts = channel.split("_")
    if len(parts) < 2 or parts[1] not in SIGNALS:
        raise InputError(
            f"channel {channel}: no quality rules for it; names are <device>_<signal>, with {', '.join(SIGNALS)}."
        )
    return parts[1]
