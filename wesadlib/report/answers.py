"""Recordings in, answers out: of one person or of a folder of people, the files that ``wesad predict`` writes."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from wesadlib import __version__
from wesadlib.artefacts import digest, file_digest, replacing, write_json
from wesadlib.errors import InputError

# All that reads or computes is imported where there is something to answer: a question that was answered before costs
# no more than a look at its files.
if TYPE_CHECKING:
    import pandas as pd

    from wesadlib.bundle.predict import Bundle
    from wesadlib.data import Recording

FILES = ("predictions.csv", "summary.json", "figure.png", "report.html")
#: What a folder's answer holds beside a folder a person.
TABLE, INDEX = "people.csv", "index.html"


@dataclass(frozen=True)
class Question:
    """How recordings are to be read and answered, as the command line asks it."""

    bundle: Path
    step_s: float = 5.0
    rest: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None
    command: str = ""

    def key(self, paths: Sequence[Path]) -> str:
        """Digest of all that an answer follows from, by which the same question is known again."""
        try:
            version = json.loads((self.bundle / "config.json").read_text(encoding="utf-8"))["version"]
        except (OSError, ValueError, KeyError, TypeError):
            version = ""
        options = [self.step_s, self.rest, dict(self.columns), dict(self.units), self.time, __version__]
        return digest([[file_digest(path) for path in paths], version, options])

    def read(self, paths: Sequence[Path], subject: str = "") -> "Recording":
        """One person's recording."""
        from wesadlib.data.sessions import open_sessions
        from wesadlib.data.table import read_table
        from wesadlib.data.xdf import is_xdf, read_xdf

        if self.columns and len(paths) == 1:
            if is_xdf(paths[0]):
                return read_xdf(paths[0], self.columns)
            return read_table(paths[0], self.columns, units=self.units, time=self.time)
        return open_sessions(paths, subject)


def find_people(path: Path, question: Question, leave_out: Sequence[Path] = ()) -> dict[str, list[Path]]:
    """The people of a folder: name -> paths; of one person's recording the name is empty."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    # What a name holds that is no text cannot be written into a table or page.
    names = [path, *(path.iterdir() if path.is_dir() else ())]
    if odd := [one for one in names if re.search("[\udc80-\udcff]", str(one))]:
        raise InputError(f"{os.fsencode(odd[0])!r}: this name is not UTF-8; rename it.")
    if path.is_file():
        return {"": [path]}
    from wesadlib.data.sessions import find_sessions, is_one_recording

    if is_one_recording(path) or any(":" in column for column in question.columns.values()):
        return {"": [path]}
    people = find_sessions(path, tables=bool(question.columns), leave_out=leave_out)
    if not people:
        raise InputError(f"{path}: no recording in it; give a zip, a file, or a folder of them.")
    (first, *_), *others = people.values()
    # A person's folder may lie in a folder.
    return {"": [first]} if not others and first.is_dir() else people


def answer_path(
    path: Path, question: Question, out: Path | None = None, *, force: bool = False, progress: bool = False
) -> tuple[Path, list[str]]:
    """Answer a recording, or every person of a folder, in the folder `out`, by default ``<name>_wesad`` beside it.

    Returned are this folder and, of a folder's people, why somebody has no answer.
    """
    path = Path(os.path.abspath(path))
    out = Path(os.path.abspath(out or path.parent / f"{path.stem if path.is_file() else path.name}_wesad"))
    people = find_people(path, question, (out,))
    _refuse_place(out, FILES if "" in people else [*people, TABLE, INDEX])
    load = cache(lambda: _load(question.bundle))
    if "" in people:
        key = question.key(people[""])
        if not _kept_answer(out, key, force):
            answer_person(people[""], "", question, load(), out, key, progress)
        return out, []
    rows: list[dict[str, Any]] = []
    try:
        for name, paths in tqdm(people.items(), desc="people", unit="person", disable=not progress):
            rows.append({"person": name, **_summary_or_problem(name, paths, question, load, out / name, force)})
    finally:
        # Also where Ctrl-C ends it: who is finished stays.
        if rows:
            _write_people(out, path.name, rows, question)
    return out, [row["problem"] for row in rows if "problem" in row]


def _summary_or_problem(
    name: str, paths: Sequence[Path], question: Question, load: Callable[[], "Bundle"], out: Path, force: bool
) -> dict[str, Any]:
    try:
        key = question.key(paths)
        if summary := _kept_answer(out, key, force):
            return summary
    except (InputError, PermissionError) as error:
        return {"problem": str(error)}
    # What is wrong with the model is wrong for everybody, and no person's problem.
    bundle = load()
    try:
        return answer_person(paths, name, question, bundle, out, key)
    except InputError as error:
        return {"problem": str(error)}


def answer_person(
    paths: Sequence[Path], name: str, question: Question, bundle: "Bundle", out: Path, key: str, progress: bool = False
) -> dict[str, Any]:
    """Answer one person's recording, write :data:`FILES`, whole or not at all, and return the summary."""
    from wesadlib import plots
    from wesadlib.bundle.recording import draw_course, predict_recording, read_rest
    from wesadlib.plots.recording import plot_recording
    from wesadlib.quality.recordings import of_device
    from wesadlib.report.recording import render_recording, summarise

    recording = of_device(question.read(paths, name), bundle.config["device"])
    where = ", ".join(map(str, paths))
    with tqdm(desc="windows", unit="window", disable=not progress) as bar:

        def show(done: int, of: int) -> None:
            bar.total, bar.n = of, done
            bar.refresh()

        try:
            rest = read_rest(question.rest, recording) if question.rest else None
            answers = predict_recording(bundle, recording, question.step_s, rest, progress=show)
        except InputError as error:
            # A sentence begins with the person, and whoever asks has named a path.
            raise InputError(str(error).replace(f"{recording.subject}: ", f"{where}: ", 1)) from None
    origin = {"path": where, "command": question.command, "key": key}
    summary = summarise(bundle, recording, answers, question.step_s) | origin
    states = bundle.config["states"]
    state = "stress" if "stress" in states else states[-1]
    plots.style()
    figure, drawn = io.BytesIO(), {"state": state, "min_confidence": summary["min_confidence"]}
    course = draw_course(recording, answers)
    plot_recording(course, answers, marks_s=recording.marks_s, **drawn).savefig(figure, dpi=130)
    with _writing(out), replacing(out) as partial:
        partial.mkdir()
        answers.windows.to_csv(partial / "predictions.csv", index=False, float_format="%.6g")
        write_json(partial / "summary.json", summary)
        (partial / "figure.png").write_bytes(figure.getvalue())
        page = render_recording(summary, figure.getvalue(), state, marked=bool(recording.marks_s))
        (partial / "report.html").write_text(page, encoding="utf-8")
    return summary


def _load(folder: Path) -> "Bundle":
    from wesadlib.bundle import load_bundle

    if not folder.is_dir():
        raise InputError(f"{folder}: no model here; `make book` makes the one of the demo, --bundle names another.")
    return load_bundle(folder)


def check_path(
    path: Path, question: Question, *, progress: bool = False
) -> "tuple[pd.DataFrame, list[str], list[str]]":
    """Check a recording or a folder of people, without a model: a table, what readers did, and the problems.

    Of one recording a row a channel, of a folder a row a person.
    """
    import pandas as pd

    from wesadlib.data.checks import SharedRecordings
    from wesadlib.quality.recordings import check_recording

    people, rows, notes, problems, shared = find_people(path, question), [], [], [], SharedRecordings()
    for name, paths in tqdm(people.items(), desc="checking", disable=not progress):
        name = name or path.name
        try:
            recording = question.read([one.absolute() for one in paths], name)
            summary, found = check_recording(recording)
        except (InputError, PermissionError) as error:
            if "" in people:
                raise
            problems.append(str(error))
            rows.append({"person": name})
            continue
        problems += [*found, *filter(None, [shared.find(recording)])]
        reasons = ", ".join(f"{reason} ({count})" for reason, count in summary["reasons"].items())
        facts = {name: summary[name] for name in ("device", "start")} | {"minutes": summary["duration_s"] / 60}
        shares = {"worn, %": 100 * summary["worn_share"], "judged, %": 100 * summary["judged_share"]}
        rows.append({"person": name, **facts, **shares, "not judged for": reasons})
        if "" in people:
            rows = [_channel_row(*item) for item in summary["channels"].items()]
            notes = [
                f"{name}: {facts['device']}, {facts['start'] or 'no date'}, {facts['minutes']:.1f} min, "
                f"worn {shares['worn, %']:.0f} %, can be judged {shares['judged, %']:.0f} %",
                *[f"not judged: {reasons}"] * bool(reasons),
                *summary["notes"],
            ]
    return pd.DataFrame(rows), notes, problems


def _channel_row(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    minutes = ", ".join(f"{state} {100 * share:.0f} %" for state, share in facts["states"].items())
    row = {"channel": name, "unit": facts["units"], "Hz": facts["rate_hz"]}
    return row | {"missing, %": 100 * facts["missing_share"], "minutes": minutes}


def _kept_answer(out: Path, key: str, force: bool) -> dict[str, Any] | None:
    """The summary of an answer that lies there already, to this very question; one to another is refused."""
    try:
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        summary = None
    if not isinstance(summary, dict) or "key" not in summary:
        _refuse_place(out, FILES if force else ())
        return None
    if summary["key"] == key and all((out / name).is_file() for name in FILES):
        return summary
    if not force:
        raise InputError(f"{out}: it holds the answer to another question; --force replaces it, --out goes elsewhere.")
    _refuse_place(out, FILES)
    return None


def _refuse_place(out: Path, allowed: Sequence[str]) -> None:
    """A folder is replaced as a whole, so nothing else may lie in it; and it has to be writable."""
    if out.is_dir() and (foreign := [entry.name for entry in out.iterdir() if entry.name not in allowed]):
        raise InputError(f"{out}: it holds something else ({foreign[0]}); name a folder of its own by --out.")
    above = next(folder for folder in (out, *out.parents) if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"{out}: cannot be written, because {above} is no folder to write in; name another by --out.")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError) as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); name another folder by --out.") from None


def _write_people(out: Path, folder: str, rows: Sequence[Mapping[str, Any]], question: Question) -> None:
    import pandas as pd

    from wesadlib.report.glossary import PEOPLE
    from wesadlib.report.recording import render_people

    states = list(dict.fromkeys(state for row in rows for state in row.get("states", ())))
    order = [name for key in PEOPLE for name in ([f"share_{state}" for state in states] if "<" in key else [key])]
    shares = [{f"share_{state}": one["share"] for state, one in row.get("states", {}).items()} for row in rows]
    people = [{name: {**row, **share}.get(name) for name in order} for row, share in zip(rows, shares, strict=True)]
    with _writing(out), replacing(out / TABLE) as table, replacing(out / INDEX) as index:
        pd.DataFrame(people, columns=order).to_csv(table, index=False, float_format="%.6g")
        index.write_text(render_people(folder, people, states, question.command), encoding="utf-8")
