"""A run's folder: one place for every file name, and for writing so that nothing half-written keeps its final name."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wesadlib.errors import InputError

# The command line reads nothing but digests where nothing changed, and does not wait for them then.
if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_MADE = {
    "11_cohort": ("manifest.json", "cohort.parquet"),
    "12_signals": ("windows.nc",),
    "13_quality": ("quality.nc", "faults.parquet"),
    "21_baseline": ("features.nc",),
    "22_resnet": ("history.parquet",),
    "23_loso": ("predictions.parquet", "training.parquet", "selection.parquet"),
    "24_audit": ("audit.parquet", "inflation.parquet", "controls.parquet"),
    "25_comparison": ("comparison.parquet", "learning.parquet"),
    "31_reliability": ("abstention.parquet",),
    "32_drift": ("drift_reference.parquet", "drift_threshold.json"),
    "33_explanation": ("explanation.parquet", "attribution.parquet"),
    "34_whole_recording": ("moments.parquet", "alarms.parquet", "timelines.parquet", "reports.parquet", "events.json"),
    "41_deployment": ("../bundle", "latency.parquet"),
    "42_your_own": ("your_own",),
}

#: artefact -> (file under ``outputs/<run>/artefacts/``, chapter that makes it)
ARTEFACTS = {Path(file).stem: (file, chapter) for chapter, files in _MADE.items() for file in files}


def default_bundle() -> Path:
    """The folder of the bundle that comes with the package: openly licensed, for any wristband like the E4."""
    return Path(__file__).parent / "bundles" / "open-wrist"


def project_root(start: str | Path | None = None) -> Path:
    """The folder that holds ``_toc.yml``: `start` (default: the working directory) or the nearest of its parents."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise InputError(f"{start}: not inside the book's checkout (no _toc.yml here or above); change into it first.")


class Run:
    """The folder of one run, ``outputs/<run>/``, by its absolute path.

    It holds the executed chapters (`notebooks`), finished folds, from which an interrupted run resumes (`folds`), the
    final model (`bundle`), the rendered book (`html`) and the run in one file (`summary`).
    """

    def __init__(self, folder: Path):
        self.folder, self.name, self.summary = folder, folder.name, folder / "summary.json"
        self.notebooks, self.folds = folder / "notebooks", folder / "folds"
        self.bundle, self.html = folder / "bundle", folder / "html"

    def path(self, artefact: str) -> Path:
        """Path of an artefact, whether or not it exists; folders are made."""
        path = Path(os.path.normpath(self.folder / "artefacts" / ARTEFACTS[artefact][0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def existing(self, artefact: str) -> Path:
        """Path of an artefact that must exist; the error names the chapter that makes it."""
        path = self.path(artefact)
        if not path.exists():
            file, chapter = ARTEFACTS[artefact]
            runs = [
                folder.name for folder in sorted(self.folder.parent.iterdir()) if (folder / "artefacts" / file).exists()
            ]
            others = f", or set `run` to one that has it: {', '.join(runs)}" if runs else ""
            raise InputError(
                f"{path} is missing: chapter {chapter} makes it, so run that chapter of `{self.name}` first{others}."
            )
        return path

    def write_table(self, artefact: str, table: "pd.DataFrame") -> Path:
        """Write a table as parquet under its final name, whole or not at all."""
        with replacing(self.path(artefact)) as partial:
            table.to_parquet(partial, index=False)
        return self.path(artefact)

    def read_table(self, artefact: str) -> "pd.DataFrame":
        """Read a table."""
        import pandas as pd

        return pd.read_parquet(self.existing(artefact))

    def write_dataset(self, artefact: str, dataset: "xr.Dataset") -> Path:
        """Write a Dataset as netCDF under its final name, whole or not at all."""
        with replacing(self.path(artefact)) as partial:
            dataset.to_netcdf(partial, engine="h5netcdf")
        return self.path(artefact)

    def read_dataset(self, artefact: str) -> "xr.Dataset":
        """Read a Dataset into memory."""
        import xarray as xr

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


def open_windows(run: Run, join: Sequence[str] = ("quality", "features")) -> "xr.Dataset":
    """A run's windows, joined with the artefacts called `join` where their chapters have run.

    Quality or features of other windows (another cohort or another cut) are refused.
    """
    windows = run.read_dataset("windows")
    for artefact in join:
        if run.path(artefact).exists():
            other = run.read_dataset(artefact)
            marks = ("cohort_digest", "window_s", "hop_s", "rate_hz")
            same = all(other.attrs.get(mark) == windows.attrs[mark] for mark in marks)
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
    partial, discarded = (path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}") for _ in range(2))
    try:
        yield partial
        if path.is_dir():
            os.replace(path, discarded)
        os.replace(partial, path)
        shutil.rmtree(discarded, ignore_errors=True)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> Path:
    """Write a JSON document, whole or not at all; NaN is refused."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return Path(path)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, or of a folder's files and their names, in hexadecimal."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest({file.relative_to(path).as_posix(): file_digest(file) for file in files})
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
