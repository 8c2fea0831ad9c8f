"""People of a folder: which of its entries are recordings, and which of these are one person's."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wesadlib.data.e4 import CHANNEL_FILE, SERIAL
from wesadlib.data.embraceplus import find_files
from wesadlib.data.joining import join_sessions
from wesadlib.data.recording import Recording
from wesadlib.data.sources import READERS, open_recording
from wesadlib.data.wesad import is_wesad

_FILES = (".zip", ".xdf")
_TABLES = (".csv", ".tsv", ".parquet", ".pq")
_PART = re.compile(r"(.+)_[a-d]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_one_recording(path: Path) -> bool:
    """Whether a path is one person's: a file, or a folder that holds channels or a person's files itself."""
    if path.is_file() or is_wesad(path):
        return True
    return any(CHANNEL_FILE.match(file.name) or find_files(file) for file in path.iterdir() if file.is_file())


def find_sessions(folder: Path, *, tables: bool = False, leave_out: Sequence[Path] = ()) -> dict[str, list[Path]]:
    """Recordings of a folder of people: name -> the paths that are this person's, in the order of names.

    Zips, XDF files, and folders with a recording in them; with `tables` CSV and Parquet files. ``S11_a`` and ``S11_b``
    are one person, as are the sessions of one E4 by their maker's names; of folders that are called by dates, the
    people are one level below.
    """
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path not in leave_out]
    folders = [path for path in entries if path.is_dir()]
    if folders and all(_DATE.fullmatch(path.name) for path in folders):
        days = [find_sessions(path, tables=tables) for path in folders]
        return {name: [path for day in days for path in day.get(name, ())] for name in sorted(set().union(*days))}
    people: dict[str, list[Path]] = {}
    for path in entries:
        if paths := _recordings_in(path, _TABLES if tables else _FILES):
            people.setdefault(_person(path), []).extend(paths)
    return people


def open_sessions(paths: Sequence[Path], subject: str = "") -> Recording:
    """One person's recordings as one, joined in time."""
    recordings = [open_recording(path) for path in paths]
    if len(recordings) == 1:
        return replace(recordings[0], subject=subject or recordings[0].subject)
    return join_sessions(recordings, paths, subject)


def _recordings_in(path: Path, suffixes: Sequence[str]) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes or find_files(path) else []
    if suffixes == _TABLES:
        return []
    if any(recognises(path) for recognises, _ in READERS.values()):
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in suffixes)


def _person(path: Path) -> str:
    name = path.stem if path.is_file() else path.name
    match = SERIAL.fullmatch(name) or _PART.fullmatch(name)
    return match[1] if match else name
