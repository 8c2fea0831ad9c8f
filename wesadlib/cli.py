"""The command line: ``wesad``."""

import errno
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from rich.console import Console
from rich.table import Table

from wesadlib import artefacts
from wesadlib.errors import BookError, InputError, ServerError, needs
from wesadlib.params import Params, read_params

# Ray would otherwise report usage to its makers.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Kernels and workers keep the memory of large arrays: clearing its pages anew takes a fifth of the time of windows.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 * 2**20))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(256 * 2**20))

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A book on stress from wearable sensors, that runs.")
console = Console()
_CAUSES = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EACCES: "this user may not read or write it; change its permissions, or name another",
}


@app.command()
def book(
    params: Annotated[Path, typer.Argument(help="A profile, such as params/demo.yaml.")],
    only: Annotated[list[str] | None, typer.Option(help="Execute only this chapter (may be given again).")] = None,
    start: Annotated[str, typer.Option("--from", help="Execute this chapter and those after it.")] = "",
    force: Annotated[bool, typer.Option(help="Execute although nothing changed.")] = False,
    set_: Annotated[list[str] | None, typer.Option("-p", help="name=value, wins over the profile.")] = None,
    jobs: Annotated[int, typer.Option(help="Chapters that may run side by side.", min=1)] = min(2, os.cpu_count() or 1),
    render: Annotated[bool, typer.Option(help="Render the book when the chapters are done.")] = True,
) -> None:
    """Execute the chapters in order, as far as something changed, and render the book."""
    # Papermill and Jupyter Book take a second to import: only this command waits for them.
    with needs("book", "wesad book"):
        from wesadlib.report.render import render_book
        from wesadlib.report.runner import run_chapters
        from wesadlib.report.summary import summarise

    if only and start:
        raise InputError("--only and --from exclude each other: give one of them.")
    values = read_params(params, _parse_overrides(set_ or []))
    root = artefacts.project_root()
    # So that it, too, leaves no kernel and no half-written file behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    run = run_chapters(values, root, only=only or (), start=start, force=force, jobs=jobs, console=console)
    summary = summarise(run, values, root)
    artefacts.write_json(run.summary, summary)
    if failed := len(summary["failed_folds"]):
        text = f"{failed} fold{'s' * (failed != 1)} failed; {os.path.relpath(run.summary)} lists what went wrong."
        console.print(text, style="red", soft_wrap=True, highlight=False)
    if render:
        with console.status("rendering"):
            page = render_book(run, root)
        console.print(f"The book: {os.path.relpath(page)}")
    console.print(f"The run in one file: {os.path.relpath(run.summary)}")


@app.command()
def predict(
    path: Annotated[
        Path, typer.Argument(help="A recording (E4 zip, Avro, XDF, table, folder), or a folder of people.")
    ],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the model; default: the package's own.")] = None,
    columns: Annotated[
        str, typer.Option(help="Of a table: bvp=PPG,eda=GSR,…; of a folder of tables eda=file:GSR.")
    ] = "",
    units: Annotated[str, typer.Option(help="Units where they are not the device's own: temp=degF,….")] = "",
    time: Annotated[str | None, typer.Option(help="Of a table: the column of times.")] = None,
    rest: Annotated[str, typer.Option(help="When the person was at rest: 00:02:00-00:07:00, first:5 or tags.")] = "",
    step: Annotated[float, typer.Option(help="Seconds from one answer to the next.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: beside the input, NAME_wesad.")] = None,
    force: Annotated[bool, typer.Option(help="Replace the answer to another question.")] = False,
) -> None:
    """Answer a recording: a table over time, a summary, a figure, and a page that says how far to trust it."""
    from wesadlib.report.answers import INDEX, Question, answer_path

    command = shlex.join(["wesad", *sys.argv[1:]])
    question = Question(
        bundle or artefacts.default_bundle(), step, rest, *_parse_columns(columns, units), time, command
    )
    try:
        folder, problems = answer_path(path, question, out, force=force, progress=console.is_terminal)
    except KeyboardInterrupt:
        print("wesad: interrupted; who was finished is kept, and not computed again.", file=sys.stderr)
        raise typer.Exit(130) from None
    page = folder / INDEX if (folder / INDEX).exists() else folder / "report.html"
    console.print(f"The answer: {os.path.relpath(page)}", soft_wrap=True, highlight=False)
    _report(problems)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A recording of any format, a folder of people, or one with S2, S3, ….")],
    columns: Annotated[str, typer.Option(help="Of a table: bvp=PPG,eda=GSR,….")] = "",
    units: Annotated[str, typer.Option(help="Units where they are not the device's own: temp=degF,….")] = "",
    time: Annotated[str | None, typer.Option(help="Of a table: the column of times.")] = None,
) -> None:
    """Check recordings, without a model: what they hold, whether they were worn; a non-zero exit on a problem."""
    from wesadlib.data import check_cohort
    from wesadlib.data.sources import cohort_of

    if cohort_of(path):
        table, problems = check_cohort(path, progress=console.is_terminal)
    else:
        from wesadlib.report.answers import Question, check_path

        question = Question(Path(), 5.0, "", *_parse_columns(columns, units), time)
        table, notes, problems = check_path(path, question, progress=console.is_terminal)
        for note in notes:
            console.print(note, soft_wrap=True, markup=False, highlight=False)
    console.print(table.to_string(index=False, float_format="%.1f"), soft_wrap=True, markup=False, highlight=False)
    _report(problems)


@app.command()
def glossary() -> None:
    """Say what every key of summary.json and every column of the tables beside it means."""
    from wesadlib.report.glossary import list_meanings

    for name, meanings in list_meanings().items():
        table = Table(name, "meaning")
        for row in meanings.items():
            table.add_row(*row)
        console.print(table)


@app.command()
def simulate(
    root: Annotated[Path, typer.Argument(help="A folder to make.")],
    subjects: Annotated[int, typer.Option(help="How many people.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 7,
    effect_size: Annotated[float, typer.Option(help="Factor on every response to stress.")] = 1.0,
    between_person_spread: Annotated[float, typer.Option(help="Factor on the spread between people.")] = 1.0,
    artefact_rate: Annotated[float, typer.Option(help="Factor on the rate of artefacts.")] = 1.0,
    format_: Annotated[
        Literal["wesad", "e4", "embraceplus"], typer.Option("--format", help="How a device or data set writes it.")
    ] = "wesad",
) -> None:
    """Write recordings of simulated people in an official format."""
    from wesadlib.data.exports import simulate_exports
    from wesadlib.data.simulate import simulate_cohort

    if root.exists():
        raise InputError(f"{root} exists already: name a folder that does not.")
    factors = {
        "effect_size": effect_size,
        "between_person_spread": between_person_spread,
        "artefact_rate": artefact_rate,
    }
    if format_ == "wesad":
        simulate_cohort(root, subjects, seed, **factors, progress=True)
    else:
        simulate_exports(root, format_, subjects, seed, **factors, progress=True)
    console.print(f"{subjects} simulated people in {root}")


@app.command()
def serve(
    bundle: Annotated[Path | None, typer.Argument(help="Folder of a bundle; default: the package's own.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration; default: the checkout's params/serve.yaml, if there is one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: the configuration's.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    token_variable: Annotated[
        str | None, typer.Option(help="Environment variable that holds the token which requests have to show.")
    ] = None,
) -> None:
    """Serve a bundle over HTTP until Ctrl-C."""
    named = {"bundle": bundle and str(bundle), "token_variable": token_variable}
    with needs("serve", "wesad serve"):
        from wesadlib.serving import serve as serve_bundle
        from wesadlib.serving.settings import find_file, read_configuration

        serve_bundle(read_configuration(config or find_file(), host, port, **named))


@app.command()
def reference(
    run: Annotated[str, typer.Argument(help="A run on real people to keep; empty: take what is kept.")] = "",
) -> None:
    """Keep a run's small results in outputs/reference, and write what README and book say of them."""
    with needs("book", "wesad reference"):
        from wesadlib.report.pages import RUN, write_pages
        from wesadlib.report.reference import read_reference, write_reference

    root = artefacts.project_root()
    folder = root / "outputs" / "reference" / (run or RUN)
    if run:
        write_reference(artefacts.Run(root / "outputs" / run), folder)
    console.print(f"The reference: {os.path.relpath(folder)}")
    for page in write_pages(root, folder, read_reference(folder)):
        console.print(f"Written from it: {os.path.relpath(page)}")


@app.command("params")
def list_params() -> None:
    """List every parameter with its default and meaning."""
    table = Table("parameter", "default", "meaning")
    for name, field in Params.model_fields.items():
        table.add_row(name, str(field.default), field.description)
    console.print(table)


def _parse_columns(columns: str, units: str) -> tuple[dict[str, str], dict[str, str]]:
    if not columns:
        if units:
            raise InputError("--units belongs to --columns, which says where the signals are.")
        return {}, {}
    from wesadlib.data.table import parse_pairs

    return parse_pairs(columns, "--columns"), parse_pairs(units, "--units") if units else {}


def _report(problems: Sequence[str]) -> None:
    for problem in problems:
        console.print(problem, style="red", soft_wrap=True, markup=False)
    if problems:
        raise typer.Exit(1)


def _parse_overrides(pairs: list[str]) -> dict[str, Any]:
    values = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InputError(f"-p {pair}: write name=value.")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"-p {pair}: the value is not readable as YAML; quote it or close its brackets.") from None
    return values


def main() -> None:
    """Run the command line; an error is one sentence on standard error and exit status 1."""
    try:
        app()
    except (InputError, BookError, ServerError) as error:
        sentence = str(error)
    except OSError as error:
        if error.errno not in _CAUSES:
            raise
        sentence = f"{error.filename or os.getcwd()}: {_CAUSES[error.errno]}."
    print(f"wesad: {sentence}", file=sys.stderr)
    sys.exit(1)
