"""The small results of a run that are worth keeping in version control, for readers who do not have the recordings."""

import io
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import Image

from wesadlib import artefacts, plots
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.evaluation.held_out import compare_people
from wesadlib.evaluation.predictions import RAW, of_every_seed
from wesadlib.plots.audit import plot_inflation
from wesadlib.plots.comparison import plot_leaderboard
from wesadlib.plots.events import plot_hours
from wesadlib.plots.explanation import plot_attribution, plot_conditions, plot_sensors
from wesadlib.plots.loso import plot_subjects

#: Files of a reference; all figures but the first, and the last file, are there where the run has what they show.
SUMMARY, PREDICTIONS, PARAMETERS = "summary.json", "predictions.parquet", "params.yaml"
FIGURE, INFLATION, LEADERBOARD = "subjects.png", "inflation.png", "leaderboard.png"
HOURS, EVENTS = "hours.png", "events.json"
LADDER, SENSORS, ATTRIBUTION = "ladder.png", "sensors.png", "attribution.png"

#: Artefacts that are kept as tables, each as ``<artefact>.csv``, where the run has them. What is large and follows from
#: the predictions, such as abstention at every threshold, is not kept twice.
TABLES = ("selection", "inflation", "controls", "comparison", "learning", "alarms", "timelines", "reports")
TABLES += ("explanation", "attribution")

#: Models in the figure: the baseline, the network and the one chosen; all of them would hide each other.
DRAWN = ("logistic", "resnet", "chosen")


@dataclass(frozen=True)
class Reference:
    """Kept results of a run: summary, predictions, parameters (but where its recordings were) and :data:`TABLES`."""

    summary: dict[str, Any]
    predictions: pd.DataFrame
    parameters: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @cached_property
    def cold(self) -> pd.DataFrame:
        """Predictions of the run's own task from a cold start, of people who have every seed."""
        return self.under("cold_start")

    @cached_property
    def model(self) -> str:
        """The configuration chosen inside the training people; where none was, the last model, whatever its score."""
        names = list(self.cold["model"].unique())
        return "chosen" if "chosen" in names else names[-1]

    @cached_property
    def headline(self) -> pd.DataFrame:
        """Predictions of :attr:`model` from a cold start."""
        return self.cold[self.cold["model"] == self.model]

    def under(self, protocol: str) -> pd.DataFrame:
        """Predictions of the run's own task under one protocol, of people who have every seed."""
        table = self.predictions
        return of_every_seed(table[(table["task"] == self.task) & (table["protocol"] == protocol)])

    def table(self, name: str, **values: Any) -> pd.DataFrame:
        """A kept table, or its rows that have these values; empty, without columns, where the run lacks it."""
        if name not in self.tables:
            return pd.DataFrame()
        table = self.tables[name]
        return table[(table[list(values)] == list(values.values())).all(axis=1)]

    @property
    def task(self) -> str:
        """The run's own task, the first that it scored."""
        return self.summary["results"][0]["task"]

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Models on destroyed windows or on some sensors, against themselves; empty where the run lacks them."""
        scores = self.table("explanation")
        return compare_people(scores) if len(scores) else scores


def write_reference(run: artefacts.Run, folder: Path) -> Path:
    """Keep a run's summary, parameters, predictions and small tables, and draw each person's score.

    What is in `folder` already is replaced as a whole; no signal of anybody is kept. A run of simulated people, or one
    that was not finished, is refused.
    """
    if not run.summary.is_file():
        raise InputError(f"{run.summary} is missing: run `wesad book` with the profile of `{run.name}` first.")
    summary = json.loads(run.summary.read_text(encoding="utf-8"))
    if summary["data"].get("simulated", True):
        raise InputError(f"{run.summary}: its people are simulated; a reference is kept of real people only.")
    predictions = run.read_table("predictions")
    plots.style()
    with artefacts.replacing(folder) as partial:
        partial.mkdir(parents=True)
        shutil.copy(run.summary, partial / SUMMARY)
        if (parameters := run.folder / PARAMETERS).is_file():
            values = yaml.safe_load(parameters.read_text(encoding="utf-8"))
            # Where recordings lay is of no use to anybody else.
            kept = {name: value for name, value in values.items() if not name.endswith(("_root", "own_recording"))}
            text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
            (partial / PARAMETERS).write_text(text, encoding="utf-8")
        single = predictions.astype(dict.fromkeys(predictions.filter(regex="^p_"), "float32"))
        # What was given before temperatures follows from them, which the table of the selection holds.
        single = single.loc[:, ~single.columns.str.startswith(RAW)]
        single.to_parquet(partial / PREDICTIONS, index=False, compression="zstd")
        tables = {name: run.read_table(name) for name in TABLES if run.path(name).exists()}
        for name, table in {"subjects": score(predictions, by="subject"), **tables}.items():
            table.to_csv(partial / f"{name}.csv", index=False, float_format="%.6g")
        if run.path("events").exists():
            shutil.copy(run.path("events"), partial / EVENTS)
        _draw(read_reference(partial), partial)
    return folder


def read_reference(folder: Path) -> Reference:
    """Read what :func:`write_reference` kept."""
    if not (folder / SUMMARY).is_file():
        raise InputError(f"{folder / SUMMARY} is missing: `make reference WESAD_ROOT=…` makes it.")
    predictions = pd.read_parquet(folder / PREDICTIONS)
    # What was rounded to the precision of a file sums to one again.
    rounded = predictions.filter(regex="^p_").astype(float)
    predictions[rounded.columns] = rounded.div(rounded.sum(axis="columns"), axis="index")
    parameters = folder / PARAMETERS
    values = yaml.safe_load(parameters.read_text(encoding="utf-8")) if parameters.is_file() else {}
    tables = {name: pd.read_csv(path) for name in TABLES if (path := folder / f"{name}.csv").is_file()}
    return Reference(json.loads((folder / SUMMARY).read_text(encoding="utf-8")), predictions, values, tables)


def _draw(reference: Reference, folder: Path) -> None:
    some = reference.cold[reference.cold["model"].isin(DRAWN)]
    shown = some if len(some) else reference.cold
    figures = {FIGURE: plot_subjects(score(shown, by="subject"), score(shown))}
    if len(inflation := reference.table("inflation")):
        figures[INFLATION] = plot_inflation(inflation)
    if len(board := reference.table("comparison", windows="all", task=reference.task)):
        figures[LEADERBOARD] = plot_leaderboard(board)
    if "timelines" in reference.tables:
        figures[HOURS] = plot_hours(reference.tables["timelines"])
    if "explanation" in reference.tables:
        destroyed = reference.compared["part"].isin(["fixed", "again"])
        figures[LADDER] = plot_conditions(reference.compared[destroyed])
        figures[SENSORS] = plot_sensors(reference.compared[~destroyed])
    if "attribution" in reference.tables:
        figures[ATTRIBUTION] = plot_attribution(reference.tables["attribution"])
    for name, figure in figures.items():
        with io.BytesIO() as file:
            figure.savefig(file, dpi=110)
            # A figure has few colours: with a palette its file is a third.
            Image.open(file).convert("RGB").quantize().save(folder / name, optimize=True)
