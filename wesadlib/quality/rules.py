"""The rules of quality as data: definition, cut-off, source, and the signals that each is asked of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
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


def _raw(windows: Windows, name: str, statistic: str) -> np.ndarray:
    """One of a channel's raw statistics, (window,)."""
    at = windows.channels.index(name), RAW_STATISTICS.index(statistic)
    return windows.raw_statistics[:, *at].astype(np.float64)


def _signal(windows: Windows, name: str) -> np.ndarray:
    return windows.signal[:, windows.channels.index(name)]


def _axes(windows: Windows, device: str) -> list[int]:
    """Positions of the axes of a device's accelerometer."""
    return [k for k, name in enumerate(windows.channels) if name.startswith(f"{device}_acc")]


def _device(name: str) -> str:
    return name.partition("_")[0]


def _each(score: Callable[[Windows, str], np.ndarray]) -> Callable[[Windows, Sequence[str]], np.ndarray]:
    """Scores (window, channel) of several channels, by what scores one."""
    return lambda windows, names: np.stack([score(windows, name) for name in names], axis=1)


@_each
def _completeness(windows: Windows, name: str) -> np.ndarray:
    return 1 - _raw(windows, name, "missing_share")


@_each
def _flat_line(windows: Windows, name: str) -> np.ndarray:
    signal = signal_of(name)
    # The three axes are one sensor: a hand at rest leaves one of them unchanged for a minute.
    sensor = [windows.channels[k] for k in _axes(windows, _device(name))] if signal == "acc" else [name]
    flat_s = np.fmin.reduce([_raw(windows, one, "longest_flat_s") for one in sensor])
    if signal in NOISE_FLOORS:
        floor = NOISE_FLOORS[signal]
        flat_s = np.fmax(flat_s, scores.longest_quiet_s(_signal(windows, name), windows.rate_hz, floor))
    if signal in ("ecg", "bvp"):
        # A heart never stands still, so of it many short stretches are as bad as a long one.
        flat_s = np.fmax(flat_s, windows.window_s * _raw(windows, name, "flat_share"))
    return 1 - np.minimum(flat_s / windows.window_s, 1)


def _range(windows: Windows, names: Sequence[str]) -> np.ndarray:
    weightless = {}
    for device in {_device(name) for name in names if signal_of(name) == "acc"}:
        if len(axes := _axes(windows, device)) == 3:
            weightless[device] = scores.weightless(windows.signal[:, axes], windows.rate_hz, *GRAVITY_G)
    result = np.empty((len(windows), len(names)))
    for k, name in enumerate(names):
        signal, values = signal_of(name), _signal(windows, name)
        impossible = np.zeros(values.shape, np.bool_)
        if signal in SPEEDS:
            speed, over_s = SPEEDS[signal]
            lag = max(round(over_s * windows.rate_hz), 1)
            impossible[:, lag:] = np.abs(values[:, lag:] - values[:, :-lag]) > speed * over_s
        elif signal == "acc" and _device(name) in weightless:
            wrong = weightless[_device(name)]
            impossible[:, : wrong.shape[1]] = wrong
        result[:, k] = scores.in_range(values, *RANGES[signal], impossible)
    return result


@_each
def _saturation(windows: Windows, name: str) -> np.ndarray:
    reached = (np.abs(_signal(windows, name)) >= RAILS[signal_of(name)]).any(axis=-1)
    return np.where(reached, 1 - _raw(windows, name, "rail_share"), 1.0)


def _motion(windows: Windows, names: Sequence[str]) -> np.ndarray:
    result = np.full((len(windows), len(names)), np.nan)
    for device in {_device(name) for name in names}:
        if axes := _axes(windows, device):
            still = scores.stillness(windows.signal[:, axes], windows.rate_hz)
            result[:, [_device(name) == device for name in names]] = still[:, None]
    return result


@_each
def _beats(windows: Windows, name: str) -> np.ndarray:
    beat_s = windows.beat_s[:, windows.beat_sources.index(name)]
    return scores.beat_plausibility(beat_s, _signal(windows, name), windows.rate_hz, windows.window_s)


@dataclass(frozen=True)
class Rule:
    """One rule of quality, by the name that it has in a reason."""

    name: str
    #: What the score is: always a share, 1 is best.
    definition: str
    #: Signal to the parameter that holds its cut-off; a signal that is not named is not asked.
    thresholds: Mapping[str, str]
    #: Key in the book's references, or "own".
    source: str
    #: Of windows and channels: scores (window, channel), NaN where nothing can be read.
    score: Callable[[Windows, Sequence[str]], np.ndarray]


#: The rules, in the order in which a tie between reasons is broken.
RULES: tuple[Rule, ...] = (
    Rule(
        "completeness",
        "share of the samples that arrived, counted at the native rate",
        dict.fromkeys(SIGNALS, "min_completeness"),
        "own",
        _completeness,
    ),
    Rule(
        "flat line",
        "1 - (longest stretch without change) / (length of the window), at the native rate. Acceleration: the axis "
        "that changes most. ECG, BVP and respiration: 10 s or more of noise alone count as no change. ECG and BVP: "
        "stretches of at least 0.25 s are added up",
        {
            **dict.fromkeys(("ecg", "bvp", "emg", "resp"), "max_flat_fast_s"),
            "eda": "max_flat_s",
            **dict.fromkeys(("temp", "acc"), "max_flat_coarse_s"),
        },
        "clifford2012",
        _flat_line,
    ),
    Rule(
        "physiological range",
        "share of the samples with a value that a body can have. EDA and temperature: and that change no faster than "
        "a body can. Acceleration: and whose magnitude, in a second without movement, is "
        f"{GRAVITY_G[0]} to {GRAVITY_G[1]} g",
        dict.fromkeys(RANGES, "min_in_range_share"),
        "kleckner2018",
        _range,
    ),
    Rule(
        "saturation",
        "1 - share of the samples at the window's own repeated extreme, at the native rate",
        dict.fromkeys(RAILS, "max_saturated_share"),
        "own",
        _saturation,
    ),
    Rule(
        "motion",
        f"share of the seconds in which the magnitude of acceleration varies by less than {STILL_G} g (SD)",
        dict.fromkeys(("ecg", "bvp", "eda", "emg", "resp"), "min_motion_score"),
        "own",
        _motion,
    ),
    Rule(
        "beat plausibility",
        "share of the window covered by beats that come at 40 to 180 per minute, differ by at most a factor of 2.2, "
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
    """Tabulate the rules with the cut-offs in force, as :func:`assess_quality` takes them: a row a rule and cut-off.

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
