"""The bundle that comes with the package: learnt from openly licensed recordings of two labs, and from nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from lab_windows import CHANNELS as READ_CHANNELS
from lab_windows import REST_S, STATES, choose_scored
from transfer import LabModel

from wesadlib.artefacts import digest
from wesadlib.bundle.folder import save_bundle
from wesadlib.drift import make_reference
from wesadlib.evaluation import running
from wesadlib.evaluation.events import BUDGET
from wesadlib.evaluation.whole_recordings import WINDOW_S
from wesadlib.models import exertion
from wesadlib.params import Params
from wesadlib.report.pages import list_left_out

CREDIT = (
    "**Trained on openly licensed recordings of two laboratories**, all with the Empatica E4: Stress-Predict (Iqbal et "
    "al., Sensors 2022, 22(21):8135; MIT licence, copyright of its authors) and *Wearable device dataset from induced "
    "stress and structured exercise sessions* (Hongn et al., Scientific Data 2025, s41597-025-04845-9; made available "
    "under the Open Data Commons Attribution License, ODC-By 1.0, https://opendatacommons.org/licenses/by/1-0/). "
    "Nothing of WESAD, and nothing fitted on it, is in it. Everybody with a window of good quality is among the people "
    "that it was trained on. The scores below are of models that were trained without the lab that they are tested "
    "on. **Exercise drives heart and skin as stress does**: a gate on movement abstains "
    "from it, and the last rows say what passes and what the gate costs where nobody exercises."
)
#: Channels of the bundle: those that the model reads, and those of the gate.
CHANNELS = (*READ_CHANNELS, *exertion.CHANNELS)
# The common rate of windows, which a model of features hardly notices, Hz.
_RATE_HZ = 35.0
# The reference is read by person: windows so far apart describe one well enough, s.
_REFERENCE_STEP_S = 150.0
_REFERENCE_DIGITS = 4


def save_open_wrist(
    model: LabModel,
    gate: exertion.ExertionGate,
    table: pd.DataFrame,
    folder: str | Path,
    *,
    stressors: Sequence[str],
    metrics: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the bundle of a model and a gate fitted on a table of windows, whose phases `stressors` were its stress."""
    windows = _to_dataset(choose_scored(table[table["accepted"]], stressors))
    reference = make_reference(windows.isel(window=windows["start_s"].values % _REFERENCE_STEP_S == 0))
    features = reference.columns.drop(["subject", "start_s"])
    reference[features] = reference[features].map(lambda value: float(f"{value:.{_REFERENCE_DIGITS}g}"))
    return save_bundle(
        model.cold,
        folder,
        calibrated=model.rested,
        windows=windows,
        params=Params(device="wrist", classes=list(STATES), rest_minutes=REST_S / 60, min_confidence=0.6),
        metrics=metrics,
        drift_reference=reference,
        credit=CREDIT,
        alarm={"cold": model.alarm["running_cold"][BUDGET], "rested": model.alarm["running_reference"][BUDGET]},
        gate=gate,
        running={"quantile": running.QUANTILE, "smooth_s": running.SMOOTH_S, "carry_s": running.CARRY_S}
        | {
            kind: {"threshold": round(model.threshold[name], 4), "temperature": model.temperature[name]}
            for kind, name in (("cold", "running_cold"), ("rested", "running_reference"))
        },
    )


def _to_dataset(table: pd.DataFrame) -> xr.Dataset:
    names = [name for name in table if str(name).startswith(READ_CHANNELS)]
    values = table[names].to_numpy(float)
    facts = {"subject": table["subject"], "label": table["role"], "start_s": table["start_s"]}
    return xr.Dataset(
        {"feature": (("window", "feature_name"), values)},
        {"feature_name": names, "channel": list(CHANNELS)}
        | {name: ("window", column.to_numpy()) for name, column in facts.items()},
        {
            "device": "wrist",
            "rate_hz": _RATE_HZ,
            "window_s": WINDOW_S,
            "simulated": 0,
            "cohort_digest": digest(
                [table[["subject", "session", "start_s"]].values.tolist(), np.nan_to_num(values).round(4).tolist()]
            ),
        },
    )


def list_metrics(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the card from ``three-labs/summary.json``: each lab by a model of the two others, and exercise."""
    names = {"cold_start": "cold_start", "own_rest": "rest_calibrated"}
    rows = [
        {
            "task": f"{row['train']} to {row['test']}",
            "protocol": names.get(row["protocol"], row["protocol"]),
            "windows": "all",
            **{name: row[name] for name in ("n_windows", "people", "accuracy", "accuracy_low", "accuracy_high")},
            **{name: row[name] for name in ("balanced_accuracy", "roc_auc_within", "false_alarm_rate")},
        }
        for row in sorted(list_left_out(summary), key=lambda row: row["test"] != "wesad")
    ]
    exercise = summary["exercise"]
    facts = {"task": "exercise, none of it stress", "protocol": "running_reference", "windows": "accepted"}
    counts = {name: exercise[name] for name in ("n_windows", "people")}
    cost = {"task": "taken for exercise in wesad, where there is none", "protocol": "running_reference"}
    return [
        *rows,
        facts | counts | {"coverage": 1 - exercise["abstained"], "false_alarm_rate": exercise["called_stress"]},
        cost | {"windows": "accepted", "coverage": 1 - exercise["abstained_at_home"]},
    ]
