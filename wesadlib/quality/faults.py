"""Faults of known kind and strength, put into good windows at the native rates, and how often the rules catch them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import butter, sosfiltfilt

from wesadlib.data.devices import write_channel
from wesadlib.errors import InputError
from wesadlib.quality.assess import assess_arrays
from wesadlib.quality.rules import signal_of
from wesadlib.signals import Channels, Windows, windows_from_channels
from wesadlib.signals.filters import mean_of_present

ROOM_DEGC, COOLING_S = 22.0, 60.0
SHAKING_G = 0.5
MAINS_HZ = 50.0
STRENGTHS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
#: What a sensor that touches nobody reads: noise of this SD about zero, in the signal's unit.
_LOOSE_NOISE = {"ecg": 0.02, "emg": 0.005, "resp": 0.1, "bvp": 0.5, "eda": 0.003}

Generator = np.random.Generator
_Inject = Callable[[np.ndarray, float, str, float, Generator], np.ndarray]


@dataclass(frozen=True)
class Fault:
    """A way in which signals go wrong, of `whole_device` at once or of one: a strength of 1 is what is said, 0 none."""

    name: str
    strength: str
    signals: tuple[str, ...]
    inject: _Inject
    whole_device: bool = False


def _stretches(shape: tuple[int, int], strength: float, generator: Generator) -> np.ndarray:
    """Mark one stretch of each window, at a random place, that is `strength` of it."""
    length = round(strength * shape[1])
    start = generator.integers(0, shape[1] - length + 1, size=shape[0])[:, None]
    index = np.arange(shape[1])
    return (index >= start) & (index < start + length)


def _flat(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    inside = _stretches(values.shape, strength, generator)
    held = values[np.arange(len(values)), inside.argmax(axis=1)][:, None]
    return np.where(inside, held, values)


def _detached(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    inside = _stretches(values.shape, strength, generator)
    if signal == "temp":
        since_s = np.cumsum(inside, axis=1) / rate_hz
        loose = ROOM_DEGC + (values - ROOM_DEGC) * np.exp(-since_s / COOLING_S)
    else:
        loose = generator.normal(0, _LOOSE_NOISE[signal], values.shape)
        loose = np.abs(loose) if signal == "eda" else loose
    return np.where(inside, loose, values)


def _saturated(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    if signal == "eda":
        return np.minimum(values, np.quantile(values, 1 - strength, axis=1, keepdims=True))
    low, high = np.quantile(values, (strength / 2, 1 - strength / 2), axis=1, keepdims=True)
    return np.clip(values, low, high)


def _moved(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    band = butter(2, (0.5, min(5.0, 0.4 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    noise = sosfiltfilt(band, generator.normal(size=values.shape), axis=1)
    noise /= noise.std(axis=1, keepdims=True)
    scale = SHAKING_G if signal == "acc" else 3 * values.std(axis=1, keepdims=True)
    return values + strength * scale * noise


def _dropped(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    second = round(rate_hz)
    block = np.arange(values.shape[1]) // second
    rank = generator.random((len(values), block[-1] + 1)).argsort(axis=1).argsort(axis=1)
    return np.where((rank < round(strength * (block[-1] + 1)))[:, block], np.nan, values)


def _hummed(values: np.ndarray, rate_hz: float, signal: str, strength: float, generator: Generator) -> np.ndarray:
    phase = generator.uniform(0, 2 * np.pi, (len(values), 1))
    hum = np.sin(2 * np.pi * MAINS_HZ * np.arange(values.shape[1]) / rate_hz + phase)
    return values + strength * 5 * values.std(axis=1, keepdims=True) * hum


# Acceleration is left out of saturation: its limit is fixed, and far beyond what a wearer at rest reaches.
_SKIN = ("ecg", "bvp", "eda", "emg", "resp")
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("flat line", "the whole minute stands still", (*_SKIN, "temp", "acc"), _flat),
        Fault("detachment", "the sensor touches nobody for the whole minute", (*_SKIN, "temp"), _detached),
        Fault("saturation", "every sample is clipped", _SKIN, _saturated),
        Fault(
            "motion",
            f"shaking of {SHAKING_G} g (SD) on each axis, and artefacts of 3 SD in what touches the skin",
            (*_SKIN, "acc"),
            _moved,
            whole_device=True,
        ),
        Fault("dropped samples", "no sample arrives", (*_SKIN, "temp", "acc"), _dropped),
        Fault("mains hum", f"{MAINS_HZ:g} Hz with an amplitude of 5 SD", _SKIN, _hummed),
    )
}


def sensors_of(fault: str, channels: Sequence[str]) -> dict[str, list[str]]:
    """What a fault can befall: sensor to its channels; the axes of an accelerometer are one sensor."""
    if fault not in FAULTS:
        raise InputError(f"fault {fault}: unknown; there are {', '.join(FAULTS)}.")
    sensors: dict[str, list[str]] = {}
    for channel in channels:
        if (signal := signal_of(channel)) in FAULTS[fault].signals:
            device = channel.split("_")[0]
            sensor = device if FAULTS[fault].whole_device else f"{device}_{signal}"
            sensors.setdefault(sensor, []).append(channel)
    return sensors


def inject_fault(
    fault: str,
    channels: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float],
    strength: float,
    generator: Generator,
) -> dict[str, np.ndarray]:
    """Put a fault into native samples (window, time) of the channels that it can befall; copies of all come back."""
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength}: a fault's strength is between 0 and 1.")
    faulty = {name for names in sensors_of(fault, list(channels)).values() for name in names}
    result = {}
    for name, values in channels.items():
        values = np.array(values, float)
        if name in faulty and strength > 0:
            values = FAULTS[fault].inject(values, rates_hz[name], signal_of(name), strength, generator)
        result[name] = values
    return result


def choose_windows(assessed: xr.Dataset, n: int) -> np.ndarray:
    """Positions of `n` accepted windows to try faults on, in turn from the four people who have most of them.

    From no more, because each one's recording has to be loaded.
    """
    good = np.flatnonzero(assessed["verdict"].values)
    subjects = assessed["subject"].values[good]
    names, counts = np.unique(subjects, return_counts=True)
    chosen = names[np.argsort(-counts, kind="stable")][:4]
    generator = np.random.default_rng(0)
    queues = [list(generator.permutation(good[subjects == name])) for name in chosen]
    turns = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    return np.sort(np.array(turns[:n], int))


def try_faults(
    cuts: Sequence[Channels],
    *,
    rate_hz: float,
    window_s: float,
    thresholds: Any = None,
    strengths: Sequence[float] = STRENGTHS,
) -> pd.DataFrame:
    """Befall good windows with every fault, on every sensor, at every strength, and ask the rules.

    `cuts` are native samples at the same rates, from :func:`~wesadlib.signals.cut_windows`; the other values are those
    of the windows. A row a fault, sensor, strength and window: ``fault sensor strength window caught reason change``;
    `change` is how far the harmonised signal moved, RMS in SDs of the good window, the largest of the sensor's
    channels, NaN where nothing of a channel is left.
    """
    good, rates_hz = windows_from_channels(cuts, rate_hz=rate_hz, window_s=window_s), cuts[0][1]
    native = {name: np.stack([channels[name] for channels, _ in cuts]) for name in good.channels}
    generator = np.random.default_rng(0)
    tables = []
    for fault in FAULTS:
        for sensor, names in sensors_of(fault, good.channels).items():
            for strength in strengths:
                changed = inject_fault(fault, {name: native[name] for name in names}, rates_hz, strength, generator)
                bad = _replace(good, changed, rates_hz)
                assessment, change = assess_arrays(bad, thresholds), _change(good, bad, names)
                table = pd.DataFrame({"caught": ~assessment.verdict, "reason": assessment.reason, "change": change})
                tables.append(table.assign(fault=fault, sensor=sensor, strength=float(strength), window=table.index))
    return pd.concat(tables, ignore_index=True)


def summarise_faults(trials: pd.DataFrame) -> pd.DataFrame:
    """Share caught and median change of :func:`try_faults`: columns ``fault sensor strength caught change``."""
    groups = trials.groupby(["fault", "sensor", "strength"], sort=False)
    return groups.agg(caught=("caught", "mean"), change=("change", "median")).reset_index()


def _replace(good: Windows, changed: Mapping[str, np.ndarray], rates_hz: Mapping[str, float]) -> Windows:
    cuts = [({name: values[k] for name, values in changed.items()}, rates_hz) for k in range(len(good))]
    part = windows_from_channels(cuts, rate_hz=good.rate_hz, window_s=good.window_s)
    bad = replace(good, signal=good.signal.copy(), beat_s=good.beat_s.copy(), raw_statistics=good.raw_statistics.copy())
    at = [good.channels.index(name) for name in part.channels]
    bad.signal[:, at], bad.raw_statistics[:, at] = part.signal, part.raw_statistics
    bad.beat_s[:, [good.beat_sources.index(source) for source in part.beat_sources]] = part.beat_s
    return bad


def _change(good: Windows, bad: Windows, names: Sequence[str]) -> np.ndarray:
    at = [good.channels.index(name) for name in names]
    before, after = good.signal[:, at].astype(np.float64), bad.signal[:, at]
    spread = mean_of_present((before - mean_of_present(before)[..., None]) ** 2)
    return np.fmax.reduce(np.sqrt(mean_of_present((after - before) ** 2) / spread), axis=1)


def describe_faults(summary: pd.DataFrame) -> dict[str, float | str]:
    """What a table of :func:`summarise_faults` comes to: shares caught in %, what was missed, and hum by itself."""
    full, half = (summary[summary["strength"] == strength] for strength in (1, 0.5))
    hum = full[full["fault"] == "mains hum"]
    loudest = hum.loc[hum["change"].idxmax()]
    return {
        "caught_full": 100 * full["caught"].mean(),
        "caught_half": 100 * half["caught"].mean(),
        "missed": _in_words(full[full["caught"] < 0.5]),
        "missed_half": _in_words(half[(half["caught"] < 0.5) & (half["fault"] != "mains hum")]),
        "hum_change": loudest["change"],
        "hum_channel": write_channel(loudest["sensor"]),
        "hum_caught": 100 * hum["caught"].mean(),
    }


def _in_words(rows: pd.DataFrame) -> str:
    return ", ".join(f"{row.fault} of {write_channel(row.sensor)}" for row in rows.itertuples()) or "nothing"
