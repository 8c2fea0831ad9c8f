"""What a chapter declares (parameters, what it reads and writes), and the digest that tells whether it must run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.params import Params, chapter_values


@dataclass(frozen=True)
class Chapter:
    """One notebook of the book.

    Attributes
    ----------
    name : str
        Such as ``23_loso``; an appendix keeps its folder, ``appendix/data_card``.
    path : Path
        The notebook.
    parameters : tuple of str
        Names in the cell tagged ``parameters``.
    reads, writes : tuple of str
        Names of artefacts, from the notebook's metadata ``wesad``.
    """

    name: str
    path: Path
    parameters: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


def list_pages(root: Path) -> list[str]:
    """Files named in ``_toc.yml``, in reading order, without suffix and relative to `root`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"], *(entry["file"] for entry in toc.get("chapters", ()))]
    for part in toc.get("parts", ()):
        pages += [entry["file"] for entry in part["chapters"]]
    return pages


def list_chapters(root: Path) -> list[Chapter]:
    """The notebooks named in ``_toc.yml``, in the order in which they are read and run."""
    paths = [root / f"{page}.ipynb" for page in list_pages(root)]
    return [read_chapter(path, root / "book") for path in paths if path.is_file()]


def read_chapter(path: Path, book: Path) -> Chapter:
    """Read what a notebook declares.

    Raises
    ------
    InputError
        When it names an unknown parameter or artefact.
    """
    metadata = nbformat.read(path, as_version=4).metadata.get("wesad", {})
    chapter = Chapter(
        name=path.relative_to(book).with_suffix("").as_posix(),
        path=path,
        parameters=tuple(papermill.inspect_notebook(str(path))),
        reads=tuple(metadata.get("reads", ())),
        writes=tuple(metadata.get("writes", ())),
    )
    for kind, names, allowed in (
        ("parameter", chapter.parameters, [*Params.model_fields, "network"]),
        ("artefact", chapter.reads + chapter.writes, artefacts.ARTEFACTS),
    ):
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise InputError(f"{path}: unknown {kind} `{unknown[0]}`; allowed are {', '.join(sorted(allowed))}.")
    return chapter


def select_chapters(chapters: list[Chapter], only: list[str], start: str) -> list[Chapter]:
    """The chapters called `only`, or all from `start` on; a name may be a chapter's number.

    Raises
    ------
    InputError
        When a name fits no chapter.
    """

    def find(name: str) -> Chapter:
        for chapter in chapters:
            if name in (chapter.name, chapter.name.split("_")[0]):
                return chapter
        raise InputError(f"no chapter `{name}`; there are {', '.join(chapter.name for chapter in chapters)}.")

    if only:
        wanted = {find(name) for name in only}
        return [chapter for chapter in chapters if chapter in wanted]
    return chapters[chapters.index(find(start)) :] if start else chapters


def chapter_key(chapter: Chapter, params: Params, run: artefacts.Run, code: str) -> str:
    """Digest of all that a chapter's result depends on.

    Parameters
    ----------
    chapter : Chapter
        The chapter.
    params : Params
        The run's parameters; only those that the chapter names count.
    run : Run
        Where its input artefacts are.
    code : str
        Digest of the library's source and the pins, from :func:`code_digest`.

    Raises
    ------
    InputError
        When an input artefact is missing.
    """
    values = chapter_values(params, chapter.parameters)
    inputs = {name: artefacts.file_digest(run.existing(name)) for name in chapter.reads}
    return artefacts.digest(
        {
            "notebook": artefacts.file_digest(chapter.path),
            "parameters": values,
            "inputs": inputs,
            "recordings": _recordings_stamp(values),
            "code": code,
        }
    )


def _recordings_stamp(values: dict[str, Any]) -> list[list[Any]]:
    # Hashing gigabytes at every call would cost more than the chapters: size and time of change tell enough.
    root = Path(values.get("wesad_root", ""))
    if not values.get("wesad_root") or not root.is_dir():
        return []
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [[path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def code_digest(root: Path) -> str:
    """Digest of the library's source and of the pins."""
    files = [*sorted((root / "wesadlib").rglob("*.py")), root / "requirements.lock"]
    return artefacts.digest(
        {path.relative_to(root).as_posix(): artefacts.file_digest(path) for path in files if path.is_file()}
    )
