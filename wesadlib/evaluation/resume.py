"""Files that keep finished folds, from which an interrupted run resumes."""

import ast
import functools
import hashlib
import inspect
import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import __version__, models
from wesadlib.artefacts import digest, replacing
from wesadlib.errors import InputError
from wesadlib.evaluation import folds


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
def _source_digest(source: Path) -> str:
    return digest({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(_sources(source))})


def _sources(source: Path) -> set[Path]:
    # A model's module, the modules beside it that it imports, and theirs: nothing else makes its numbers.
    found, waiting = {Path(folds.__file__)}, [source]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{models.__name__}."):
                waiting.append(path.parent / f"{node.module.rpartition('.')[2]}.py")
    return found


def fold_file(folder: Path, job: folds.Job, prototype: models.Model, content: str) -> Path:
    """File of a finished fold; its name holds all that the fold's numbers follow from.

    That is the windows' content, the split, the unfitted model's parameters and source, the seed, and the versions of
    the libraries.
    """
    split = hashlib.sha256()
    for part in (job.fold.train, job.fold.validation, job.fold.calibration, job.fold.test):
        split.update(part.astype(np.int64).tobytes() + b"|")
    key = {
        "windows": content,
        "split": split.hexdigest(),
        "model": json.dumps(vars(prototype), sort_keys=True, default=vars),
        "source": _source_digest(Path(inspect.getfile(type(prototype)))),
        "versions": [__version__, *map(version, ("numpy", "scikit-learn", "torch"))],
    }
    name = "-".join([job.model, job.protocol, f"seed{job.seed}", job.fold.held_out, digest(key)[:16]])
    return folder / f"{re.sub('[^A-Za-z0-9_+-]', '_', name)}.parquet"


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
