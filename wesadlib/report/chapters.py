"""What a chapter declares (parameters, what it reads and writes), and the digest that tells whether it must run."""

import json
from collections.abc import Mapping, Sequence
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
    """One notebook of the book, such as ``23_loso`` or ``appendix/data_card``.

    Its parameters are those of its cell tagged ``parameters``. Its metadata ``wesad`` names the artefacts that it reads
    and writes, the files and folders of the checkout that it reads, and whether it has to run `alone`, as one that
    measures times.
    """

    name: str
    path: Path
    parameters: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    files: tuple[str, ...]
    alone: bool = False


def list_pages(root: Path) -> list[str]:
    """Files named in ``_toc.yml``, in reading order, without suffix and relative to `root`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [toc, *toc.get("parts", ())]
    return [toc["root"], *(entry["file"] for part in parts for entry in part.get("chapters", ()))]


def list_chapters(root: Path) -> list[Chapter]:
    """The notebooks named in ``_toc.yml``, in the order in which they are read and run."""
    paths = [root / f"{page}.ipynb" for page in list_pages(root)]
    return [read_chapter(path, root / "book") for path in paths if path.is_file()]


def read_chapter(path: Path, book: Path) -> Chapter:
    """Read what a notebook declares; an unknown parameter or artefact is refused."""
    metadata = nbformat.read(path, as_version=4).metadata.get("wesad", {})
    reads, writes, files = (tuple(metadata.get(name, ())) for name in ("reads", "writes", "files"))
    parameters = tuple(papermill.inspect_notebook(str(path)))
    named = {"parameter": (parameters, [*Params.model_fields, "network"])}
    named["artefact"] = reads + writes, artefacts.ARTEFACTS
    for kind, (names, allowed) in named.items():
        if unknown := [name for name in names if name not in allowed]:
            raise InputError(f"{path}: unknown {kind} `{unknown[0]}`; allowed are {', '.join(sorted(allowed))}.")
    name = path.relative_to(book).with_suffix("").as_posix()
    return Chapter(name, path, parameters, reads, writes, files, metadata.get("alone", False))


def select_chapters(chapters: Sequence[Chapter], only: Sequence[str], start: str) -> list[Chapter]:
    """The chapters called `only`, or all from `start` on; a name may be a chapter's number."""

    def find(name: str) -> Chapter:
        for chapter in chapters:
            if name in (chapter.name, chapter.name.split("_")[0]):
                return chapter
        raise InputError(f"no chapter `{name}`; there are {', '.join(chapter.name for chapter in chapters)}.")

    if only:
        wanted = {find(name) for name in only}
        return [chapter for chapter in chapters if chapter in wanted]
    return list(chapters[chapters.index(find(start)) :] if start else chapters)


def chapter_state(chapter: Chapter, params: Params, run: artefacts.Run, root: Path, code: str) -> dict[str, Any]:
    """What a chapter's result depends on: `parameters`, digests of its `inputs`, and the `key` over these and all else.

    `code` is that of :func:`code_digest`. An artefact or a file that is missing is refused.
    """
    values = chapter_values(params, chapter.parameters)
    if missing := [root / name for name in chapter.files if not (root / name).exists()]:
        raise InputError(f"{missing[0]} is missing, which chapter {chapter.name} reads: restore it.")
    inputs = {name: artefacts.file_digest(run.existing(name)) for name in chapter.reads}
    state = {"parameters": values, "inputs": inputs}
    others = {
        "notebook": artefacts.file_digest(chapter.path),
        "files": {name: artefacts.file_digest(root / name) for name in chapter.files},
        "recordings": _recordings_stamp(values),
        "code": code,
    }
    return {"key": artefacts.digest(state | others), **state}


def _recordings_stamp(values: Mapping[str, Any]) -> list[list[Any]]:
    # Hashing gigabytes at every call would cost more than the chapters: size and time of change tell enough.
    root = Path(values.get("wesad_root", ""))
    if not values.get("wesad_root") or not root.is_dir():
        return []
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [[path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def read_records(run: artefacts.Run) -> dict[str, dict[str, Any]]:
    """What is known of each executed chapter, its cost and the digests of what it read and wrote."""
    path = run.folder / "chapters.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def code_digest(root: Path) -> str:
    """Digest of the library and of the pins."""
    files = [path for path in (root / "wesadlib").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in (*files, root / "requirements.lock") if path.is_file()]
    return artefacts.digest({path.relative_to(root).as_posix(): artefacts.file_digest(path) for path in files})
