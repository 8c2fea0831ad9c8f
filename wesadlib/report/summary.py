"""The run in one file, for people's scripts, and the table of all parameters."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

from wesadlib import artefacts
from wesadlib.evaluation import score
from wesadlib.evaluation.predictions import of_every_seed
from wesadlib.params import Params
from wesadlib.report.chapters import read_records

PACKAGES = ("numpy", "scipy", "pandas", "xarray", "scikit-learn", "torch", "ray", "papermill", "jupyter-book")


def summarise(run: artefacts.Run, params: Params, root: Path) -> dict[str, Any]:
    """Gather a run's summary from its artefacts; what has not been made yet is an empty list or dict."""
    records, windows = read_records(run), {}
    if run.path("windows").exists():
        labels = run.read_dataset("windows")["label"].values
        windows = {state: int((labels == state).sum()) for state in ("baseline", "stress", "amusement")}
    costs = ("seconds", "peak_rss_mb", "from_cache")
    chapters = [{"name": name, **{key: record[key] for key in costs}} for name, record in records.items()]
    return {
        "run": run.name,
        "commit": read_commit(root),
        "versions": read_versions(),
        "machine": describe_machine(),
        "data": describe_data(run),
        "windows": windows,
        "results": _results(run, params),
        "failed_folds": list_failed_folds(run),
        "chapters": chapters,
        "peak_rss_mb": max((chapter["peak_rss_mb"] for chapter in chapters), default=0.0),
    }


def read_commit(root: Path) -> str:
    """The checkout's commit, with ``+changes`` when files differ from it; empty outside version control."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def read_versions() -> dict[str, str]:
    """Versions of Python, of this library and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("wesadlib", *PACKAGES)}}


def describe_machine() -> dict[str, Any]:
    """Cores, processor and memory of this machine."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": psutil.cpu_count(),
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def describe_data(run: artefacts.Run) -> dict[str, Any]:
    """Digest, origin, device and subjects of a run's windows; empty before they are made."""
    if not run.path("windows").exists():
        return {}
    windows = run.read_dataset("windows")
    return {
        "digest": windows.attrs["cohort_digest"],
        "simulated": bool(windows.attrs["simulated"]),
        "device": windows.attrs["device"],
        "subjects": sorted(set(windows.subject.values.tolist()), key=lambda subject: (len(subject), subject)),
    }


def list_failed_folds(run: artefacts.Run) -> list[dict[str, Any]]:
    """Folds that gave no predictions, and what went wrong: ``task model protocol seed subject error``."""
    training = run.read_table("training") if run.path("training").exists() else pd.DataFrame()
    if "error" not in training:
        return []
    columns = ["task", "model", "protocol", "seed", "subject", "error"]
    return training.loc[training["error"].fillna("") != "", columns].to_dict(orient="records")


def _results(run: artefacts.Run, params: Params) -> list[dict[str, Any]]:
    if not run.path("predictions").exists():
        return []
    predictions = of_every_seed(run.read_table("predictions"))
    tables = (score(predictions, windows=windows, bootstrap=params.bootstrap) for windows in ("all", "accepted"))
    rows = [row for table in tables for row in table.to_dict(orient="records")]
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def tabulate_params(folder: str | Path) -> pd.DataFrame:
    """Every parameter in a row, ``group parameter meaning bounds default``, and a column a profile of `folder`.

    A profile's column is empty where the default holds.
    """
    # That of the server is no profile.
    paths = [path for path in sorted(Path(folder).glob("*.yaml")) if path.name != "serve.yaml"]
    profiles = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    rows = []
    for name, field in Params.model_json_schema()["properties"].items():
        bounds = [f"{sign} {field[bound]:g}" for bound, sign in signs.items() if bound in field]
        choices = field.get("enum") or field.get("items", {}).get("enum") or []
        row = {"group": field["group"], "parameter": name, "meaning": field["description"]}
        row |= {"bounds": ", ".join(bounds) or " | ".join(choices), "default": str(field["default"])}
        row |= {profile: str(values[name]) if name in values else "" for profile, values in profiles.items()}
        rows.append(row)
    return pd.DataFrame(rows)
