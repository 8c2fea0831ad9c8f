"""Train on some labs and test on another, and make the bundle that comes with the package.

`--reference` writes ``outputs/reference/three-labs/summary.json``; `--bundle` writes ``wesadlib/bundles/open-wrist``
with the scores of that file in its card, and learns from no recording of WESAD. Folders: WESAD_ROOT,
STRESS_PREDICT_ROOT, HONGN_ROOT, the last two with ``phases.csv`` (person session phase group start_s end_s source)
beside the recordings.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from wesadlib.artefacts import write_json
from wesadlib.bundle.open_wrist import save_open_wrist
from wesadlib.data.sources import open_recording
from wesadlib.errors import InputError
from wesadlib.evaluation.labs import (
    PROTOCOLS,
    choose_scored,
    fit_labs,
    label_phases,
    score_people,
    score_windows,
    summarise_people,
    tabulate_windows,
)

ROOT = Path(__file__).resolve().parents[1]
SUMMARY = ROOT / "outputs/reference/three-labs/summary.json"
BUNDLE = ROOT / "wesadlib/bundles/open-wrist"
#: Phases that teach stress and are scored: of hongn the one that raised self-reported stress.
STRESSORS = {"wesad": ["stress"], "stress-predict": ["stroop", "interview"], "hongn": ["tmct"]}
DIRECTIONS = (
    ("wesad", "stress-predict"),
    ("wesad", "hongn"),
    ("stress-predict+hongn", "wesad"),
    ("wesad+hongn", "stress-predict"),
    ("wesad+stress-predict", "hongn"),
)
_GROUPS = {"baseline": "rest", "stress": "stress", "amusement": "other", "meditation": "other"}
#: Trimmed from both ends of phases that the log gives to the minute, s; and from the start of hongn's second protocol.
_LOG_S, _SETTLING_S = 60.0, 120.0
_DUPLICATED_S = 99_090 / 64


def list_recordings(lab: str, root: Path) -> list[tuple[str, str, str, Path]]:
    """``lab person session path`` of a lab's recordings."""
    if lab == "wesad":
        return [(lab, path.name, "", path) for path in sorted(root.iterdir()) if path.name.startswith("S")]
    if lab == "stress-predict":
        return [(lab, path.stem, "", path) for path in sorted((root / "Raw_data").iterdir())]
    folder = root / "Wearable_Dataset"
    return [
        (lab, path.stem, session, path)
        for session in ("STRESS", "AEROBIC", "ANAEROBIC")
        for path in sorted((folder / session).iterdir())
    ]


def read_windows(job: tuple[str, str, str, Path]) -> pd.DataFrame | None:
    """The windows of one recording with its phases; None, and a line, where it cannot be read."""
    lab, name, session, path = job
    person, _, part = name.partition("_")
    try:
        recording = open_recording(path)
        if lab == "wesad":
            phases = recording.labels.rename(columns={"state": "phase"})
            phases = phases.assign(group=phases["phase"].map(_GROUPS)).dropna(subset="group")
        else:
            root = path.parents[1] if lab == "stress-predict" else path.parents[2]
            phases = _read_phases(root / "phases.csv", person, session, part)
        if (person, session) == ("S02", "STRESS"):
            # The rest of the file repeats its beginning (the data set's data_constraints.txt).
            recording = recording.between(0, _DUPLICATED_S)
        table = label_phases(tabulate_windows(recording), phases)
    except InputError as error:
        print(f"left out: {error}")
        return None
    facts = {"lab": lab, "subject": f"{lab}/{person}", "session": f"{session}{part}"}
    return table.assign(**facts)


def _read_phases(path: Path, person: str, session: str, part: str) -> pd.DataFrame:
    phases = pd.read_csv(path, keep_default_na=False)
    phases = phases[(phases["person"] == person) & (phases["session"] == session)].copy()
    if part:
        # Each part begins with a phase `pre`.
        phases = phases[(phases["phase"] == "pre").cumsum() == "ab".index(part) + 1]
    logged = phases["source"].str.startswith("timelog")
    phases.loc[logged, ["start_s", "end_s"]] += (_LOG_S, -_LOG_S)
    if person.startswith("f"):
        phases.loc[phases["phase"] == "baseline", "start_s"] += _SETTLING_S
    return phases


def read_labs(labs: list[str]) -> pd.DataFrame:
    """Windows of labs, whose folders the environment names."""
    roots = {lab: Path(os.environ.get(f"{lab.replace('-', '_').upper()}_ROOT", "")) for lab in labs}
    for lab, root in roots.items():
        if root == Path() or not root.is_dir():
            raise SystemExit(f"{lab}: set {lab.replace('-', '_').upper()}_ROOT to the data set's folder.")
    jobs = [job for lab, root in roots.items() for job in list_recordings(lab, root)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return pd.concat([table for table in pool.map(read_windows, jobs) if table is not None], ignore_index=True)


def score_directions(table: pd.DataFrame) -> dict:
    """``transfer``: a row a direction and protocol; ``exercise``: what is called stress, labs of rest having taught."""
    seated = table[~table["session"].str.contains("AEROBIC")]
    rows, exercise = [], {}
    for source, target in DIRECTIONS:
        labs = source.split("+")
        model = fit_labs(seated[seated["lab"].isin(labs)], [phase for lab in labs for phase in STRESSORS[lab]])
        scored = score_windows(model, seated[seated["lab"] == target])
        tasks = {"stress": STRESSORS[target]} | {
            phase: [phase] for phase in STRESSORS[target] if len(STRESSORS[target]) > 1
        }
        recovery = scored[scored["role"] == "recovery"]
        for task, stressors in tasks.items():
            for protocol in PROTOCOLS:
                people = score_people(scored, protocol, stressors)
                row = {"train": source, "test": target, "task": task, "model": "physiology", "protocol": protocol}
                alarms = (recovery[protocol] > 0).groupby(recovery["subject"]).mean()
                extra = {"without_rest": int((~scored.groupby("subject")["has_rest"].first()).sum())}
                extra["recovery_called_stress"] = None if alarms.empty else float(alarms.mean())
                row["n_windows"] = len(choose_scored(scored, stressors))
                rows.append(row | summarise_people(people) | extra)
        if target == "hongn" and len(labs) == 2:
            moving = score_windows(model, table[table["lab"] == target])
            moving = moving[moving["role"] == "exercise"]
            called = (moving["running_reference"] > 0).groupby(moving["subject"]).mean()
            # Nothing abstains for exertion.
            exercise = {"called_stress": float(called.mean()), "abstained": 0.0, "abstained_at_home": 0.0}
            exercise |= {"people": len(called), "n_windows": len(moving)}
    return {"transfer": rows, "exercise": exercise}


def list_metrics(summary: dict) -> list[dict]:
    """The rows of the card: each lab tested by a model of the two others, and exercise."""
    names = {"cold_start": "cold_start", "own_rest": "rest_calibrated"}
    rows = [
        {
            "task": f"{row['train']} to {row['test']}",
            "protocol": names.get(row["protocol"], row["protocol"]),
            "windows": "all",
            **{name: row[name] for name in ("n_windows", "people", "accuracy", "accuracy_low", "accuracy_high")},
            **{name: row[name] for name in ("balanced_accuracy", "roc_auc_within", "false_alarm_rate")},
        }
        for row in sorted(summary["transfer"], key=lambda row: row["test"] != "wesad")
        if "+" in row["train"] and row["task"] == "stress"
    ]
    exercise = {"task": "exercise, none of it stress", "protocol": "running_reference", "windows": "all"}
    counts = {name: summary["exercise"][name] for name in ("n_windows", "people")}
    return [*rows, exercise | counts | {"false_alarm_rate": summary["exercise"]["called_stress"]}]


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--bundle", action="store_true")
    asked = parser.parse_args()
    if asked.reference:
        table = read_labs(list(STRESSORS))
        summary = score_directions(table)
        write_json(SUMMARY, summary | {"windows": len(table), "people": table["subject"].nunique()})
    if asked.bundle:
        labs = ["stress-predict", "hongn"]
        table = table[table["lab"].isin(labs)] if asked.reference else read_labs(labs)
        table = table[~table["session"].str.contains("AEROBIC")].reset_index(drop=True)
        stressors = [phase for lab in labs for phase in STRESSORS[lab]]
        metrics = list_metrics(json.loads(SUMMARY.read_text(encoding="utf-8")))
        save_open_wrist(fit_labs(table, stressors), table, BUNDLE, stressors=stressors, metrics=metrics)


if __name__ == "__main__":
    main()
