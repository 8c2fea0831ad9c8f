"""One chapter in a kernel of its own, by papermill: its executed notebook, or a sentence on what went wrong."""

import ast
import os
import pprint
import re
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
import psutil
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from wesadlib import artefacts
from wesadlib.errors import BookError
from wesadlib.params import Params, chapter_values
from wesadlib.report.chapters import Chapter


def execute_chapter(
    chapter: Chapter, params: Params, run: artefacts.Run, root: Path, bar: int | None = None
) -> dict[str, float]:
    """Execute a chapter and return what it cost: ``seconds`` and ``peak_rss_mb``; `bar` is its line on a terminal."""
    output = run.notebooks / f"{chapter.name}.ipynb"
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    failed.parent.mkdir(parents=True, exist_ok=True)
    failed.unlink(missing_ok=True)
    shown = os.path.relpath(failed, root) if failed.is_relative_to(root) else failed
    started = time.perf_counter()
    # The kernel talks over files of its own instead of open ports, so that no other user of the machine can reach it,
    # and takes neither the backend nor the profile of whoever runs the book.
    with _watch_memory() as peaks, _folder_of_sockets() as folder, artefacts.replacing(output) as partial:
        try:
            papermill.execute_notebook(
                str(chapter.path),
                str(partial),
                parameters=chapter_values(params, chapter.parameters),
                kernel_name="python3",
                cwd=str(root),
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}}),
                extra_arguments=["--IPKernelApp.log_level=CRITICAL", "--matplotlib=inline", f"--ipython-dir={folder}"],
                progress_bar={"desc": chapter.name, "leave": False, "position": bar} if bar is not None else False,
            )
        except PapermillExecutionError as error:
            partial.rename(failed)
            source = textwrap.indent(error.source.strip(), "    ")
            raise BookError(
                f"chapter {chapter.name} failed in its cell {error.cell_index}:\n\n{source}\n\n{error.ename}: "
                f"{error.evalue}\n\nThe notebook up to there: {shown}. The chapters before it are kept."
            ) from None
        except DeadKernelError:
            partial.rename(failed)
            raise BookError(
                f"chapter {chapter.name}: its process was ended from outside, with {max(peaks):.0f} MB in use at most, "
                f"so memory may have run out; the notebook up to there is {shown}, the chapters before it are kept."
            ) from None
        _tidy(partial)
        if _lacks_figures(partial):
            partial.rename(failed)
            raise BookError(
                f"chapter {chapter.name} calls plots and shows no figure: its kernel does not draw into the notebook; "
                f"see {shown}."
            )
    if missing := [name for name in chapter.writes if not run.path(name).exists()]:
        raise BookError(f"chapter {chapter.name} ended without writing {run.path(missing[0])}.")
    return {"seconds": round(time.perf_counter() - started, 2), "peak_rss_mb": round(max(peaks), 1)}


def _folder_of_sockets() -> tempfile.TemporaryDirectory:
    # A socket's name has 107 characters at most.
    base = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(prefix="wesad-", dir=base if len(base) < 60 else "/tmp")


@contextmanager
def _watch_memory(interval_s: float = 2.0) -> Iterator[list[float]]:
    """Sample the memory of this process and its descendants, MB; shared pages are counted once."""
    samples, done = [0.0], threading.Event()

    def sample() -> None:
        me, over = psutil.Process(), False
        while not over:
            samples.append(sum(map(_memory_mb, [me, *me.children(recursive=True)])))
            over = done.wait(interval_s)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _memory_mb(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return getattr(memory, "pss", memory.rss) / 2**20


def _lacks_figures(path: Path) -> bool:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    shown = any("image/png" in output.get("data", ()) for output in outputs)
    return not shown and any(re.search(r"\bplot_\w+\(", cell.source) for cell in cells)


def _tidy(path: Path) -> None:
    # Times of day would make every executed notebook differ; injected values are folded like the defaults, and their
    # lines no longer than a page is wide.
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("hide-input")
            cell.source = _wrap(cell.source)
    nbformat.write(notebook, path)


def _wrap(source: str) -> str:
    values = {statement.targets[0].id: ast.literal_eval(statement.value) for statement in ast.parse(source).body}
    lines = (f"{name} = {pprint.pformat(value, width=76, sort_dicts=False)}" for name, value in values.items())
    return "\n".join(["# Parameters", *lines])
