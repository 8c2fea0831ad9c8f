"""Finished and failed folds, joined into the tables of predictions and of training."""

from typing import Any

import numpy as np
import pandas as pd

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.evaluation.folds import Job, describe_epochs, describe_job

_NO_EPOCHS: dict[str, Any] = {
    "best_epoch": float("nan"),
    "epochs": float("nan"),
    "train_loss": [],
    "validation_loss": [],
}


def failed_fold(job: Job, prototype: models.Model, error: Exception) -> pd.DataFrame:
    """No predictions, with the fold's row of the training table, which says in `error` what went wrong."""
    told = str(error) if isinstance(error, InputError) else f"fold of {job}: {type(error).__name__}: {error}"
    table = pd.DataFrame()
    table.attrs["training"] = {
        **describe_job(job, prototype),
        "error": told,
        "validation_subjects": [],
        "train_windows": 0,
        "validation_windows": 0,
        **describe_epochs(prototype),
        "seconds": float("nan"),
        "node": "",
    }
    return table


def mean_fold(job: Job, members: list[pd.DataFrame]) -> pd.DataFrame:
    """The fold of a plain mean, from the finished folds of its members: the same as fitting them once more."""
    training = [member.attrs["training"] for member in members]
    failed = next((row for row in training if row["error"]), None)
    if failed:
        table = pd.DataFrame()
        row = failed
    else:
        table = members[0].assign(model=job.model)
        columns = [name for name in table.columns if name.startswith("p_")]
        table[columns] = np.mean([member[columns].to_numpy() for member in members], axis=0)
        row = training[0] | {"seconds": sum(row["seconds"] for row in training)}
    table.attrs["training"] = row | _NO_EPOCHS | {"model": job.model}
    return table


def gather(tables: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the folds: predictions, a row a window, and training, a row a fold."""
    training = pd.DataFrame([table.attrs["training"] for table in tables])
    # Concatenation compares attributes, which hold arrays here.
    bare = [table.copy(deep=False) for table in tables if len(table)]
    for table in bare:
        table.attrs = {}
    return pd.concat(bare, ignore_index=True), training
