"""What passes out of this room: one person's recording, and a cohort of people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from wesadlib.artefacts import digest, file_digest
from wesadlib.data.devices import CHANNELS, DEVICE_CHANNELS
from wesadlib.errors import InputError


def _no_labels() -> pd.DataFrame:
    return pd.DataFrame({"state": pd.Series(dtype=str), "start_s": [], "end_s": []})


@dataclass(frozen=True)
class Recording:
    """One person's recording.

    Attributes
    ----------
    subject : str
        Name of the person.
    signals : dict of str to DataArray
        Channel -> values ``(time)``, float32; ``time`` in seconds from the start, `attrs` ``units`` and ``rate_hz``.
        A device that was not worn has no channels here.
    labels : DataFrame
        A row a block in the order of time: ``state``, ``start_s``, ``end_s``; what lies in none of them has no label.
    person : dict
        What is known of the person.
    protocol : DataFrame
        A row a condition in the order of time: ``condition``, ``start_s``, ``end_s``, ``name``.
    questionnaires : dict of str to DataFrame
        A row a condition, a column an item.
    notes : tuple of str
        What the reader did to the files' content.
    problems : tuple of str
        What is wrong with the files, and did not cost the signals.
    device : str
        What recorded it, as far as the files tell.
    start : datetime or None
        When it began, in UTC.
    marks_s : tuple of float
        Presses of the device's button, seconds from the start.
    """

    subject: str
    signals: dict[str, xr.DataArray]
    labels: pd.DataFrame = field(default_factory=_no_labels)
    person: dict[str, Any] = field(default_factory=dict)
    protocol: pd.DataFrame = field(default_factory=pd.DataFrame)
    questionnaires: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    device: str = ""
    start: datetime | None = None
    marks_s: tuple[float, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length that all signals have, s."""
        lengths = (values.sizes["time"] / values.attrs["rate_hz"] for values in self.signals.values())
        return float(min(lengths, default=0.0))

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that were worn."""
        return tuple(device for device, channels in DEVICE_CHANNELS.items() if self.signals.keys() & set(channels))

    def between(self, start_s: float, stop_s: float) -> "Recording":
        """The part from `start_s` to `stop_s`, whose time starts anew at 0; `protocol` and the like are left out."""
        signals = {}
        for name, values in self.signals.items():
            rate_hz = values.attrs["rate_hz"]
            part = values.isel(time=slice(round(start_s * rate_hz), round(stop_s * rate_hz)))
            signals[name] = part.assign_coords(time=np.arange(part.sizes["time"]) / rate_hz)
        labels = self.labels.copy()
        labels[["start_s", "end_s"]] = labels[["start_s", "end_s"]].clip(start_s, stop_s) - start_s
        labels = labels[labels["end_s"] > labels["start_s"]].reset_index(drop=True)
        return Recording(self.subject, signals, labels, self.person)


def make_signals(
    samples: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
) -> dict[str, xr.DataArray]:
    """Channels as a recording holds them, in the order of the table of devices.

    Parameters
    ----------
    samples : mapping of str to ndarray (time,)
        Channel -> values.
    rates_hz, units : mapping, optional
        Where they are not those of the table.
    """
    alike: dict[tuple[int, float], dict[str, tuple]] = {}
    for channel, values in samples.items():
        unit, rate_hz = CHANNELS[channel]
        rate_hz = float((rates_hz or {}).get(channel, rate_hz))
        attrs = {"units": (units or {}).get(channel, unit), "rate_hz": rate_hz}
        variable = ("time", np.asarray(values, np.float32), attrs)
        alike.setdefault((len(values), rate_hz), {})[channel] = variable
    signals = {}
    for (length, rate_hz), variables in alike.items():
        # A Dataset's channels share one time axis, which is twice as heavy as their values.
        dataset = xr.Dataset(variables, {"time": ("time", np.arange(length) / rate_hz, {"units": "s"})})
        signals |= {channel: dataset[channel] for channel in variables}
    return {channel: signals[channel] for channel in CHANNELS if channel in signals}


def label_windows(
    labels: pd.DataFrame, duration_s: float, *, window_s: float, hop_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label windows that start with the recording and every `hop_s` from there, each by what most of it is.

    Parameters
    ----------
    labels : DataFrame
        Blocks of a recording: ``state``, ``start_s``, ``end_s``.
    duration_s : float
        Length of the recording; a window that would reach beyond it is not made.
    window_s, hop_s : float
        Length of a window, and from one's start to the next, s.

    Returns
    -------
    start_s, state, purity : ndarray (window,)
        Start, s; the state of most of the window (of several with as much, the one that the recording has first; empty
        where most has no label); its share.

    Examples
    --------
    >>> import pandas as pd
    >>> labels = pd.DataFrame({"state": ["rest", "stress"], "start_s": [0, 4], "end_s": [4, 8]})
    >>> start_s, state, purity = label_windows(labels, 10, window_s=4, hop_s=3)
    >>> start_s.tolist(), state.tolist(), purity.tolist()
    ([0, 3, 6], ['rest', 'stress', ''], [1.0, 0.75, 0.5])
    """
    start_s = np.arange(max(int(np.floor((duration_s - window_s) / hop_s + 1e-9)) + 1, 0)) * hop_s
    begin, end = (labels[name].to_numpy(float) for name in ("start_s", "end_s"))
    overlap = np.minimum(end, start_s[:, None] + window_s) - np.maximum(begin, start_s[:, None])
    names = ["", *labels["state"].unique()]
    members = labels["state"].to_numpy() == np.array(names)[:, None]
    shares = np.clip(overlap, 0, None) @ members.T / window_s
    shares[:, 0] = 1 - shares.sum(axis=1)
    # Rounded, so that halves are ties whatever their last bit.
    shares = shares.round(9)
    return start_s, np.array(names)[shares.argmax(axis=1)], shares.max(axis=1)


@dataclass(frozen=True, eq=False)
class Cohort(Sequence[Recording]):
    """People's recordings, a sequence that loads one when it is asked for and keeps none.

    Attributes
    ----------
    root : Path
        Folder that holds them.
    subjects : list of str
        Names of the people, in the order of the sequence.
    load : callable
        Name -> recording.
    files : callable
        Name -> the files that `load` reads.
    description : str
        Whose recordings they are, such as "recordings of the WESAD data set".
    states : tuple of str
        The states that windows are made of.
    simulated : bool
        Whether these people do not exist.
    name : str
        What people are named by beside those of other cohorts.
    roots : tuple of (str, Path)
        Of joined cohorts: their names and folders.
    """

    root: Path
    subjects: list[str]
    load: Callable[[str], Recording] = field(repr=False)
    files: Callable[[str], Sequence[Path]] = field(repr=False)
    description: str
    states: tuple[str, ...]
    simulated: bool = False
    name: str = ""
    roots: tuple[tuple[str, Path], ...] = ()

    def place(self, path: Path) -> str:
        """A file's path from the root of its cohort, which is named where several are joined."""
        for name, root in self.roots:
            if path.is_relative_to(root):
                return f"{name}/{path.relative_to(root).as_posix()}"
        return path.relative_to(self.root).as_posix()

    @property
    def attrs(self) -> dict[str, Any]:
        """What is said of the cohort wherever its data go: ``simulated`` (1 or 0) and ``description``."""
        return {"simulated": int(self.simulated), "description": self.description}

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, index: int | str | slice) -> "Recording | Cohort":
        """Load the recording at a position or of a name; a slice is a smaller cohort, and loads nothing."""
        if isinstance(index, slice):
            return replace(self, subjects=self.subjects[index])
        if isinstance(index, int):
            return self.load(self.subjects[index])
        return self.choose([index])[0]

    def __contains__(self, subject: object) -> bool:
        return subject in self.subjects

    def choose(self, subjects: Sequence[str]) -> "Cohort":
        """The cohort of these people alone, in the cohort's order; nothing is loaded."""
        if absent := [subject for subject in subjects if subject not in self.subjects]:
            raise InputError(f"{self.root}: no subject {absent[0]}; there are {', '.join(self.subjects)}.")
        return replace(self, subjects=[subject for subject in self.subjects if subject in subjects])

    def manifest(self, *, progress: bool = False) -> dict[str, Any]:
        """Digest over paths and SHA-256 of the files, which are read whole; simulated, subjects, and these files."""
        paths = [path for subject in self.subjects for path in self.files(subject)]
        files = []
        for path in tqdm(paths, desc="hashing", unit="file", disable=not progress):
            status = path.stat()
            sha256 = _digest_of_version(path, status.st_size, status.st_mtime_ns)
            files.append({"path": self.place(path), "bytes": status.st_size, "sha256": sha256})
        return {
            "digest": digest([[file["path"], file["sha256"]] for file in files]),
            "simulated": self.simulated,
            "subjects": list(self.subjects),
            "files": files,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names and digests of the files of these people."""
        return self.manifest()["digest"]


#: Labels of a cohort that says no groups -> the group of other cohorts that they are.
GROUPS = {"baseline": "rest", "stress": "stress", **dict.fromkeys(("amusement", "meditation"), "other")}


def join(cohorts: Sequence[Cohort]) -> Cohort:
    """Join cohorts of several laboratories to one, whose people are named ``<cohort>/<person>``.

    Parameters
    ----------
    cohorts : sequence of Cohort
        Each of another name; nobody is in two of them.

    Returns
    -------
    Cohort
        Labels are groups of phases (``rest stress provocation exercise other``) with the phase's own name in ``phase``;
        WESAD's states become groups, of which its baseline is ``rest``. Windows are made of all groups but ``other``.
    """
    members = {cohort.name: cohort for cohort in cohorts}
    if len(members) < len(cohorts) or not cohorts or "" in members:
        names = ", ".join(cohort.name or "without a name" for cohort in cohorts)
        raise InputError(f"cohorts {names}: to be joined each needs a name of its own.")

    def load(subject: str) -> Recording:
        name, _, person = subject.partition("/")
        recording = members[name].load(person)
        labels = recording.labels
        if "phase" not in labels:
            labels = labels.assign(phase=labels["state"], state=labels["state"].map(GROUPS).fillna("other"))
        return replace(recording, subject=subject, labels=labels)

    def files(subject: str) -> Sequence[Path]:
        name, _, person = subject.partition("/")
        return members[name].files(person)

    states = dict.fromkeys(GROUPS.get(state, state) for cohort in cohorts for state in cohort.states)
    return Cohort(
        root=cohorts[0].root,
        subjects=[f"{name}/{subject}" for name, cohort in members.items() for subject in cohort.subjects],
        load=load,
        files=files,
        description="; ".join(cohort.description for cohort in cohorts),
        states=tuple(state for state in states if state != "other"),
        simulated=any(cohort.simulated for cohort in cohorts),
        name="+".join(members),
        roots=tuple((name, cohort.root) for name, cohort in members.items()),
    )


@cache
def _digest_of_version(path: Path, size: int, modified_ns: int) -> str:
    # The official pickles are 15 GB: in one process each is hashed once, unless it changes.
    return file_digest(path)
