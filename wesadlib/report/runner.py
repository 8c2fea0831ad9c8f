"""Executes the chapters in order with papermill, and again only what changed."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import yaml
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from traitlets.config import Config

from wesadlib import artefacts
from wesadlib.errors import BookError, InputError
from wesadlib.params import Params, chapter_values
from wesadlib.report.chapters import Chapter, chapter_key, code_digest, list_chapters, select_chapters


@dataclass
class MemoryPeak:
    """Largest memory of this process's descendants while :func:`watch_memory` was open, in megabytes."""

    megabytes: float = 0.0


@contextmanager
def watch_memory(interval_s: float = 0.5) -> Iterator[MemoryPeak]:
    """Sample the memory of this process and its descendants; shared pages are counted once (proportional set size)."""
    peak, done = MemoryPeak(), threading.Event()

    def sample() -> None:
        me = psutil.Process()
        while not done.wait(interval_s):
            peak.megabytes = max(peak.megabytes, sum(map(_memory_mb, [me, *me.children(recursive=True)])))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _memory_mb(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return getattr(memory, "pss", memory.rss) / 2**20


def run_chapters(
    params: Params,
    root: Path,
    *,
    only: list[str] | None = None,
    start: str = "",
    force: bool = False,
    console: Console | None = None,
) -> artefacts.Run:
    """Execute the book's chapters in order; a chapter whose digest has not changed is taken as it is.

    Parameters
    ----------
    params : Params
        The run's parameters.
    root : Path
        The checkout.
    only : list of str, optional
        Names or numbers of the chapters to execute.
    start : str, optional
        The first chapter to execute.
    force : bool
        Execute although nothing changed.
    console : rich.console.Console, optional
        Where progress is printed.

    Returns
    -------
    Run
        The run's folder, with ``chapters.json`` in it.

    Raises
    ------
    BookError
        When a chapter fails; the chapters before it are kept.
    InputError
        When a chapter's input is missing, or is not what the chapter that makes it has written.
    """
    console = console or Console()
    run = artefacts.open_run(params.run, root)
    with artefacts.replacing(run.folder / "params.yaml") as partial:
        partial.write_text(yaml.safe_dump(params.model_dump(), sort_keys=False), encoding="utf-8")
    records = {name: {**record, "from_cache": True} for name, record in read_records(run).items()}
    code = code_digest(root)
    chapters = list_chapters(root)
    makers = {name: chapter.name for chapter in chapters for name in chapter.writes}
    for chapter in select_chapters(chapters, only or [], start):
        key = chapter_key(chapter, params, run, code)
        _refuse_foreign(chapter, run, records, makers)
        record = records.get(chapter.name)
        if not force and record and record["key"] == key and _is_whole(chapter, run, record):
            console.print(f"[dim]{chapter.name:<24} unchanged[/dim]")
        else:
            records[chapter.name] = _execute(chapter, params, run, root, key, console)
        artefacts.write_json(_records_path(run), records)
    return run


def read_records(run: artefacts.Run) -> dict[str, dict[str, Any]]:
    """What is known of each executed chapter: key, seconds, peak_rss_mb, from_cache, artefacts with their digests."""
    path = _records_path(run)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _records_path(run: artefacts.Run) -> Path:
    return run.folder / "chapters.json"


def _is_whole(chapter: Chapter, run: artefacts.Run, record: dict[str, Any]) -> bool:
    paths = {name: run.path(name) for name in chapter.writes}
    return (run.notebooks / f"{chapter.name}.ipynb").is_file() and all(
        path.exists() and artefacts.file_digest(path) == record["artefacts"].get(name) for name, path in paths.items()
    )


def _refuse_foreign(
    chapter: Chapter, run: artefacts.Run, records: dict[str, dict[str, Any]], makers: dict[str, str]
) -> None:
    # What a chapter of this run wrote is known by digest: a file of another run in its place would give numbers that
    # nobody could trace.
    for name in chapter.reads:
        path, maker = run.existing(name), makers.get(name, "")
        kept = records.get(maker, {}).get("artefacts", {}).get(name)
        if kept and artefacts.file_digest(path) != kept:
            raise InputError(
                f"{path} is not what chapter {maker} of `{run.name}` wrote: run that chapter again, or the whole book."
            )


def _execute(
    chapter: Chapter, params: Params, run: artefacts.Run, root: Path, key: str, console: Console
) -> dict[str, Any]:
    output = run.notebooks / f"{chapter.name}.ipynb"
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    failed.parent.mkdir(parents=True, exist_ok=True)
    failed.unlink(missing_ok=True)
    started = time.perf_counter()
    # The kernel talks over files of its own instead of open ports, so that no other user of the machine can reach it.
    with (
        watch_memory() as peak,
        tempfile.TemporaryDirectory(prefix="wesad-") as sockets,
        artefacts.replacing(output) as partial,
    ):
        try:
            papermill.execute_notebook(
                str(chapter.path),
                str(partial),
                parameters=chapter_values(params, chapter.parameters),
                kernel_name="python3",
                cwd=str(root),
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                progress_bar={"desc": chapter.name, "leave": False} if console.is_terminal else False,
            )
        except PapermillExecutionError as error:
            partial.rename(failed)
            raise BookError(_describe_failure(chapter, error, failed, root)) from None
        _tidy(partial)
    missing = [name for name in chapter.writes if not run.path(name).exists()]
    if missing:
        raise BookError(f"chapter {chapter.name} ended without writing {run.path(missing[0])}.")
    seconds = time.perf_counter() - started
    console.print(f"{chapter.name:<24} {seconds:6.1f} s {peak.megabytes:7.0f} MB")
    return {
        "key": key,
        "seconds": round(seconds, 2),
        "peak_rss_mb": round(peak.megabytes, 1),
        "from_cache": False,
        "artefacts": {name: artefacts.file_digest(run.path(name)) for name in chapter.writes},
    }


def _describe_failure(chapter: Chapter, error: PapermillExecutionError, failed: Path, root: Path) -> str:
    path = failed.relative_to(root) if failed.is_relative_to(root) else failed
    source = "\n".join(f"    {line}" for line in error.source.strip().splitlines())
    return (
        f"chapter {chapter.name} failed in its cell {error.cell_index}:\n\n{source}\n\n"
        f"{error.ename}: {error.evalue}\n\nThe notebook up to there: {path}. The chapters before it are kept."
    )


def _tidy(path: Path) -> None:
    # Times of day would make every executed notebook differ; injected values are folded like the defaults.
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("hide-input")
    nbformat.write(notebook, path)
