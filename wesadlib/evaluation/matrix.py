"""The matrix of a run: which models are scored under which protocols, on which tasks, by which seeds."""

from typing import Any

import pandas as pd
import xarray as xr

from wesadlib.evaluation.folds import task_name
from wesadlib.evaluation.protocols import make_protocol
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.workers import shared_workers
from wesadlib.params import Params


def list_matrix(params: Params) -> pd.DataFrame:
    """What is to be run, a row a task and protocol: all seeds on the main task under what a device could do.

    The first seed under other protocols, and on other tasks, which are scored under the first protocol alone.
    """
    tasks: dict[str, list[str]] = {}
    for classes in (params.classes, *params.other_tasks):
        tasks.setdefault(task_name(classes), list(classes))
    rows = []
    for number, (task, classes) in enumerate(tasks.items()):
        for protocol in dict.fromkeys(params.protocols if number == 0 else params.protocols[:1]):
            deployable = make_protocol(protocol, params, 0).deployable
            seeds = list(dict.fromkeys(params.seeds)) if number == 0 and deployable else params.seeds[:1]
            names = list(dict.fromkeys(params.models))
            rows.append({"task": task, "classes": classes, "protocol": protocol, "models": names, "seeds": seeds})
    return pd.DataFrame(rows)


def run_matrix(windows: xr.Dataset, params: Params, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the whole matrix; predictions and training of all its rows, as :func:`evaluate` returns them."""
    tables = []
    with shared_workers(params, windows):
        for row in list_matrix(params).itertuples():
            of_row = {"protocol": row.protocol, "seeds": row.seeds, "return_training": True}
            of_row["params"] = params.model_copy(update={"classes": row.classes})
            tables.append(evaluate(row.models, windows, **of_row, **options))
    predictions, training = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return predictions, training


def tabulate_cost(training: pd.DataFrame) -> pd.DataFrame:
    """Minutes of one core, a row a task and protocol, a column a model; a mean's are those of its members."""
    groups = (training["seconds"] / 60).groupby([training[name] for name in ("task", "protocol", "model")], sort=False)
    table = groups.sum(min_count=1).unstack("model", sort=False)
    return table.reindex(columns=list(dict.fromkeys(training["model"])))
