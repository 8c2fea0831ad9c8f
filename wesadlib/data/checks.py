"""Values held against what a sensor must show, and people against each other: what is wrong without a word."""

from collections.abc import Iterator

import numpy as np

from wesadlib.data.devices import BEAT_SOURCES
from wesadlib.data.recording import Recording

#: unit -> lowest and highest median of a minute, why, and what other values may be: (lowest, highest, likely unit)
EXPECTED = {
    "g": (
        *(0.7, 1.5, "a still wrist shows 1 g"),
        [(7, 13, "m/s2"), (0.11, 0.2, "m/s2"), (0.01, 0.02, "g"), (45, 96, "1/64 g"), (500, 1500, "mg")],
    ),
    "uS": (-1.0, 100.0, "skin conducts 0 to 100 uS", [(100, 1e9, "nS or kOhm"), (1e-8, 5e-5, "S")]),
    "degC": (10.0, 45.0, "skin has 10 to 45 degC", [(50, 113, "degF"), (273, 330, "K")]),
}
MINUTE_S = 60.0

# Samples of a print, the share of stretches that are kept (one in), and how many people may have in common: an E4
# begins each session with the same seconds.
_PRINT = 32
_ONE_IN = 256
_BY_CHANCE = 8
_LEAST_VALUES = 10


def find_faults(recording: Recording) -> list[str]:
    """A sentence for each sensor with minutes of impossible or missing values: channel, minutes, the likely unit.

    Minutes in which no sensor has samples lie between sessions, and are no fault.
    """
    sensors = list(_sensors(recording))
    # A last minute that is not whole says how the sensors ended, unless it is the only one.
    length = max(int(recording.duration_s // MINUTE_S), min(len(sensors), 1))
    split = {name: split_minutes(values, rate_hz, length) for name, _, rate_hz, values in sensors}
    gone = {name: np.isnan(minutes).mean(axis=1) > 0.5 for name, minutes in split.items()}
    between = np.all(list(gone.values()), axis=0)
    faults = []
    for name, unit, _, _ in sensors:
        missing = gone[name]
        if (missing & ~between).any():
            faults.append(f"{recording.subject}: {name} is missing in {_list_minutes(missing & ~between)}.")
        low, high, _, likely = EXPECTED.get(unit, (-np.inf, np.inf, "", []))
        middles = np.full(length, np.nan)
        middles[~missing] = np.nanmedian(split[name][~missing], axis=1)
        wrong = (middles < low) | (middles > high)
        wrong |= np.any([(least <= middles) & (middles <= most) for least, most, _ in likely], axis=0)
        if wrong.any():
            middle = float(np.median(middles[wrong]))
            axes = _axes(recording, name)
            unsigned = unit == "g" and np.max(axes) > 2 and np.min(axes) >= 0
            why = explain_unit(unit, middle, "bytes without their sign" if unsigned else "")
            faults.append(f"{recording.subject}: {name} is {middle:.3g} {unit} in {_list_minutes(wrong)}, {why}.")
    return faults


def split_minutes(values: np.ndarray, rate_hz: float, minutes: int) -> np.ndarray:
    """Samples (minute, time) of so many minutes, NaN where there are none; of less than a minute, what there is."""
    size = min(round(MINUTE_S * rate_hz), len(values))
    padded = np.full(minutes * size, np.nan, values.dtype)
    padded[: len(values)] = values[: len(padded)]
    return padded.reshape(minutes, size)


def explain_unit(unit: str, middle: float, otherwise: str = "") -> str:
    """Why a median is none in this unit, and what it may be, `otherwise` where the table does not know."""
    _, _, reason, likely = EXPECTED[unit]
    guess = next((guess for least, most, guess in likely if least <= middle <= most), otherwise)
    return f"but {reason}{f': perhaps {guess}' if guess else ''}"


def _sensors(recording: Recording) -> Iterator[tuple[str, str, float, np.ndarray]]:
    """Each sensor's name, unit, rate in Hz and values (time,), of acceleration its magnitude."""
    for name, signal in recording.signals.items():
        sensor, _, axis = name.partition("_acc_")
        if not axis:
            yield name, signal.attrs["units"], signal.attrs["rate_hz"], signal.values
        elif axis == "x" and len(axes := _axes(recording, f"{sensor}_acc")) == 3:
            yield f"{sensor}_acc", signal.attrs["units"], signal.attrs["rate_hz"], np.sqrt(sum(v**2 for v in axes))


def _axes(recording: Recording, sensor: str) -> list[np.ndarray]:
    return [signal.values for name, signal in recording.signals.items() if name.startswith(f"{sensor}_")]


def _list_minutes(chosen: np.ndarray) -> str:
    """The minutes (minute,) that are chosen, counted from 1, in words."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    runs = [f"{begin + 1}" if begin + 1 == end else f"{begin + 1} to {end}" for begin, end in edges.reshape(-1, 2)]
    more = f" and {len(runs) - 3} more stretches" if len(runs) > 3 else ""
    return f"minute{'s' if chosen.sum() > 1 else ''} {', '.join(runs[:3])}{more} of {len(chosen)}"


class SharedRecordings:
    """Finds people who share a recording, or a stretch of one, by their signals; one person at a time is looked at."""

    def __init__(self) -> None:
        self._prints: dict[str, np.ndarray] = {}

    def find(self, recording: Recording) -> str:
        """A sentence, if somebody before had the same samples, whatever their number type; else nothing."""
        prints = np.unique(np.concatenate([np.empty(0, np.uint64), *_prints(recording)]))
        self._prints[recording.subject] = prints
        for other, earlier in self._prints.items():
            shared = len(np.intersect1d(prints, earlier, assume_unique=True))
            if other != recording.subject and shared > _BY_CHANCE:
                share = f"{100 * shared / min(len(prints), len(earlier)):.0f} % of the shorter one"
                return f"{recording.subject} and {other} share recordings ({share}): leave one out of `subjects`."
        return ""


def _prints(recording: Recording) -> Iterator[np.ndarray]:
    """Hashes of short stretches of pulse and ECG, which are chosen by their content, so that no clock matters."""
    weights = np.random.default_rng(0).integers(1, 2**63, _PRINT, dtype=np.uint64)
    for name in BEAT_SOURCES:
        if name not in recording.signals:
            continue
        # Coarse enough for half precision.
        scale = 1.0 if recording.signals[name].attrs["units"] == "a.u." else 100.0
        levels = np.nan_to_num(recording.signals[name].values * scale).round().astype(np.int64).view(np.uint64)
        if len(levels) < _PRINT:
            continue
        stretches = np.lib.stride_tricks.sliding_window_view(levels, _PRINT)
        hashes = sum(stretches[:, k] * weights[k] for k in range(_PRINT))
        # The highest bits: the lowest of a sum of products are those of its parts.
        kept = (hashes >> np.uint64(40)) % _ONE_IN == 0
        # What hardly changes is nobody's own.
        varied = np.count_nonzero(np.diff(np.sort(stretches[kept].view(np.int64))), axis=1) >= _LEAST_VALUES - 1
        yield hashes[kept][varied]
