"""Train on some labs and test on another, and make the bundle that comes with the package.

`--reference` writes ``outputs/reference/three-labs`` from the three data sets at WESAD_ROOT, STRESS_PREDICT_ROOT and
HONGN_ROOT, with the models and as many processes as ``params/three-labs.yaml`` names. `--bundle` writes
``wesadlib/bundles/open-wrist`` from the last two, with the scores of that folder in its card.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from comparators import make_model
from lab_tables import (
    hold_back,
    leave_one_lab_out,
    leave_people_out,
    measure_distance,
    measure_responses,
    score_exercise,
    score_lab,
    score_protocols,
)
from lab_windows import STRESSORS, is_seated, tabulate_person
from open_wrist import list_metrics, save_open_wrist
from threadpoolctl import threadpool_limits
from transfer import (
    PROTOCOLS,
    fit_gate,
    fit_labs,
    score_windows,
    stressors_of,
)

from wesadlib.artefacts import replacing, write_json
from wesadlib.data import Cohort, join, open_cohort
from wesadlib.errors import InputError
from wesadlib.evaluation.events import BUDGET, score_phases
from wesadlib.evaluation.whole_recordings import BUDGETS, HEADLINE, summarise_alarms
from wesadlib.params import Params, read_params
from wesadlib.report.pages import write_labs_block
from wesadlib.report.summary import describe_machine, read_commit, read_versions

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "outputs/reference/three-labs"
BUNDLE = ROOT / "wesadlib/bundles/open-wrist"
OPEN = ("stress-predict", "hongn")
PROFILE = ROOT / "params/three-labs.yaml"
DESIGNS = ("leave_one_lab_out", "within_lab", "all_labs")
#: Models that take long, or need to be shown another lab -> the one design that they are tried in.
ONLY = {"coral": DESIGNS[0], "forest": DESIGNS[0], "boosting": DESIGNS[0], "mean": DESIGNS[1]}
#: Models that are tried without a threshold that follows the person, which takes six times as long.
STILL = ("forest", "boosting")
#: From one moment of people's courses, which are drawn, to the next, s, and their table.
DRAWN_STEP_S, COURSES = 30.0, "courses"


def open_labs(labs: tuple[str, ...]) -> Cohort:
    """The data sets of some labs, whose folders the environment names, as one cohort."""
    return join([open_cohort(Params(source=lab)) for lab in labs])


def start_pool(shared: Cohort | pd.DataFrame) -> ProcessPoolExecutor:
    """Processes that have what is shared, each with a thread of its own."""
    workers = read_params(PROFILE).workers
    return ProcessPoolExecutor(workers, get_context("fork"), _share, (shared,))


def read_windows(cohort: Cohort) -> pd.DataFrame:
    """Windows of everybody; who cannot be read is told and left out."""
    with start_pool(cohort) as pool:
        tables = list(pool.map(_read, cohort.subjects))
    return pd.concat([table for table in tables if table is not None], ignore_index=True)


_SHARED: dict = {}


def _share(value: Cohort | pd.DataFrame) -> None:
    _SHARED["value"] = value
    threadpool_limits(1)


def _read(subject: str) -> pd.DataFrame | None:
    try:
        table = tabulate_person(_SHARED["value"], subject)
    except InputError as error:
        print(f"left out: {error}", flush=True)
        return None
    for phase in STRESSORS[subject.partition("/")[0]]:
        if phase not in table["phase"].values:
            print(f"{subject}: no window lies within the phase {phase}, which is left out.", flush=True)
    return table


def run_job(job: tuple[str, str, str, str]) -> tuple[list[dict], pd.DataFrame, pd.DataFrame | None]:
    """Rows and people of one design, training labs, tested lab and model; and of exercise the scored windows."""
    design, train, test, name = job
    table, labs = _SHARED["value"], train.split("+")
    begun = time.perf_counter()
    seated = table[is_seated(table) & table["lab"].isin(labs)]
    try:
        if design == "leave_one_lab_out":
            scored = _test(name, seated, table[table["lab"] == test], labs)
        else:
            balanced, folds = design == "within_lab", leave_people_out(seated)
            scored = pd.concat([_test(name, taught, out, labs, balanced) for taught, out in folds])
    except InputError as error:
        raise InputError(f"{name}, {train} to {test}: {error}") from None
    facts = {"design": design, "train": train, "model": name}
    rows, people = [], []
    for lab in test.split("+"):
        more = score_protocols(scored[scored["lab"] == lab], facts | {"test": lab})
        rows += more[0]
        people.append(more[1])
    print(*job, f"{time.perf_counter() - begun:.0f} s", flush=True)
    exercise = scored if name == "physiology" and (scored["role"] == "exercise").any() and "+" in train else None
    return rows, pd.concat(people), exercise


def _test(name: str, taught: pd.DataFrame, out: pd.DataFrame, labs: list[str], balanced: bool = False) -> pd.DataFrame:
    protocols, params = PROTOCOLS[:2] if name in STILL else PROTOCOLS, read_params(PROFILE)
    model = fit_labs(taught, stressors_of(labs), lambda: make_model(name, out, params), protocols, balanced=balanced)
    return score_windows(model, out)


def list_jobs(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """What :func:`run_job` is asked, the longest first."""
    labs, models = list(dict.fromkeys(table["lab"])), read_params(PROFILE).models
    pairs = [("leave_one_lab_out", train, test) for train, test, *_ in leave_one_lab_out(table)]
    pairs += [("within_lab", lab, lab) for lab in labs]
    pairs += [("all_labs", "+".join(labs), "+".join(labs))]
    jobs = [(*pair, name) for pair in pairs for name in models if ONLY.get(name, pair[0]) == pair[0]]
    return sorted(jobs, key=lambda job: (job[3] != "mean", job[0] == "leave_one_lab_out", job[3] not in ONLY))


def run_jobs(table: pd.DataFrame) -> list:
    """All designs, each model on each."""
    with start_pool(table) as pool:
        return list(pool.map(run_job, list_jobs(table)))


def follow_labs(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Alarms in each lab by a model of all others: of each protocol by budgets and phases, and what is drawn."""
    pairs = [(train, test) for train, test, *_ in leave_one_lab_out(table) if "+" in train]
    with start_pool(table) as pool:
        parts = zip(*pool.map(_follow_lab, pairs), strict=True)
    return dict(zip(("alarms", "phases", COURSES), map(pd.concat, parts), strict=True))


def _follow_lab(pair: tuple[str, str]) -> list[pd.DataFrame]:
    train, test = pair
    table, labs = _SHARED["value"], train.split("+")
    taught = table[is_seated(table) & table["lab"].isin(labs)]
    model = fit_labs(taught, stressors_of(labs), budgets=BUDGETS)
    people, courses = score_lab(model, table[table["lab"] == test], STRESSORS[test])
    phases = [score_phases(part).assign(protocol=name) for name, part in courses.groupby("protocol", sort=False)]
    drawn = courses[(courses["protocol"] == HEADLINE[1]) & (courses["time_s"] % DRAWN_STEP_S == 0)]
    drawn = drawn[["subject", "time_s", "phase", "p_stress", "alarm"]].round({"p_stress": 3})
    tables = summarise_alarms(people), pd.concat(phases).reset_index(), drawn
    return [part.assign(train=train, test=test) for part in tables]


def read_self_report(root: Path) -> pd.DataFrame:
    """What people of Hongn's said of their stress, 1 to 10: ``subject baseline tmct``."""
    paths = sorted(root.glob("Stress_Level_v*.csv"))
    if not paths:
        raise InputError(f"{root / 'Stress_Level_v1.csv'} is missing: it holds what people said of their stress.")
    table = pd.concat([pd.read_csv(path, index_col=0) for path in paths])
    columns = {"Baseline": "baseline", "TMCT": "tmct"}
    return table[list(columns)].rename(columns=columns).rename_axis("subject").reset_index()


def write_reference(table: pd.DataFrame, results: list, alarms: dict[str, pd.DataFrame], made: dict) -> None:
    """Write the folder, all of it or nothing, of windows that say what is exertion, the jobs' results, and how made."""
    rows, people, exercise = zip(*results, strict=True)
    (scored,) = [one for one in exercise if one is not None]
    people = pd.concat(people, ignore_index=True)
    strange = [
        measure_distance(train, out).assign(train=name, test=test)
        for name, test, train, out in leave_one_lab_out(table[is_seated(table)])
    ]
    people = people[people["protocol"].isin(("own_rest", "running_reference"))]
    tables = {
        "people": people.merge(pd.concat(strange), on=["subject", "train", "test"], how="left"),
        "responses": measure_responses(table),
        "self_report": read_self_report(Path(os.environ["HONGN_ROOT"])),
        **alarms,
    }
    courses = tables.pop(COURSES)
    transfer = [row for part in rows for row in part]
    models = read_params(PROFILE).models
    transfer.sort(key=lambda row: (DESIGNS.index(row["design"]), models.index(row["model"])))
    summary = {"transfer": transfer, "exercise": score_exercise(scored, table[table["lab"] == "wesad"])}
    summary |= {"windows": len(table), "people": table["subject"].nunique(), **made}
    with replacing(FOLDER) as partial:
        partial.mkdir(parents=True)
        write_json(partial / "summary.json", summary)
        courses.to_parquet(partial / f"{COURSES}.parquet", index=False, compression="zstd")
        for name, values in tables.items():
            values.to_csv(partial / f"{name}.csv", index=False, float_format="%.5g")
        if (tried := FOLDER / "tried.csv").is_file():
            (partial / "tried.csv").write_bytes(tried.read_bytes())


def write_bundle(table: pd.DataFrame) -> None:
    """Fit the open labs and write the bundle."""
    table = table[table["lab"].isin(OPEN)].reset_index(drop=True)
    seated = table[is_seated(table)].reset_index(drop=True)
    stressors = stressors_of([lab for lab in STRESSORS if lab in OPEN])
    metrics = list_metrics(json.loads((FOLDER / "summary.json").read_text(encoding="utf-8")))
    model, gate = fit_labs(seated, stressors, budgets=[BUDGET]), fit_gate(table)
    save_open_wrist(model, gate, seated, BUNDLE, stressors=stressors, metrics=metrics)


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--bundle", action="store_true")
    asked = parser.parse_args()
    try:
        cohort = open_labs(tuple(STRESSORS) if asked.reference else OPEN)
        table = read_windows(cohort)
        if asked.reference:
            made = {"commit": read_commit(ROOT), "versions": read_versions(), "machine": describe_machine()}
            table = hold_back(table)
            write_reference(table, run_jobs(table), follow_labs(table), made | {"data": {"digest": cohort.digest}})
            write_labs_block(ROOT)
        if asked.bundle:
            write_bundle(table)
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
