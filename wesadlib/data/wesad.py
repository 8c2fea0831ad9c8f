"""The official layout of WESAD: one folder a person, opened lazily, one recording in memory at a time.

Layout and units: Schmidt et al., *Introducing WESAD*, ICMI 2018, doi 10.1145/3242969.3242985, and its readme.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.manifest import build_manifest
from wesadlib.data.pickles import load_arrays
from wesadlib.data.protocol import align_protocol
from wesadlib.data.quest import read_quest, read_readme
from wesadlib.data.recording import (
    CHANNELS,
    DEVICE_CHANNELS,
    IGNORED_LABELS,
    LABEL_RATE_HZ,
    LABELS,
    Recording,
)
from wesadlib.errors import InputError

#: Name of the file that marks a folder of simulated people; it holds the knobs.
SIMULATED_MARKER = "SIMULATED.json"

# device -> key of the pickle -> our channels, one a column
_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "chest": {
        "ACC": ("chest_acc_x", "chest_acc_y", "chest_acc_z"),
        "ECG": ("chest_ecg",),
        "EMG": ("chest_emg",),
        "EDA": ("chest_eda",),
        "Temp": ("chest_temp",),
        "Resp": ("chest_resp",),
    },
    "wrist": {
        "ACC": ("wrist_acc_x", "wrist_acc_y", "wrist_acc_z"),
        "BVP": ("wrist_bvp",),
        "EDA": ("wrist_eda",),
        "TEMP": ("wrist_temp",),
    },
}

# The wrist's acceleration is stored in 1/64 g, the chest's in g.
_SCALE = {("wrist", "ACC"): np.float32(1 / 64)}

_REMEDY = "repair the file, or leave the subject out of `subjects`"


class Cohort(Sequence[Recording]):
    """The recordings of a folder, a sequence that loads one when it is asked for and keeps none.

    Parameters
    ----------
    root : path
        Folder that holds ``S2``, ``S3``, ….
    subjects : sequence of str
        Names of the folders, in the order of the sequence.
    """

    def __init__(self, root: str | Path, subjects: Sequence[str]):
        self.root = Path(root)
        self.subjects = list(subjects)

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, index: int | str | slice) -> "Recording | Cohort":
        """Load the recording at a position or of a name; a slice is a smaller cohort, and loads nothing."""
        if isinstance(index, slice):
            return Cohort(self.root, self.subjects[index])
        if isinstance(index, str):
            if index not in self.subjects:
                raise InputError(f"{self.root}: no subject {index}; there are {', '.join(self.subjects)}.")
            return load_recording(self.root / index)
        return load_recording(self.root / self.subjects[index])

    def __contains__(self, subject: object) -> bool:
        return subject in self.subjects

    def __repr__(self) -> str:
        return f"Cohort({str(self.root)!r}, {self.subjects})"

    @property
    def simulated(self) -> bool:
        """Whether these people do not exist."""
        return (self.root / SIMULATED_MARKER).is_file()

    def manifest(self, *, progress: bool = False) -> dict[str, Any]:
        """Each file's path, size and SHA-256, and the cohort's digest; every file is read whole for it.

        See :func:`~wesadlib.data.manifest.build_manifest`.
        """
        return build_manifest(self.root, self.subjects, simulated=self.simulated, progress=progress)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names and digests of the files of these subjects."""
        return self.manifest()["digest"]


def subject_folders(root: str | Path) -> list[str]:
    """Names of the subjects' folders (``S`` and a number) in `root`, by number; nothing else there is looked at.

    Raises
    ------
    InputError
        When `root` is missing, or holds no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it should be the one that holds S2, S3, ….")
    names = [entry.name for entry in root.iterdir() if entry.is_dir() and re.fullmatch(r"S\d+", entry.name)]
    if not names:
        raise InputError(f"{root} holds no subject's folder; it should be the one that holds S2, S3, ….")
    return sorted(names, key=lambda name: int(name[1:]))


def open_wesad(root: str | Path, subjects: Sequence[str] = ()) -> Cohort:
    """Open a folder in WESAD's layout; nothing is loaded yet.

    Parameters
    ----------
    root : path
        Folder that holds ``S2``, ``S3``, ….
    subjects : sequence of str, optional
        Subjects to use; empty: all.

    Returns
    -------
    Cohort
        Subjects sorted by number.

    Raises
    ------
    InputError
        When the folder is missing or empty, a subject is not in it, or a subject's pickle is missing.
    """
    root = Path(root)
    found = subject_folders(root)
    for subject in subjects:
        if subject not in found:
            raise InputError(f"{root}: no subject {subject}; there are {', '.join(found)}.")
    chosen = [subject for subject in found if not subjects or subject in subjects]
    for subject in chosen:
        path = root / subject / f"{subject}.pkl"
        if not path.is_file():
            raise InputError(f"{path} is missing: copy it there, or leave {subject} out of `subjects`.")
    return Cohort(root, chosen)


def load_recording(folder: str | Path) -> Recording:
    """Load one person's folder.

    Values become float32, which holds the devices' 16 bits: of a chest of 100 minutes 0.27 GB remain in memory, after
    a peak of 0.6 GB while its pickle is read.

    Raises
    ------
    InputError
        When the pickle cannot be read, lacks a part, or holds a channel of another length than the labels, a
        channel of nothing but NaN or with infinite values, or a label of unknown code; when the questionnaires or
        the readme cannot be understood.
    """
    folder = Path(folder)
    subject = folder.name
    path = folder / f"{subject}.pkl"
    content = load_arrays(path)
    labels, signal = _checked(content, subject, path)
    n_labels = len(labels)
    signals: dict[str, xr.DataArray] = {}
    for device in DEVICE_CHANNELS:
        if device in signal:
            signals |= _device_signals(signal.pop(device), device, n_labels, path)
    if not signals:
        raise InputError(f"{path} holds neither `chest` nor `wrist`.")
    label_array = xr.DataArray(labels, dims="time", coords={"time": _time(n_labels, LABEL_RATE_HZ)}, name="label")
    label_array.attrs["rate_hz"] = LABEL_RATE_HZ
    order, questionnaires = read_quest(folder / f"{subject}_quest.csv")
    return Recording(
        subject=subject,
        signals={channel: signals[channel] for channel in CHANNELS if channel in signals},
        labels=label_array,
        person=read_readme(folder / f"{subject}_readme.txt"),
        protocol=align_protocol(order, label_array),
        questionnaires=questionnaires,
    )


def _checked(content: Any, subject: str, path: Path) -> tuple[np.ndarray, dict]:
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a recording's mapping.")
    for key, kind in (("signal", dict), ("label", np.ndarray), ("subject", str)):
        if not isinstance(content.get(key), kind):
            raise InputError(
                f"{path}: `{key}` is missing or of the wrong type; a recording has signal, label and subject."
            )
    if content["subject"] != subject:
        raise InputError(f"{path} is the recording of {content['subject']}, but lies in the folder of {subject}.")
    labels = content["label"]
    if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iuf":
        raise InputError(f"{path}: `label` has shape {labels.shape} and type {labels.dtype}, not one number a sample.")
    unknown = labels[~np.isin(labels, [*LABELS, *IGNORED_LABELS])]
    if unknown.size:
        raise InputError(f"{path}: `label` holds the unknown code {unknown[0]}; codes are 0 to 7, so {_REMEDY}.")
    return labels.astype(np.int8, copy=False), content["signal"]


def _device_signals(values: Any, device: str, n_labels: int, path: Path) -> dict[str, xr.DataArray]:
    keys = _KEYS[device]
    if not isinstance(values, dict) or set(values) != set(keys):
        held = sorted(map(str, values)) if isinstance(values, dict) else type(values).__name__
        raise InputError(f"{path}: `{device}` holds {held}, not {sorted(keys)}.")
    samples: dict[str, np.ndarray] = {}
    for key, channels in keys.items():
        # Popped, so that each array is given back as soon as its narrower copy is made.
        array = values.pop(key)
        _check_array(array, f"{device} {key}", len(channels), n_labels, CHANNELS[channels[0]][1], path)
        for column, channel in enumerate(channels):
            samples[channel] = np.ascontiguousarray(array[:, column], dtype=np.float32)
            if (device, key) in _SCALE:
                samples[channel] = samples[channel] * _SCALE[device, key]
            _check_values(samples[channel], channel, path)
    return _with_time(samples)


def _with_time(samples: dict[str, np.ndarray]) -> dict[str, xr.DataArray]:
    # Channels of one rate share one time axis, which a Dataset does and separate arrays would copy: eight chest
    # channels would carry twice their own weight in time.
    alike: dict[tuple[int, float], dict[str, xr.Variable]] = {}
    for channel, values in samples.items():
        unit, rate_hz = CHANNELS[channel]
        variable = xr.Variable("time", values, {"units": unit, "rate_hz": rate_hz})
        alike.setdefault((len(values), rate_hz), {})[channel] = variable
    signals: dict[str, xr.DataArray] = {}
    for (length, rate_hz), variables in alike.items():
        dataset = xr.Dataset(variables, coords={"time": _time(length, rate_hz)})
        signals |= {channel: dataset[channel] for channel in variables}
    return signals


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


def _check_values(samples: np.ndarray, channel: str, path: Path) -> None:
    for fault, present in (
        ("nothing but NaN", np.isnan(samples).all()),
        ("infinite values", np.isinf(samples).any()),
    ):
        if present:
            raise InputError(f"{path}: {channel} holds {fault}; {_REMEDY}.")


def _time(samples: int, rate_hz: float) -> xr.Variable:
    return xr.IndexVariable("time", pd.Index(np.arange(samples) / rate_hz), {"units": "s"})
