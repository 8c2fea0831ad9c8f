"""Renders a run's executed chapters with Jupyter Book."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from wesadlib import artefacts
from wesadlib.errors import BookError, InputError
from wesadlib.report.chapters import list_pages, read_records


def render_book(run: artefacts.Run, root: Path) -> Path:
    """Render the book into ``outputs/<run>/html`` and return its front page; any warning is an error.

    The executed notebooks are staged beside ``_config.yml`` and ``_toc.yml`` in a folder of their own, so that a failed
    build leaves nothing behind that would let the next one pass.
    """
    log = run.folder / "render.log"
    with artefacts.replacing(run.folder / "stage") as stage:
        _stage(run, root, stage)
        program = Path(sys.executable).with_name("jupyter-book")
        command = [str(program), "build", str(stage), "-W", "-n", "--keep-going", "-q"]
        with log.open("w", encoding="utf-8") as file:
            result = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=root, check=False)
        built = stage / "_build" / "html"
        missing = [page for page in list_pages(root) if not (built / f"{page}.html").is_file()]
        if result.returncode or missing:
            lines = log.read_text(encoding="utf-8").splitlines()
            warnings = [line for line in lines if re.search(r"WARNING|ERROR|exception:", line)]
            lacking = f" without {missing[0]}.html" if missing else ""
            shown = "\n".join(warnings[:20] or lines[-20:])
            raise BookError(f"rendering the book failed{lacking} (whole log: {log}):\n{shown}")
        with artefacts.replacing(run.html) as html:
            shutil.move(built, html)
    shutil.rmtree(run.folder / "stage")
    return run.html / "index.html"


def _stage(run: artefacts.Run, root: Path, stage: Path) -> None:
    shutil.copytree(root / "book", stage / "book", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "_build"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, stage / name)
    # Chapters include what is kept of real people.
    if (reference := root / "outputs" / "reference").is_dir():
        shutil.copytree(reference, stage / "outputs" / "reference", ignore=shutil.ignore_patterns("*.parquet"))
    records = read_records(run)
    for page in list_pages(root):
        if (source := root / f"{page}.ipynb").is_file():
            name = source.relative_to(root / "book")
            executed = run.notebooks / name
            if not executed.is_file():
                chapter = name.with_suffix("")
                raise InputError(
                    f"chapter {chapter} has not been executed in run `{run.name}`: run the whole book first."
                )
            shutil.copy(executed, stage / "book" / name)
            if changes := records.get(name.with_suffix("").as_posix(), {}).get("changes"):
                _mark(stage / "book" / name, changes)


def _mark(path: Path, changes: Sequence[str]) -> None:
    """Say below a page's title in what it differs from the others of its run."""
    notebook = nbformat.read(path, as_version=4)
    text = f":::{{warning}}\nThis page does not show its run as it is now: {'; '.join(changes)}.\n:::"
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(text))
    nbformat.write(notebook, path)
