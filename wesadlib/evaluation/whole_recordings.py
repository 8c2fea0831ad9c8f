"""Models over whole recordings of people whom they have not seen, and the rule of alarm that other people chose."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data import DEVICE_CHANNELS, Cohort, Recording, label_windows
from wesadlib.data.wesad import LABEL_MARGIN_S
from wesadlib.errors import InputError
from wesadlib.evaluation import events
from wesadlib.evaluation.alarm import Rule, find_alarms, since
from wesadlib.evaluation.folds import Job, windows_of_classes
from wesadlib.evaluation.protocols import Fold, leave_out, make_protocol, subjects_of
from wesadlib.evaluation.runner import run_folds
from wesadlib.evaluation.running import running_reference
from wesadlib.evaluation.selection import AND, draw_groups
from wesadlib.features import feature_values
from wesadlib.params import Params
from wesadlib.quality import assess_arrays
from wesadlib.quality.recordings import list_starts
from wesadlib.signals import cut_window, windows_from_channels

#: A window's length, and from one's start to the next over a recording, s.
WINDOW_S, STEP_S = 60.0, 5.0
#: The folds' protocol -> what is known of the person, without and with a score that is seen against the own so far.
KNOWN = {"cold_start": ("cold_start", "running_cold"), "rest_calibrated": ("rest_calibrated", "running_reference")}
#: What is known of the person, in words.
WORDS = {
    "cold_start": "nothing",
    "running_cold": "running reference",
    "rest_calibrated": "rest",
    "running_reference": "rest and running reference",
}
#: False alarms an hour of the curve.
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
#: Model, what is known of the person, and budget that the book speaks of.
HEADLINE = ("logistic", "running_cold", events.BUDGET)
_PHASES = {"transient": "transition", "ignored": "reading", "stress": events.TASK}
# So many windows of a recording are in memory at a time.
_BATCH = 128
_FACTS = ("subject", "start_s", "state", "accepted")


def tabulate_cohort(cohort: Cohort, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows every :data:`STEP_S` over whole recordings, labelled or not, and the recordings' phases.

    Windows have ``subject start_s state accepted`` and a column a feature, `state` being that of most of the window;
    phases ``phase start_s end_s subject``, of which stress, with what labels leave out, is the task.
    """
    tables, phases = [], []
    for recording in cohort:
        names, labels = DEVICE_CHANNELS[params.device], recording.labels
        table = tabulate_windows(recording, params.device, STEP_S, channels=names, thresholds=params)
        _, state, _ = label_windows(labels, recording.duration_s, window_s=WINDOW_S, hop_s=STEP_S)
        tables.append(table.assign(subject=recording.subject, state=state[: len(table)]))
        margin_s = LABEL_MARGIN_S * (labels["state"] == "stress")
        spans = {"start_s": labels["start_s"] - margin_s, "end_s": labels["end_s"] + margin_s}
        named = pd.DataFrame({"phase": labels["state"].replace(_PHASES), **spans, "subject": recording.subject})
        phases.append(named.sort_values("start_s", ignore_index=True))
    return pd.concat(tables, ignore_index=True), pd.concat(phases, ignore_index=True)


def tabulate_windows(
    recording: Recording, device: str, step_s: float, *, channels: Sequence[str], thresholds: Any = None
) -> pd.DataFrame:
    """Windows over a whole recording of one device: ``start_s accepted`` and a column a feature.

    `channels` and `thresholds` are what :func:`~wesadlib.quality.assess_quality` judges by.
    """
    names = list(DEVICE_CHANNELS[device])
    starts = list_starts(recording, names, WINDOW_S, step_s)
    if not len(starts):
        raise InputError(f"{recording.subject}: shorter than a window of {WINDOW_S:g} s.")
    parts = []
    for first in range(0, len(starts), _BATCH):
        cuts = [cut_window(recording, names, start, WINDOW_S) for start in starts[first : first + _BATCH]]
        windows = windows_from_channels(cuts, window_s=WINDOW_S)
        values, columns = feature_values(windows)
        parts.append(pd.DataFrame(values, columns=columns, dtype=np.float32))
        parts[-1]["accepted"] = assess_arrays(windows, thresholds, channels).verdict
    return pd.concat(parts, ignore_index=True).assign(start_s=starts)


def predict_people(
    names: Sequence[str], table: pd.DataFrame, protocol: str, params: Params, **options: Any
) -> pd.DataFrame:
    """Predict whole recordings by models of features that learnt from others' labelled windows, a hop apart.

    Predictions have ``fold``: a person who was left out alone, or the two groups, such as ``0+3``, left out to choose a
    rule by. Options are those of :func:`~wesadlib.evaluation.runner.run_folds`.
    """
    if "stress" not in params.classes:
        raise InputError(f"alarms are of stress, which is not among `classes` ({', '.join(params.classes)}).")
    windows, position = _to_dataset(table), np.arange(len(table))
    made = table["state"].isin(params.classes) & (np.mod(table["start_s"], params.hop_s) < 1e-6)
    taught = windows_of_classes(windows.isel(window=position[made]), params.classes)
    taught_at = position[made][taught["position"].values]
    windows = windows.assign_coords(position=("window", position))
    splitter = make_protocol(protocol, params, params.seeds[0])
    usable = splitter.usable(taught)
    group = draw_groups(subjects_of(taught), params.selection_groups, params.seeds[0])
    left_out = {person: [person] for person in usable.windows}
    for pair in combinations(range(params.selection_groups), 2):
        left_out[AND.join(map(str, pair))] = [person for person in usable.windows if group[person] in pair]
    jobs = []
    for name, people in left_out.items():
        fold = leave_out(splitter, usable, people, name)
        parts = (taught_at[part] for part in (fold.train, fold.validation))
        test = position[table["subject"].isin(people)]
        fold = Fold(name, *parts, test, taught_at[fold.calibration])
        jobs += [Job(model, protocol, params.seeds[0], fold) for model in names]
    predictions, training = run_folds(jobs, windows, params, **options)
    if training["error"].any():
        raise InputError(f"alarms need every fold: {training['error'].max()}")
    folds = np.repeat([job.fold.held_out for job in jobs], [len(job.fold.test) for job in jobs])
    return predictions.assign(fold=folds, group=predictions["subject"].map(group))


def _to_dataset(table: pd.DataFrame) -> xr.Dataset:
    names = [name for name in table if name not in _FACTS]
    facts = {"subject": table["subject"], "label": table["state"], "start_s": table["start_s"]}
    # The same bytes however the table came about, so that kept folds are known again: there are many NaN.
    feature = np.array(table[names], float, order="C")
    feature[np.isnan(feature)] = np.nan
    return xr.Dataset(
        {"feature": (("window", "feature_name"), feature), "verdict": ("window", np.array(table["accepted"]))},
        {"feature_name": names} | {name: ("window", np.array(values)) for name, values in facts.items()},
        {"window_s": WINDOW_S},
    )


def follow_people(
    predictions: pd.DataFrame, phases: pd.DataFrame, *, moving: bool
) -> dict[tuple[str, str], events.Course]:
    """Fold and person -> the course of a model's log odds of stress; `moving`: less the person's own so far."""
    spans, courses = dict(list(phases.groupby("subject"))), {}
    for key, part in predictions.groupby(["fold", "subject"], sort=False):
        accepted, start_s = part["accepted"].to_numpy(bool), part["start_s"].to_numpy(float)
        probability = np.clip(part["p_stress"].to_numpy(float), 1e-12, 1 - 1e-12)
        score = np.where(accepted, np.log(probability / (1 - probability)), np.nan)
        if moving:
            score[accepted] = running_reference(score[accepted], start_s[accepted])
        courses[key] = events.Course.from_phases(score, start_s + WINDOW_S, spans[key[1]])
    return courses


def choose_rules(
    courses: Mapping[tuple[str, str], events.Course], group: Mapping[str, int]
) -> dict[tuple[str, float], Rule]:
    """Person and budget -> the rule that people of other groups chose, by models that had seen neither group."""
    measured = {key: events.measure_rules(course) for key, course in courses.items() if AND in key[0]}
    rules = {}
    for person in group:
        strangers = [(other, sorted((group[person], k))) for other, k in group.items() if k != group[person]]
        others = np.array([measured[AND.join(map(str, pair)), other] for other, pair in strangers])
        rules |= {(person, budget): events.choose_rule(others, budget) for budget in BUDGETS}
    return rules


def score_alarms(predictions: pd.DataFrame, phases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Alarms by each person's rule, of all models of one protocol of folds, and timelines of :data:`events.BUDGET`.

    The first has ``model protocol budget_per_h subject``, and both what :func:`score_course` gives.
    """
    rows, timelines = [], []
    for model, part in predictions.groupby("model", sort=False):
        group = dict(zip(part["subject"], part["group"], strict=True))
        for moving, protocol in enumerate(KNOWN[predictions["protocol"].iloc[0]]):
            courses = follow_people(part, phases, moving=bool(moving))
            facts = {"model": model, "protocol": protocol}
            for (person, budget), rule in choose_rules(courses, group).items():
                names = facts | {"subject": person}
                alone = part[(part["fold"] == person) & (part["subject"] == person)]
                probability = alone["p_stress"].where(alone["accepted"]).to_numpy(float)
                row, timeline = score_course(courses[person, person], rule, probability)
                rows.append(names | {"budget_per_h": budget} | row)
                if budget == events.BUDGET:
                    timelines.append(timeline.assign(**names))
    return pd.DataFrame(rows), pd.concat(timelines, ignore_index=True)


def score_course(course: events.Course, rule: Rule, probability: np.ndarray) -> tuple[dict[str, float], pd.DataFrame]:
    """A recording's row and timeline by a rule; probabilities (time,) are of stress.

    Of windows wholly in meditation the row has the shares in alarm and of a probability above one half.
    """
    alarm, calm = find_alarms(course.score, course.time_s, rule), course.phase == "meditation"
    calm &= course.time_s - course.time_s[since(calm)] >= WINDOW_S - 1e-6
    row = rule._asdict() | events.score_person(course, alarm)
    row["meditation_called_stress"] = alarm[calm].mean() if calm.any() else np.nan
    row["meditation_above_half"] = (probability[calm] > 0.5).mean() if calm.any() else np.nan
    columns = {"time_s": course.time_s, "phase": course.phase, "p_stress": probability}
    return row, pd.DataFrame(columns | {"score": course.score, "threshold": rule.threshold, "alarm": alarm})


def summarise_alarms(people: pd.DataFrame) -> pd.DataFrame:
    """``model protocol budget_per_h people`` and, over people, how many were detected, medians and means.

    ``latency_median_s`` is NaN where half of the people were never alarmed.
    """
    rows, keys = [], ["model", "protocol", "budget_per_h"]
    for names, part in people.groupby(keys, sort=False):
        late, worst = float(part["latency_s"].median()), part["false_alarms_per_h"].idxmax()
        rows.append(
            dict(zip(keys, names, strict=True))
            | {
                "people": len(part),
                "detected": int((part["detected"] == 1).sum()),
                "tasks_detected": part["detected"].mean(),
                "latency_median_s": late if np.isfinite(late) else np.nan,
                "covered": part["covered"].mean(),
                "false_alarms_per_h": part["false_alarms_per_h"].mean(),
                "worst_false_alarms_per_h": part.loc[worst, "false_alarms_per_h"],
                "worst_person": part.loc[worst, "subject"],
                "alarms_begun_per_h": (part["alarms"] / part["hours"]).mean(),
                "share_outside": part["share_outside"].mean(),
                "meditation_called_stress": part["meditation_called_stress"].mean(),
                "meditation_above_half": part["meditation_above_half"].mean(),
                "missed": " ".join(part.loc[part["detected"] < 1, "subject"]),
            }
        )
    return pd.DataFrame(rows)
