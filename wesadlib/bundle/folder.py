"""A bundle on disk: written whole or not at all, and checked before anything of it is loaded.

It holds ``config.json``, ``model/`` (the model's own files, never a pickle), ``calibrated/`` (the same of a model that
uses a person's rest, where there is one), ``reference.csv`` (what drift is measured against), ``example.msgpack``
(some minutes of a person who does not exist), ``exertion.json`` (what tells exercise, where it is told) and
``MODEL_CARD.md``. Every file's SHA-256 is in ``config.json``; the SHA-256 of the configuration itself is the model's
version.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import __version__, artefacts
from wesadlib.bundle.card import model_card
from wesadlib.bundle.example import EXAMPLE_FILE, make_example
from wesadlib.bundle.predict import Bundle
from wesadlib.data import CHANNELS
from wesadlib.errors import InputError
from wesadlib.evaluation.alarm import Rule
from wesadlib.models import Model
from wesadlib.models import load as load_model
from wesadlib.models.calibration import Calibrated
from wesadlib.models.exertion import ExertionGate
from wesadlib.params import Params
from wesadlib.quality import read_thresholds

#: Layout of the folder and of ``config.json``; raised when an older reader could misread a newer bundle.
FORMAT = 4
#: File of a bundle whose answers abstain from exercise.
GATE_FILE = "exertion.json"


def save_bundle(
    model: Model,
    folder: str | Path,
    *,
    calibrated: Model | None = None,
    windows: xr.Dataset,
    params: Params,
    metrics: pd.DataFrame | Sequence[Mapping[str, Any]] | None = None,
    drift_reference: pd.DataFrame | None = None,
    drift_threshold: Any = None,
    temperature: Mapping[str, Mapping[str, float]] | None = None,
    running: Mapping[str, Any] | None = None,
    alarm: Mapping[str, Rule] | None = None,
    gate: ExertionGate | None = None,
    credit: str = "",
) -> Path:
    """Write a bundle, whole or not at all.

    Parameters
    ----------
    folder : path
        Where; a bundle that is already there is replaced.
    calibrated : fitted model, optional
        Fitted with people's windows at rest, as of the protocol ``rest_calibrated``: answers where a person's rest is
        known.
    windows : xarray.Dataset
        What the model was trained on: channels, rates, states and the data's digest are read from it; quality
        thresholds and ``min_confidence`` from `params`.
    metrics : DataFrame or sequence of mappings, optional
        Scores on left-out people, a row each, with the ``protocol`` under which they were obtained.
    drift_reference : DataFrame, optional
        What :func:`wesadlib.drift.make_reference` returns.
    drift_threshold : JSON-able value, optional
        The alarm's threshold that belongs to it.
    temperature : mapping, optional
        Protocol -> temperatures of the model and of a mean's members, as
        :func:`~wesadlib.evaluation.selection.final_temperatures` gives them: answers are given with these.
    running : mapping, optional
        Of a model whose threshold follows the person over a recording: ``quantile smooth_s`` of
        :func:`~wesadlib.evaluation.running.running_reference`, ``carry_s``, for how long a heart rate stands for one
        that cannot be read, and ``cold`` and ``rested``, each a ``threshold`` and a ``temperature`` of log odds.
    alarm : mapping of str to Rule, optional
        ``cold`` and ``rested`` -> when log odds of the second of two states over a recording become an alarm.
    gate : ExertionGate, optional
        What abstains from windows of exercise; `windows` then have the channels of acceleration.
    credit : str
        Whose recordings the model learnt from, and their licence, for the card; default: those of WESAD.
    """
    names = tuple(str(name) for name in windows["channel"].values)
    _check(model, calibrated, names)
    with artefacts.replacing(folder) as partial:
        (partial / "model").mkdir(parents=True)
        model.save(partial / "model")
        if calibrated is not None:
            (partial / "calibrated").mkdir()
            calibrated.save(partial / "calibrated")
        (partial / EXAMPLE_FILE).write_bytes(make_example(names, float(windows.attrs["window_s"])))
        if gate is not None:
            gate.save(partial / GATE_FILE)
        if drift_reference is not None:
            drift_reference.to_csv(partial / "reference.csv", index=False)
        config = _describe(model, windows, params) | {
            "metrics": _records(metrics),
            "drift_threshold": drift_threshold,
            "running": None if running is None else dict(running),
            **({} if alarm is None else {"alarm": {kind: rule._asdict() for kind, rule in alarm.items()}}),
            "credit": credit,
            "exertion": None if gate is None else {"threshold": gate.threshold},
            "rest": None if calibrated is None else {"state": "baseline", "minutes": params.rest_minutes},
        }
        if temperature:
            config["temperature"] = {protocol: dict(values) for protocol, values in temperature.items()}
        (partial / "MODEL_CARD.md").write_text(model_card(config), encoding="utf-8")
        for path in partial.rglob("*.*"):
            # Some libraries write for their user alone; a server may be another user.
            path.chmod(0o644)
        config["files"] = {name: artefacts.file_digest(partial / name) for name in _files(partial)}
        config["version"] = artefacts.digest(config)
        artefacts.write_json(partial / "config.json", config)
    return Path(folder)


def read_config(folder: str | Path) -> dict[str, Any]:
    """Check a bundle's digests and return its configuration, without loading the model."""
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: no bundle here (config.json is missing); chapter 41_deployment makes one.")
    again = "save the bundle again, or copy it again from where it came"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version = config.pop("version")
        files = dict(config["files"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: not the configuration of a bundle; {again}.") from None
    if config.get("format") != FORMAT:
        raise InputError(f"{path}: bundle format {config.get('format')!r}, this wesadlib reads {FORMAT}; {again}.")
    if artefacts.digest(config) != version:
        raise InputError(f"{path}: changed since it was saved; {again}.")
    for name in sorted(set(files) | set(_files(folder))):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: missing from the bundle; {again}.")
        if name not in files:
            raise InputError(f"{folder / name}: not part of the bundle as it was saved; remove it.")
        if artefacts.file_digest(folder / name) != files[name]:
            raise InputError(f"{folder / name}: changed since the bundle was saved; {again}.")
    return config | {"version": version}


def load_bundle(folder: str | Path) -> Bundle:
    """Check a bundle's digests and load it."""
    config = read_config(folder)
    folder = Path(folder).resolve()
    gate = ExertionGate.load(folder / GATE_FILE) if config["exertion"] else None
    calibrated = _load(folder / "calibrated", config, "rest_calibrated") if config["rest"] else None
    bundle = Bundle(folder, config, _load(folder / "model", config, "cold_start"), calibrated, gate)
    # What cannot be computed here is said now, not when somebody asks.
    _ = bundle._feature_columns
    return bundle


def _load(folder: Path, config: Mapping[str, Any], protocol: str) -> Model:
    model, temperatures = load_model(folder), config.get("temperature", {})
    return Calibrated.wrap(model, temperatures[protocol]) if protocol in temperatures else model


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path != folder / "config.json")
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _check(model: Model, calibrated: Model | None, channels: tuple[str, ...]) -> None:
    if model.channels_ not in ((), channels):
        raise InputError(
            f"the model reads the channels {', '.join(model.channels_)}, the windows have {', '.join(channels)}; give "
            "the windows that it was trained on."
        )
    if calibrated is None:
        return
    inputs = [(list(one.classes), one.channels_, one.feature_names_) for one in (model, calibrated)]
    if not calibrated.uses_rest_ or inputs[0] != inputs[1]:
        raise InputError(
            "`calibrated` is a model of the same states, channels and features, fitted with people's windows at rest."
        )


def _describe(model: Model, windows: xr.Dataset, params: Params) -> dict[str, Any]:
    used = pd.Series(windows["label"].values.astype(str)).value_counts()
    return {
        "format": FORMAT,
        "wesadlib_version": __version__,
        "model": model.name,
        "device": windows.attrs["device"],
        "channels": {
            str(name): {"units": CHANNELS[str(name)][0], "rate_hz": float(CHANNELS[str(name)][1])}
            for name in windows["channel"].values
        },
        "rate_hz": float(windows.attrs["rate_hz"]),
        "window_s": float(windows.attrs["window_s"]),
        "states": list(model.classes),
        "min_confidence": params.min_confidence,
        "quality": read_thresholds(params),
        "data": {
            "digest": windows.attrs["cohort_digest"],
            "simulated": bool(windows.attrs["simulated"]),
            "subjects": len(np.unique(windows["subject"].values)),
            "windows": {state: int(used.get(state, 0)) for state in model.classes},
        },
    }


def _records(metrics: pd.DataFrame | Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    table = pd.DataFrame([] if metrics is None else metrics)
    # JSON has no NaN: a score that could not be computed is null.
    return json.loads(table.to_json(orient="records", double_precision=15))
