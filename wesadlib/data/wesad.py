"""WESAD's official layout: one folder a person, opened lazily.

Layout and units: Schmidt et al., *Introducing WESAD*, ICMI 2018, doi 10.1145/3242969.3242985, and its readme.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wesadlib.data.cohort import Cohort
from wesadlib.data.devices import CHANNELS, DEVICE_CHANNELS
from wesadlib.data.pickles import load_arrays
from wesadlib.data.quest import read_quest, read_readme
from wesadlib.data.recording import Recording, make_signals
from wesadlib.errors import InputError

#: Label code -> state; 5, 6 and 7 are known and to be ignored: the readings between the conditions.
LABELS: dict[int, str] = {
    0: "transient",
    1: "baseline",
    2: "stress",
    3: "amusement",
    4: "meditation",
    **dict.fromkeys((5, 6, 7), "ignored"),
}

#: The states that windows are made of.
STATES: tuple[str, ...] = ("baseline", "stress", "amusement")

#: Rate of the labels, Hz.
LABEL_RATE_HZ = 700.0

#: Seconds that a labelled block leaves out at either end of its condition.
LABEL_MARGIN_S = 10.0

#: Name of the file that marks a folder of simulated people; it holds the knobs.
SIMULATED_MARKER = "SIMULATED.json"

# Largest disagreement of the protocol's times and the labels that is no problem, s.
_PROTOCOL_TOLERANCE_S = 5.0

# Keys of each device in the pickle; our channels are called so too.
_KEYS = {"chest": ("ACC", "ECG", "EMG", "EDA", "Temp", "Resp"), "wrist": ("ACC", "BVP", "EDA", "TEMP")}

_REMEDY = "repair the file, or leave the subject out of `subjects`"


def find_cohort(root: str | Path) -> Cohort:
    """The people of a folder, whether or not their files are there; nothing else in it is looked at."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it should be the one that holds S2, S3, ….")
    names = [entry.name for entry in root.iterdir() if entry.is_dir() and re.fullmatch(r"S\d+", entry.name)]
    if not names:
        raise InputError(f"{root} holds no subject's folder; it should be the one that holds S2, S3, ….")
    return Cohort(
        root=root,
        subjects=sorted(names, key=lambda name: int(name[1:])),
        load=lambda subject: read_wesad(root / subject),
        files=lambda subject: [path for path in _paths(root / subject) if path.is_file()],
        description="recordings of the WESAD data set (Schmidt et al., 2018)",
        states=STATES,
        simulated=(root / SIMULATED_MARKER).is_file(),
        name="wesad",
    )


def open_wesad(root: str | Path, subjects: Sequence[str] = ()) -> Cohort:
    """Open a folder in WESAD's layout, which holds ``S2``, ``S3``, …; nothing is loaded yet.

    `subjects` are those to use, by default all; they are sorted by number, and each has its pickle.
    """
    everybody = find_cohort(root)
    cohort = everybody.choose(subjects or everybody.subjects)
    for subject in cohort.subjects:
        path, *_ = _paths(cohort.root / subject)
        if not path.is_file():
            raise InputError(f"{path} is missing: copy it there, or leave {subject} out of `subjects`.")
    return cohort


def is_wesad(path: Path) -> bool:
    """Whether `path` is a person's folder in this layout."""
    return _paths(path)[0].is_file()


def _paths(folder: Path) -> tuple[Path, ...]:
    """The pickle, the questionnaires and the readme of a person's folder."""
    return tuple(folder / f"{folder.name}{ending}" for ending in (".pkl", "_quest.csv", "_readme.txt"))


def is_cohort(path: Path) -> bool:
    """Whether `path` holds people in this layout, be it without their pickles."""
    folders = [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []
    return any(is_wesad(entry) or (re.fullmatch(r"S\d+", entry.name) and not any(entry.iterdir())) for entry in folders)


def read_wesad(folder: Path) -> Recording:
    """Load one person's folder; a text file that is missing or cannot be understood costs no signal."""
    subject, problems = folder.name, []
    path, quest, readme = _paths(folder)
    codes, signal = _check_content(load_arrays(path), subject, path)
    samples: dict[str, np.ndarray] = {}
    for device in [device for device in _KEYS if device in signal]:
        absent = [key for key in _KEYS[device] if key not in signal[device]]
        problems += [f"{path} has no {key} of the {device}: no model that needs it can answer." for key in absent]
        samples |= _device_samples(signal.pop(device), device, len(codes), path)
    if not samples:
        raise InputError(f"{path} holds neither `chest` nor `wrist`.")
    labels = label_blocks(codes, LABEL_RATE_HZ)
    order, questionnaires = _read_text(read_quest, quest, (pd.DataFrame(), {}), problems)
    protocol, problem = align_protocol(order, labels)
    if problem:
        problems.append(f"{folder}: {problem}")
    person = _read_text(read_readme, readme, {}, problems)
    return Recording(subject, make_signals(samples), labels, person, protocol, questionnaires, problems=tuple(problems))


def _read_text(read: Callable[[Path], Any], path: Path, otherwise: Any, problems: list[str]) -> Any:
    try:
        if not path.is_file():
            raise InputError(f"{path} is missing: copy it there.")
        return read(path)
    except InputError as error:
        problems.append(str(error))
        return otherwise


def label_blocks(codes: np.ndarray, rate_hz: float) -> pd.DataFrame:
    """Runs of one label code as blocks: ``state``, ``start_s``, ``end_s``."""
    edges = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1, [len(codes)]])
    states = [LABELS[int(code)] for code in codes[edges[:-1]]]
    return pd.DataFrame({"state": states, "start_s": edges[:-1] / rate_hz, "end_s": edges[1:] / rate_hz})


def align_protocol(order: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The protocol in the recording's own seconds, and what is wrong with it.

    quest.csv counts from the start of the chest device, and the recording was cropped afterwards. How much is found
    from the labels: the k-th block of a state belongs to its k-th condition (in the order of time, since one person's
    meditations are named in reverse) and begins :data:`LABEL_MARGIN_S` after it. `attrs` hold ``crop_s``, the median
    over blocks, and ``crop_error_s``, how far a block is from it at most; NaN, as all times, where none can be matched.
    """
    if order.empty:
        return order, ""
    shifts: list[float] = []
    for state, planned in order.groupby("condition")["start_s"]:
        starts = labels.loc[labels["state"] == state, "start_s"]
        if len(planned) == len(starts):
            shifts.extend(planned.to_numpy(float) + LABEL_MARGIN_S - starts.to_numpy(float))
    crop_s = float(np.median(shifts)) if shifts else np.nan
    error_s = float(np.abs(np.subtract(shifts, crop_s)).max()) if shifts else np.nan
    protocol = order.assign(start_s=order["start_s"] - crop_s, end_s=order["end_s"] - crop_s)
    protocol.attrs = {"crop_s": crop_s, "crop_error_s": error_s}
    if not shifts:
        return protocol, "no labelled block can be matched with the protocol's conditions."
    if error_s > _PROTOCOL_TOLERANCE_S:
        return protocol, f"the protocol's times and the labels disagree by {error_s:.0f} s; the two belong together."
    return protocol, ""


def _check_content(content: Any, subject: str, path: Path) -> tuple[np.ndarray, dict]:
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a recording's mapping.")
    for key, kind in (("signal", dict), ("label", np.ndarray), ("subject", str)):
        if not isinstance(content.get(key), kind):
            raise InputError(
                f"{path}: `{key}` is missing or of the wrong type; a recording has signal, label and subject."
            )
    if content["subject"] != subject:
        raise InputError(f"{path} is the recording of {content['subject']}, but lies in the folder of {subject}.")
    for device, values in content["signal"].items():
        if device in _KEYS and not isinstance(values, dict):
            raise InputError(f"{path}: `{device}` holds a {type(values).__name__}, not {sorted(_KEYS[device])}.")
    codes = content["label"]
    if codes.ndim != 1 or codes.size == 0 or codes.dtype.kind not in "iuf":
        raise InputError(f"{path}: `label` has shape {codes.shape} and type {codes.dtype}, not one number a sample.")
    unknown = codes[~np.isin(codes, list(LABELS))]
    if unknown.size:
        raise InputError(f"{path}: `label` holds the unknown code {unknown[0]}; codes are 0 to 7, so {_REMEDY}.")
    return codes, content["signal"]


def _device_samples(values: Any, device: str, n_labels: int, path: Path) -> dict[str, np.ndarray]:
    if not values or not set(values) <= set(_KEYS[device]):
        raise InputError(f"{path}: `{device}` holds {sorted(map(str, values))}, not {sorted(_KEYS[device])}.")
    samples: dict[str, np.ndarray] = {}
    for key in [key for key in _KEYS[device] if key in values]:
        channels = [name for name in DEVICE_CHANNELS[device] if name.startswith(f"{device}_{key.lower()}")]
        # Popped, so that each array is given back as soon as its narrower copy is made.
        array = values.pop(key)
        if isinstance(array, np.ma.MaskedArray):
            array = array.astype(np.float32).filled(np.nan)
        _check_array(array, f"{device} {key}", len(channels), n_labels, CHANNELS[channels[0]][1], path)
        for column, channel in zip(array.T, channels, strict=True):
            # The wrist's acceleration is stored in 1/64 g, the chest's in g.
            samples[channel] = column.astype(np.float32) / np.float32(64 if (device, key) == ("wrist", "ACC") else 1)
            if np.isnan(samples[channel]).all():
                raise InputError(f"{path}: {channel} holds nothing but NaN; {_REMEDY}.")
            if np.isinf(samples[channel]).any():
                raise InputError(f"{path}: {channel} holds infinite values; {_REMEDY}.")
    return samples


def _check_array(array: Any, name: str, axes: int, n_labels: int, rate_hz: float, path: Path) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name} is no array of numbers.")
    if array.ndim != 2 or array.shape[1] != axes:
        raise InputError(f"{path}: {name} has shape {array.shape}, not (samples, {axes}).")
    expected = n_labels * rate_hz / LABEL_RATE_HZ
    # Less than one sample: labels need not end on a sample of a slower channel.
    if abs(len(array) - expected) >= 1:
        raise InputError(
            f"{path}: {name} has {len(array)} samples at {rate_hz:g} Hz, but the labels last "
            f"{n_labels / LABEL_RATE_HZ:g} s, which is {expected:.0f} samples; {_REMEDY}."
        )
