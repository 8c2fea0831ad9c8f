"""Executes the chapters in order, side by side where they may, and again only what changed."""

import json
import logging
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from wesadlib import artefacts
from wesadlib.errors import BookError, InputError
from wesadlib.params import Params, chapter_values
from wesadlib.report.chapters import Chapter, chapter_state, code_digest, list_chapters, read_records, select_chapters
from wesadlib.report.execution import execute_chapter

# A chapter has a process of its own, so that its memory is its own too; forked, so that it imports nothing again.
_FORK = multiprocessing.get_context("fork")
_Running = dict[Connection, tuple[Chapter, dict[str, Any], BaseProcess, int]]


def run_chapters(
    params: Params,
    root: Path,
    *,
    only: Sequence[str] = (),
    start: str = "",
    force: bool = False,
    jobs: int = 2,
    console: Console | None = None,
) -> artefacts.Run:
    """Execute the book's chapters in order; a chapter whose digest has not changed is taken as it is.

    `only` are names or numbers of chapters, `start` is that of the first, and `force` has them executed although
    nothing changed. As many as `jobs` run side by side where none reads what another has still to write. Returns the
    run, with ``chapters.json`` in its folder. When a chapter fails, those that are finished are kept.
    """
    console = console or Console()
    # Of an error we say a sentence ourselves.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    run = artefacts.open_run(params.run, root)
    with artefacts.replacing(run.folder / "params.yaml") as partial:
        partial.write_text(yaml.safe_dump(params.model_dump(), sort_keys=False), encoding="utf-8")
    records = {name: {**record, "from_cache": True} for name, record in read_records(run).items()}
    code, chapters = code_digest(root), list_chapters(root)
    waiting, errors = select_chapters(chapters, only, start), {}
    with _ended() as running:
        while running or (waiting and not errors):
            while not errors and (chapter := next_chapter(waiting, [entry[0] for entry in running.values()], jobs)):
                waiting.remove(chapter)
                try:
                    state = chapter_state(chapter, params, run, root, code)
                    _refuse_foreign(chapter, run, records, chapters)
                except InputError as error:
                    errors[chapter] = error
                    continue
                if not force and _is_whole(chapter, run, records.get(chapter.name, {}), state["key"]):
                    console.print(f"[dim]{chapter.name:<24} unchanged[/dim]")
                else:
                    bar = next(line for line in range(jobs) if line not in [entry[3] for entry in running.values()])
                    _start(running, chapter, state, bar, params, run, root, bar if console.is_terminal else None)
            for chapter, state, cost in _finished(running):
                if isinstance(cost, Exception):
                    errors[chapter] = cost
                else:
                    console.print(f"{chapter.name:<24} {cost['seconds']:6.1f} s {cost['peak_rss_mb']:7.0f} MB")
                    digests = {name: artefacts.file_digest(run.path(name)) for name in chapter.writes}
                    records[chapter.name] = {**state, **cost, "from_cache": False, "artefacts": digests}
            note_changes(chapters, records, params)
            artefacts.write_json(run.folder / "chapters.json", records)
    for chapter in filter(errors.get, chapters):
        raise errors[chapter]
    for name, record in records.items():
        if changes := "; ".join(record.get("changes", ())):
            console.print(f"{name} does not show this run as it is now: {changes}.", style="yellow")
    return run


@contextmanager
def _ended() -> Iterator[_Running]:
    """Chapters that run, by what tells their end; none outlives the block."""
    running: _Running = {}
    try:
        yield running
    finally:
        for _, _, process, _ in running.values():
            process.terminate()
            process.join()


def next_chapter(waiting: Sequence[Chapter], running: Sequence[Chapter], jobs: int) -> Chapter | None:
    """The first chapter that may start: nothing that it reads has still to be written, and its times are its own."""
    if len(running) >= jobs or any(chapter.alone for chapter in running):
        return None
    for k, chapter in enumerate(waiting):
        unwritten = {name for other in (*waiting[:k], *running) for name in other.writes}
        if not unwritten.intersection(chapter.reads) and not (chapter.alone and running):
            return chapter
    return None


def note_changes(chapters: Sequence[Chapter], records: Mapping[str, dict[str, Any]], params: Params) -> None:
    """Keep in each chapter's record, under ``changes``, in what it differs from the run as it is now."""
    present = {name: digest for record in records.values() for name, digest in record["artefacts"].items()}
    for chapter in chapters:
        record = records.get(chapter.name, {})
        # A record of an older version of the library tells less.
        if "parameters" in record:
            values = record["parameters"], chapter_values(params, chapter.parameters)
            # As a record holds them.
            old, new = (json.loads(json.dumps({**each, **each.get("network", {}), "network": None})) for each in values)
            record["changes"] = [f"{name} {old[name]} → {new[name]}" for name in new if old.get(name) != new[name]]
            inputs = record["inputs"].items()
            record["changes"] += [f"{name} was made anew" for name, digest in inputs if present.get(name) != digest]


def _start(running: _Running, chapter: Chapter, state: dict[str, Any], bar: int, *task: Any) -> None:
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_work, args=(sender, chapter, *task), daemon=True)
    process.start()
    sender.close()
    running[receiver] = chapter, state, process, bar


def _work(sender: Connection, *task: Any) -> None:
    # Threads of chapters side by side would wait for each other; with one, numbers do not depend on the count of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        sender.send(execute_chapter(*task))
    except Exception as error:
        sender.send(error)
    except (KeyboardInterrupt, SystemExit):
        pass  # Whoever ends the book has been told already.


def _finished(running: _Running) -> Iterator[tuple[Chapter, dict[str, Any], dict[str, float] | Exception]]:
    """The chapters that end next, each with what it cost or what went wrong; these run no more."""
    for receiver in wait(running) if running else ():
        chapter, state, process, _ = running.pop(receiver)
        try:
            cost = receiver.recv()
        except EOFError:
            cost = BookError(f"chapter {chapter.name}: its process was ended from outside, so memory may have run out.")
        process.join()
        yield chapter, state, cost


def _is_whole(chapter: Chapter, run: artefacts.Run, record: Mapping[str, Any], key: str) -> bool:
    if record.get("key") != key or not (run.notebooks / f"{chapter.name}.ipynb").is_file():
        return False
    paths = {name: run.path(name) for name in chapter.writes}
    return all(p.exists() and artefacts.file_digest(p) == record["artefacts"].get(name) for name, p in paths.items())


def _refuse_foreign(
    chapter: Chapter, run: artefacts.Run, records: Mapping[str, Mapping[str, Any]], chapters: Sequence[Chapter]
) -> None:
    # What a chapter of this run wrote is known by digest: a file of another run in its place would give numbers that
    # nobody could trace.
    makers = {name: other.name for other in chapters for name in other.writes}
    for name in chapter.reads:
        path, maker = run.existing(name), makers.get(name, "")
        expected = records.get(maker, {}).get("artefacts", {}).get(name)
        if expected and artefacts.file_digest(path) != expected:
            raise InputError(
                f"{path} is not what chapter {maker} of `{run.name}` wrote: run that chapter again, or the whole book."
            )
