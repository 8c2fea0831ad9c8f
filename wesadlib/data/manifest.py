"""Which files a cohort is: their sizes, their SHA-256, and one digest over all."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from wesadlib.artefacts import digest, file_digest


def subject_files(root: str | Path, subject: str) -> list[Path]:
    """Files of a subject that are read, of those that exist: the pickle, the questionnaires, the readme."""
    folder = Path(root) / subject
    names = (f"{subject}.pkl", f"{subject}_quest.csv", f"{subject}_readme.txt")
    return [folder / name for name in names if (folder / name).is_file()]


def build_manifest(
    root: str | Path, subjects: Sequence[str], *, simulated: bool = False, progress: bool = False
) -> dict[str, Any]:
    """Size and SHA-256 of each file of the subjects, and the digest of them all.

    Returns
    -------
    dict
        ``digest`` (over relative paths and SHA-256 of the files: it says which data, not where they lie),
        ``simulated``, ``subjects``, ``files``: a list of ``path`` (relative to `root`), ``bytes`` and
        ``sha256``.
    """
    root = Path(root)
    paths = [path for subject in subjects for path in subject_files(root, subject)]
    files = [
        {
            "path": path.relative_to(root).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": _file_digest(path),
        }
        for path in tqdm(paths, desc="hashing", unit="file", disable=not progress)
    ]
    return {
        "digest": digest([[file["path"], file["sha256"]] for file in files]),
        "simulated": simulated,
        "subjects": list(subjects),
        "files": files,
    }


def _file_digest(path: Path) -> str:
    status = path.stat()
    return _digest_of_version(path, status.st_size, status.st_mtime_ns)


@cache
def _digest_of_version(path: Path, size: int, modified_ns: int) -> str:
    # The official pickles are 15 GB: in one process each is hashed once, unless it changes.
    return file_digest(path)
