"""Files that keep finished folds, from which an interrupted run resumes and which chapters share."""

import ast
import dataclasses
import functools
import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import joblib
import pandas as pd

from wesadlib import __version__, models
from wesadlib.artefacts import replacing
from wesadlib.errors import InputError
from wesadlib.evaluation import folds
from wesadlib.evaluation.folds import FoldResult, FoldWindows, Job


def fold_files(
    folder: Path, jobs: Iterable[Job], prototypes: Mapping[str, models.Model], windows: FoldWindows
) -> dict[tuple, Path]:
    """Key of each fold -> its file, whose name holds all that its numbers follow from.

    That is the windows, the split, the seed, the unfitted model's parameters and source, and the libraries' versions.
    """
    content = joblib.hash(windows)
    versions = [
        (name, package.version)
        for name in ("numpy", "scikit-learn", "torch")
        for package in metadata.distributions(name=name)
    ]
    files = {}
    for job in jobs:
        prototype = prototypes[job.model]
        source = _source_digest(Path(inspect.getfile(type(prototype))))
        key = joblib.hash([__version__, content, dataclasses.astuple(job.fold), prototype, source, versions])
        name = "-".join([job.model, job.protocol, f"seed{job.seed}", job.fold.held_out, key[:16]])
        files[job.key] = folder / f"{re.sub('[^A-Za-z0-9_+-]', '_', name)}.parquet"
    return files


@functools.cache
def _source_digest(source: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(source_files(source)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def source_files(source: Path) -> set[Path]:
    """A model's module, the modules beside it that it imports, and theirs: nothing else makes its numbers."""
    visited, waiting = set(), [Path(folds.__file__), source]
    while waiting:
        path = waiting.pop()
        if path in visited or not path.is_file():
            continue
        visited.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{models.__name__}."):
                waiting.append(Path(models.__file__).parent / f"{node.module.rpartition('.')[2]}.py")
    return visited


def save_fold(path: Path, result: FoldResult) -> None:
    """Keep a finished fold, whole or not at all."""
    table = result.predictions.copy(deep=False)
    table.attrs["training"] = result.training
    with replacing(path) as partial:
        table.to_parquet(partial, index=False)


def load_fold(path: Path) -> FoldResult:
    """Read a finished fold."""
    try:
        table = pd.read_parquet(path)
        training = table.attrs.pop("training")
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path}: not a finished fold; delete it, and it is computed again.") from None
    return FoldResult(table, training)
