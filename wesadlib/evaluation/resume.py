"""Files that keep finished folds, from which an interrupted run resumes."""

import functools
import hashlib
import inspect
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import __version__, models
from wesadlib.artefacts import digest, replacing
from wesadlib.errors import InputError
from wesadlib.evaluation import folds
from wesadlib.params import Params


def windows_digest(windows: xr.Dataset) -> str:
    """SHA-256 of the content of windows: names, dimensions, types and values of every variable."""
    content = hashlib.sha256()
    for name in sorted(windows.variables, key=str):
        variable = windows.variables[name]
        values = np.asarray(variable.values)
        values = values.astype("U") if values.dtype == object else values
        content.update(repr((name, variable.dims, values.dtype.str, values.shape)).encode())
        content.update(np.ascontiguousarray(values).data.cast("B") if values.size else b"")
    return content.hexdigest()


@functools.cache
def _source_digest(*sources: Path) -> str:
    return digest([hashlib.sha256(path.read_bytes()).hexdigest() for path in sources])


def fold_file(folder: Path, job: folds.Job, prototype: models.Model, content: str, params: Params) -> Path:
    """File of a finished fold; its name holds all that the fold's numbers follow from.

    That is the windows' content, the split, the model's parameters and source, the seed, and the versions of
    the libraries.
    """
    fields = [name for name, field in Params.model_fields.items() if field.json_schema_extra["group"] == "models"]
    sources = {*Path(models.__file__).parent.glob("*.py"), Path(folds.__file__), Path(inspect.getfile(type(prototype)))}
    split = hashlib.sha256()
    for part in (job.fold.train, job.fold.validation, job.fold.calibration, job.fold.test):
        split.update(part.astype(np.int64).tobytes() + b"|")
    key = {
        "windows": content,
        "split": split.hexdigest(),
        "params": {name: getattr(params, name) for name in fields},
        "source": _source_digest(*sorted(sources)),
        "versions": [__version__, *map(version, ("numpy", "scikit-learn", "torch"))],
    }
    return folder / f"{job.model}-{job.protocol}-seed{job.seed}-{job.fold.held_out}-{digest(key)[:16]}.parquet"


def save_fold(path: Path, table: pd.DataFrame) -> None:
    """Keep a finished fold, whole or not at all."""
    with replacing(path) as partial:
        table.to_parquet(partial, index=False)


def load_fold(path: Path) -> pd.DataFrame:
    """Read a finished fold with its training row.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    try:
        table = pd.read_parquet(path)
        table.attrs["training"]
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path}: not a finished fold; delete it, and it is computed again.") from None
    return table
