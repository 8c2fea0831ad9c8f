"""Files of a folder or a zip, and of zips in it, which nobody has to unpack and nobody has to trust."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from wesadlib.errors import InputError

#: A file of two days at 64 Hz has 0.1 GB; what claims or holds more than this is no recording.
LARGEST_FILE = 512 << 20
# A zip, zips in it, and zips in these: whoever nests deeper wants to fill a disk.
_DEPTH = 3


class File(NamedTuple):
    """A file: the folder that it lies in, its name, where errors find it, and what it holds."""

    folder: str
    name: str
    where: str
    content: bytes


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a path is a file that begins with these bytes."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic


def read_files(path: Path, wanted: Callable[[str], bool]) -> Iterator[File]:
    """Files of a wanted name at or below a path, and in the zips that lie there, in the order of names."""
    if path.is_file():
        yield from _members(path, str(path), wanted)
        return
    for file in sorted(path.rglob("*")):
        if "__MACOSX" in file.parts or file.name.startswith("._") or not file.is_file():
            continue
        if wanted(file.name):
            if file.stat().st_size > LARGEST_FILE:
                raise InputError(f"{file}: larger than any recording ({LARGEST_FILE >> 20} MiB).")
            yield File(str(file.parent), file.name, str(file), file.read_bytes())
        elif file.suffix.lower() == ".zip":
            yield from _members(file, str(file), wanted)


def _members(
    place: Path | io.BytesIO, where: str, wanted: Callable[[str], bool], depth: int = _DEPTH
) -> Iterator[File]:
    """Files of a zip and of the zips in it, which are read in memory and never written anywhere."""
    if not depth:
        raise InputError(f"{where}: a zip in a zip in a zip in a zip; unpack it, and give what is in it.")
    try:
        archive = zipfile.ZipFile(place)
    except zipfile.BadZipFile:
        raise InputError(f"{where}: not a whole zip; export or copy it again.") from None
    with archive:
        for member in archive.infolist():
            inside = PurePosixPath(member.filename.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts:
                raise InputError(f"{where}: it has a file {member.filename!r} outside itself; do not trust this zip.")
            if "__MACOSX" in inside.parts or inside.name.startswith("._") or member.is_dir():
                continue
            if inside.suffix.lower() == ".zip":
                content = io.BytesIO(_read_member(archive, member, where))
                yield from _members(content, f"{where}/{inside}", wanted, depth - 1)
            elif wanted(inside.name):
                content = _read_member(archive, member, where)
                yield File(f"{where}/{inside.parent}", inside.name, f"{where}/{inside}", content)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    if member.flag_bits & 1:
        raise InputError(f"{where}: {member.filename} is locked by a password; export it without one.")
    try:
        with archive.open(member) as opened:
            # What a zip says of a size is not to be believed.
            content = opened.read(LARGEST_FILE + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise InputError(f"{where}: {member.filename} cannot be read ({error}); copy the zip again.") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"{where}: {member.filename} is no recording: over {LARGEST_FILE >> 20} MiB.")
    return content
