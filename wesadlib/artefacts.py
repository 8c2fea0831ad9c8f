"""A run's folder: one place for every file name, and for writing so that nothing half-written keeps its final name."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from wesadlib.errors import InputError

#: artefact -> (file under ``outputs/<run>/artefacts/``, chapter that makes it)
ARTEFACTS: dict[str, tuple[str, str]] = {
    "manifest": ("manifest.json", "11_cohort"),
    "cohort": ("cohort.parquet", "11_cohort"),
    "windows": ("windows.nc", "12_signals"),
    "quality": ("quality.nc", "13_quality"),
    "faults": ("faults.parquet", "13_quality"),
    "features": ("features.nc", "21_baseline"),
    "history": ("history.parquet", "22_resnet"),
    "predictions": ("predictions.parquet", "23_loso"),
    "training": ("training.parquet", "23_loso"),
    "selection": ("selection.parquet", "23_loso"),
    "audit": ("audit.parquet", "24_audit"),
    "inflation": ("inflation.parquet", "24_audit"),
    "controls": ("controls.parquet", "24_audit"),
    "comparison": ("comparison.parquet", "25_comparison"),
    "learning": ("learning.parquet", "25_comparison"),
    "abstention": ("abstention.parquet", "31_reliability"),
    "drift_reference": ("drift_reference.parquet", "32_drift"),
    "drift_threshold": ("drift_threshold.json", "32_drift"),
    "latency": ("latency.parquet", "41_deployment"),
}


def project_root(start: str | Path | None = None) -> Path:
    """The folder that holds ``_toc.yml``: `start` (default: the working directory) or the nearest of its parents.

    Raises
    ------
    InputError
        When there is none.
    """
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise InputError(f"{start}: not inside the book's checkout (no _toc.yml here or above); change into it first.")


@dataclass(frozen=True)
class Run:
    """The folder of one run, ``outputs/<run>/``.

    Attributes
    ----------
    folder : Path
        Absolute path.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def notebooks(self) -> Path:
        """Folder of the executed chapters."""
        return self.folder / "notebooks"

    @property
    def folds(self) -> Path:
        """Folder of finished folds, from which an interrupted run resumes."""
        return self.folder / "folds"

    @property
    def bundle(self) -> Path:
        """Folder of the final model."""
        return self.folder / "bundle"

    @property
    def html(self) -> Path:
        """Folder of the rendered book."""
        return self.folder / "html"

    @property
    def summary(self) -> Path:
        """The run in one file."""
        return self.folder / "summary.json"

    def path(self, artefact: str) -> Path:
        """Path of an artefact, whether or not it exists; folders are made."""
        path = self.folder / "artefacts" / ARTEFACTS[artefact][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def existing(self, artefact: str) -> Path:
        """Path of an artefact that must exist.

        Raises
        ------
        InputError
            When it does not; names the chapter that makes it.
        """
        path = self.path(artefact)
        if not path.exists():
            chapter = ARTEFACTS[artefact][1]
            raise InputError(
                f"{path} is missing: chapter {chapter} makes it, so run that chapter of `{self.name}` first."
            )
        return path

    def write_table(self, artefact: str, table: pd.DataFrame) -> Path:
        """Write a table as parquet under its final name, whole or not at all."""
        path = self.path(artefact)
        with replacing(path) as partial:
            table.to_parquet(partial, index=False)
        return path

    def read_table(self, artefact: str) -> pd.DataFrame:
        """Read a table."""
        return pd.read_parquet(self.existing(artefact))

    def write_dataset(self, artefact: str, dataset: xr.Dataset) -> Path:
        """Write a Dataset as netCDF under its final name, whole or not at all."""
        path = self.path(artefact)
        with replacing(path) as partial:
            dataset.to_netcdf(partial, engine="h5netcdf")
        return path

    def read_dataset(self, artefact: str) -> xr.Dataset:
        """Read a Dataset into memory."""
        with xr.open_dataset(self.existing(artefact), engine="h5netcdf") as dataset:
            return dataset.load()

    def write_json(self, artefact: str, value: Any) -> Path:
        """Write a JSON document under its final name, whole or not at all."""
        return write_json(self.path(artefact), value)

    def read_json(self, artefact: str) -> Any:
        """Read a JSON document."""
        return json.loads(self.existing(artefact).read_text(encoding="utf-8"))


def open_run(run: str, root: str | Path | None = None) -> Run:
    """The run called `run` of the checkout that `root` (default: the working directory) lies in; its folder is made."""
    folder = project_root(root) / "outputs" / run
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder)


def open_windows(run: Run, join: Sequence[str] = ("quality", "features")) -> xr.Dataset:
    """A run's windows, joined with the artefacts called `join` where their chapters have run.

    Raises
    ------
    InputError
        When the windows are missing, or quality or features belong to other windows (another cohort or another cut).
    """
    windows = run.read_dataset("windows")
    for artefact in join:
        if run.path(artefact).exists():
            other = run.read_dataset(artefact)
            same = all(
                other.attrs.get(key) == windows.attrs[key] for key in ("cohort_digest", "window_s", "hop_s", "rate_hz")
            )
            if not same or other.sizes["window"] != windows.sizes["window"]:
                raise InputError(
                    f"{run.path(artefact)} belongs to other windows than {run.path('windows')}: "
                    f"run chapter {ARTEFACTS[artefact][1]} again."
                )
            windows = windows.merge(other.drop_vars(list(windows.coords), errors="ignore"), combine_attrs="override")
    return windows


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well and is removed when not.

    A file replaces a file and a folder replaces a folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        if path.is_dir():
            discarded = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
            os.replace(path, discarded)
            os.replace(partial, path)
            shutil.rmtree(discarded)
        else:
            os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> Path:
    """Write a JSON document, whole or not at all; NaN is refused."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return Path(path)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
