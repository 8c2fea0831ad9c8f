"""A look at every recording of a folder: what is there, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from wesadlib.data.manifest import subject_files
from wesadlib.data.protocol import count_windows, label_minutes
from wesadlib.data.recording import Recording
from wesadlib.data.wesad import load_recording, subject_folders
from wesadlib.errors import InputError

#: Largest disagreement of the protocol's times and the labels that is no problem, s.
PROTOCOL_TOLERANCE_S = 5.0


def check_cohort(root: str | Path, *, progress: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """Load every recording of a folder, one at a time, and say what it holds.

    Parameters
    ----------
    root : path
        Folder that holds ``S2``, ``S3``, ….
    progress : bool
        Show a progress bar.

    Returns
    -------
    table : DataFrame
        A row a subject: ``subject``, ``duration_s``, ``devices``, ``channels`` (their number), ``minutes_<state>``,
        ``windows_<state>`` (60 s every 30 s, label by majority), ``problems``. NaN where a recording cannot be loaded.
    problems : list of str
        A sentence each; empty when all is well.

    Raises
    ------
    InputError
        When `root` is missing or holds no subject.
    """
    rows, problems = [], []
    for subject in tqdm(subject_folders(root), desc="checking", unit="subject", disable=not progress):
        folder = Path(root) / subject
        row: dict[str, Any] = {"subject": subject}
        try:
            recording = load_recording(folder)
        except InputError as error:
            found = [str(error)]
        else:
            row |= summarise_recording(recording)
            found = _problems(recording, row, folder)
        rows.append({**row, "problems": " ".join(found)})
        problems += found
    table = pd.DataFrame(rows)
    counts = [name for name in table.columns if name.startswith("windows_") or name == "channels"]
    return table.astype(dict.fromkeys(counts, "Int64")), problems


def summarise_recording(recording: Recording, *, window_s: float = 60.0, hop_s: float = 30.0) -> dict[str, Any]:
    """What a recording holds: duration, devices, channels, minutes of each state, windows of each class."""
    windows = count_windows(recording.labels, window_s=window_s, hop_s=hop_s)
    return {
        "duration_s": recording.duration_s,
        "devices": " ".join(recording.devices),
        "channels": len(recording.signals),
        **{f"minutes_{state}": minutes for state, minutes in label_minutes(recording.labels).items()},
        **{f"windows_{state}": count for state, count in windows.items()},
    }


def _problems(recording: Recording, row: dict[str, Any], folder: Path) -> list[str]:
    problems = [
        f"{folder}: no window of class {name.removeprefix('windows_')}; its labels hold less than a window of it, "
        f"so leave {folder.name} out of `subjects`, or the class out of `classes`."
        for name, count in row.items()
        if name.startswith("windows_") and not count
    ]
    present = {path.name for path in subject_files(folder.parent, folder.name)}
    for suffix in ("_quest.csv", "_readme.txt"):
        if folder.name + suffix not in present:
            problems.append(f"{folder / (folder.name + suffix)} is missing: copy it there.")
    error_s = recording.protocol.attrs.get("crop_error_s", float("nan"))
    if error_s > PROTOCOL_TOLERANCE_S:
        problems.append(
            f"{folder}: the protocol's times and the labels disagree by {error_s:.0f} s; the two belong together."
        )
    elif len(recording.protocol) and pd.isna(error_s):
        problems.append(f"{folder}: no labelled block can be matched with the protocol's conditions.")
    return problems
