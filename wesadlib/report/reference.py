"""The small results of a run that are worth keeping in version control, for readers who do not have the recordings."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from wesadlib import artefacts, plots
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.evaluation.predictions import of_every_seed
from wesadlib.plots.audit import plot_inflation
from wesadlib.plots.comparison import plot_leaderboard
from wesadlib.plots.loso import plot_subjects

#: Files of a reference.
SUMMARY, PREDICTIONS, SUBJECTS, FIGURE = "summary.json", "predictions.parquet", "subjects.csv", "subjects.png"
PARAMETERS = "params.yaml"

#: Figures that there are where the run has what they show.
INFLATION, LEADERBOARD = "inflation.png", "leaderboard.png"

#: Artefacts that are kept as tables, each as ``<artefact>.csv``, where the run has them. What is large and follows from
#: the predictions, such as abstention at every threshold, is not kept twice.
TABLES = ("selection", "inflation", "controls", "comparison", "learning")

#: Models in the figure: the baseline, the network and the one chosen; all of them would hide each other.
DRAWN = ("logistic", "resnet", "chosen")

#: Probabilities are kept as multiples of one in so many, so that a row sums to one exactly and packs well.
STEPS = 2**16


@dataclass(frozen=True)
class Reference:
    """Kept results of a run.

    Attributes
    ----------
    summary : dict
        As :func:`~wesadlib.report.summary.summarise` gives.
    predictions : DataFrame
        Every task, model, protocol and seed.
    parameters : dict
        The run's parameters, without where its recordings were; empty where they were not kept.
    tables : dict
        Those of :data:`TABLES` that the run had.
    """

    summary: dict[str, Any]
    predictions: pd.DataFrame
    parameters: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def task(self) -> str:
        """The run's own task, the first that it scored."""
        return self.summary["results"][0]["task"]

    def inflation(self, shortcut: str = "") -> pd.DataFrame:
        """By how much each shortcut flatters each model, or one shortcut alone; empty where that was not measured."""
        table = self.tables.get("inflation", pd.DataFrame(columns=["shortcut"]))
        return table[table["shortcut"] == shortcut] if shortcut else table

    def leaderboard(self) -> pd.DataFrame:
        """Every task, protocol and model scored on all windows; empty where the run did not compare them."""
        table = self.tables.get("comparison", pd.DataFrame(columns=["windows", "task"]))
        return table[table["windows"] == "all"].reset_index(drop=True)


def write_reference(run: artefacts.Run, folder: Path) -> Path:
    """Keep a run's summary, parameters, predictions and small tables, and draw each person's score.

    Parameters
    ----------
    run : Run
        A run of the whole book on real people.
    folder : Path
        Where; what is there already is replaced as a whole.

    Returns
    -------
    Path
        The folder. No signal of anybody is in it.

    Raises
    ------
    InputError
        When the run has no summary or no predictions, or its people are simulated.
    """
    if not run.summary.is_file():
        raise InputError(f"{run.summary} is missing: run `wesad book` with the profile of `{run.name}` first.")
    summary = json.loads(run.summary.read_text(encoding="utf-8"))
    if summary["data"].get("simulated", True):
        raise InputError(f"{run.summary}: its people are simulated; a reference is kept of real people only.")
    predictions = compact(run.read_table("predictions"))
    plots.style()
    with artefacts.replacing(folder) as partial:
        partial.mkdir(parents=True)
        shutil.copy(run.summary, partial / SUMMARY)
        _keep_parameters(run.folder / PARAMETERS, partial / PARAMETERS)
        write_predictions(predictions, partial / PREDICTIONS)
        subjects = score(predictions, by="subject")
        subjects.to_csv(partial / SUBJECTS, index=False, float_format="%.6g")
        for name in TABLES:
            if run.path(name).exists():
                run.read_table(name).to_csv(partial / f"{name}.csv", index=False, float_format="%.6g")
        _draw(read_reference(partial), partial)
    return folder


def read_reference(folder: Path) -> Reference:
    """Read what :func:`write_reference` kept.

    Raises
    ------
    InputError
        When there is nothing.
    """
    if not (folder / SUMMARY).is_file():
        raise InputError(f"{folder / SUMMARY} is missing: `make reference WESAD_ROOT=…` makes it.")
    parameters = folder / PARAMETERS
    tables = {name: folder / f"{name}.csv" for name in TABLES}
    return Reference(
        summary=json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
        predictions=pd.read_parquet(folder / PREDICTIONS),
        parameters=yaml.safe_load(parameters.read_text(encoding="utf-8")) if parameters.is_file() else {},
        tables={name: pd.read_csv(path) for name, path in tables.items() if path.is_file()},
    )


def compact(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions with probabilities rounded to multiples of 1 / :data:`STEPS`, which still sum to one exactly.

    What rounding leaves over goes to the most probable state, so no decision changes but where two states are
    as good as equally probable.
    """
    columns = [name for name in predictions.columns if name.startswith("p_")]
    steps = np.round(predictions[columns].to_numpy(float) * STEPS)
    rows = np.arange(len(steps))
    largest = np.nanargmax(predictions[columns].to_numpy(float), axis=1)
    steps[rows, largest] += STEPS - np.nansum(steps, axis=1)
    kept = predictions.copy()
    kept[columns] = (steps / STEPS).astype(np.float32)
    return kept.astype({"window": np.int32, "seed": np.int32, "start_s": np.float32})


def write_predictions(predictions: pd.DataFrame, path: Path) -> None:
    """Write predictions as a parquet file that is as small as may be."""
    split = [name for name in predictions.columns if name.startswith("p_")]
    predictions.to_parquet(
        path,
        index=False,
        compression="zstd",
        compression_level=19,
        # The bytes of a float that are alike lie together, and pack better.
        use_byte_stream_split=split,
        use_dictionary=[name for name in predictions.columns if name not in split],
    )


def _keep_parameters(source: Path, target: Path) -> None:
    if source.is_file():
        parameters = yaml.safe_load(source.read_text(encoding="utf-8"))
        # Where the recordings lay is of no use to anybody else.
        parameters.pop("wesad_root", None)
        target.write_text(yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _draw(reference: Reference, folder: Path) -> None:
    predictions = reference.predictions
    own = predictions[(predictions["task"] == reference.task) & (predictions["protocol"] == "cold_start")]
    some = own[own["model"].isin(DRAWN)]
    shown = of_every_seed(some if len(some) else own)
    figures = {FIGURE: plot_subjects(score(shown, by="subject"), score(shown))}
    if len(reference.inflation()):
        figures[INFLATION] = plot_inflation(reference.inflation())
    if "comparison" in reference.tables:
        figures[LEADERBOARD] = plot_leaderboard(reference.leaderboard().query("task == @reference.task"))
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=110)
