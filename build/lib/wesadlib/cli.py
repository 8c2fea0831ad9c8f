"""The command line: ``wesad``."""

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from wesadlib import artefacts
from wesadlib.errors import BookError, InputError, ServerError, needs
from wesadlib.params import Params, read_params

# Ray would otherwise report usage to its makers.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A book on stress from wearable sensors, that runs.")
console = Console()


@app.command()
def book(
    params: Annotated[Path, typer.Argument(help="A profile, such as params/demo.yaml.")],
    only: Annotated[list[str] | None, typer.Option(help="Execute only this chapter (may be given again).")] = None,
    start: Annotated[str, typer.Option("--from", help="Execute this chapter and those after it.")] = "",
    force: Annotated[bool, typer.Option(help="Execute although nothing changed.")] = False,
    set_: Annotated[list[str] | None, typer.Option("-p", help="name=value, wins over the profile.")] = None,
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
    run = run_chapters(values, root, only=only or (), start=start, force=force, console=console)
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
def check(root: Annotated[Path, typer.Argument(help="Folder that holds S2, S3, …")]) -> None:
    """Check recordings: a table per subject, and a non-zero exit on a problem."""
    from wesadlib.data import check_cohort

    table, problems = check_cohort(root, progress=console.is_terminal)
    console.print(table.to_string(index=False, float_format="%.1f"), soft_wrap=True, markup=False, highlight=False)
    for problem in problems:
        console.print(problem, style="red", soft_wrap=True, markup=False)
    if problems:
        raise typer.Exit(1)


@app.command()
def simulate(
    root: Annotated[Path, typer.Argument(help="A folder to make.")],
    subjects: Annotated[int, typer.Option(help="How many people.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 7,
    effect_size: Annotated[float, typer.Option(help="Factor on every response to stress.")] = 1.0,
    between_person_spread: Annotated[float, typer.Option(help="Factor on the spread between people.")] = 1.0,
    artefact_rate: Annotated[float, typer.Option(help="Factor on the rate of artefacts.")] = 1.0,
) -> None:
    """Write recordings of simulated people in the data set's official layout."""
    from wesadlib.data.simulate import simulate_cohort

    if root.exists():
        raise InputError(f"{root} exists already: name a folder that does not.")
    factors = {
        "effect_size": effect_size,
        "between_person_spread": between_person_spread,
        "artefact_rate": artefact_rate,
    }
    simulate_cohort(root, subjects, seed, **factors, progress=True)
    console.print(f"{subjects} simulated people in {root}")


@app.command()
def serve(
    bundle: Annotated[Path | None, typer.Argument(help="Folder of a bundle; default: the configuration's.")] = None,
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
        if error.errno != errno.ENOSPC:
            raise
        sentence = f"no space is left on the disk of {error.filename or os.getcwd()}."
    print(f"wesad: {sentence}", file=sys.stderr)
    sys.exit(1)
