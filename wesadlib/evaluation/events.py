"""What alarms are worth: how soon, how much of a task, how often for nothing; and the rule that others choose."""

from itertools import product
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from wesadlib.evaluation.alarm import MOST_LOG_ODDS, Rule, find_alarms, since

#: A task is detected by an alarm in its first minutes, s.
DETECTED_S = 180.0
#: What comes so long before a task is neither rest nor task: whoever waits for it may well be stressed, s.
ANTICIPATION_S = 300.0
#: An alarm counts when it begins, and again so often while it lasts, s, as in scores of seizure detectors (SzCORE,
#: Dan et al. 2025): else one that never ends would be a single false alarm.
REPEAT_S = 300.0
#: False alarms an hour that a rule may raise among the people it is chosen on.
BUDGET = 0.5
#: Phases that are not of the recording's own, and those of other strain; no alarm is false in any of them.
TASK, ANTICIPATION, STRAIN = "task", "anticipation", ("exercise", "provocation")

#: What is chosen among: thresholds, the last of which no score reaches, and the other three of a rule.
THRESHOLDS = np.arange(-2.0, MOST_LOG_ODDS + 0.26, 0.25)
SHAPES = tuple(product((30.0, 60.0, 120.0), (0.0, 30.0, 60.0), (0.0, 1.0)))


def find_counted(alarm: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Whether an alarm (…, time) counts at each time: as it begins, and every :data:`REPEAT_S` while it lasts."""
    begin = since(alarm)
    number = (time_s - time_s[begin] + 1e-6) // REPEAT_S
    earlier = np.concatenate([np.full((*number.shape[:-1], 1), -1.0), number[..., :-1]], axis=-1)
    return alarm & ((begin == np.arange(len(time_s))) | (number != earlier))


class Course(NamedTuple):
    """One recording's score (time,), when each answer is there, its phase then, and each task's start and end, s."""

    score: np.ndarray
    time_s: np.ndarray
    phase: np.ndarray
    tasks: tuple[tuple[float, float], ...]

    @classmethod
    def from_phases(cls, score: np.ndarray, time_s: np.ndarray, phases: pd.DataFrame) -> Self:
        """Name the phase of each moment by a recording's ``phase start_s end_s``."""
        spans = [*zip(phases["phase"], phases["start_s"], phases["end_s"], strict=True)]
        tasks = tuple((start, end) for name, start, end in spans if name == TASK)
        waits = [(ANTICIPATION, start - ANTICIPATION_S, start) for start, _ in tasks]
        names = np.full(len(time_s), "", dtype=object)
        for name, start, end in [*spans, *waits, *((TASK, *task) for task in tasks)]:
            names[(time_s >= start) & (time_s < end)] = name
        return cls(score, time_s, names, tasks)

    @property
    def outside(self) -> np.ndarray:
        """Whether each moment is of no task, no anticipation and no other strain."""
        return ~np.isin(self.phase, [TASK, ANTICIPATION, *STRAIN])

    @property
    def hours(self) -> float:
        """How long it is outside."""
        return self.outside.sum() * _step(self.time_s) / 3600

    @property
    def answered_tasks(self) -> list[tuple[float, float, np.ndarray]]:
        """Start, end and positions of each task of which there is an answer."""
        spans = [(*task, np.flatnonzero((self.time_s >= task[0]) & (self.time_s < task[1]))) for task in self.tasks]
        return [span for span in spans if len(span[2])]


def score_phases(timelines: pd.DataFrame) -> pd.DataFrame:
    """Over the people of ``subject time_s phase alarm`` each phase's ``hours``, ``alarms`` begun, ``per_h``, ``share``.

    ``per_h`` is how often an alarm counts in it an hour, ``share`` how much of it is in alarm.
    """
    parts = []
    for _, part in timelines.groupby("subject", sort=False):
        time_s, alarm = part["time_s"].to_numpy(), part["alarm"].to_numpy()
        facts = {"phase": part["phase"], "hours": _step(time_s) / 3600, "alarms": _begins(alarm)}
        parts.append(pd.DataFrame(facts | {"per_h": find_counted(alarm, time_s), "share": alarm}))
    groups = pd.concat(parts).groupby("phase", sort=False)
    table = groups[["hours", "alarms", "per_h"]].sum().join(groups["share"].mean())
    return table.assign(per_h=table["per_h"] / table["hours"])


def _begins(alarm: np.ndarray) -> np.ndarray:
    return alarm & ~np.append(False, alarm[:-1])


def _step(time_s: np.ndarray) -> float:
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0


def score_person(course: Course, alarm: np.ndarray) -> dict[str, float]:
    """One recording in a row, by its alarms (time,); NaN where there is nothing to score.

    Means over tasks: ``detected`` within :data:`DETECTED_S`; ``latency_s`` to the first moment in alarm, 0 where it was
    on before, infinite without; ``covered``, the share in alarm. Of what is neither task nor anticipation ``hours``,
    ``alarms`` that began, ``false_alarms_per_h``, and ``share_outside`` in alarm.
    """
    rows, time_s, outside = [], course.time_s, course.outside
    for start, _, inside in course.answered_tasks:
        on, first = inside[alarm[inside]], inside[0]
        late = float(time_s[on[0]] - start) if len(on) else np.inf
        late = 0.0 if first and alarm[first - 1] and alarm[first] else late
        rows.append((late <= DETECTED_S, late, alarm[inside].mean()))
    tasks = pd.DataFrame(rows, columns=["detected", "latency_s", "covered"], dtype=float)
    counted = (find_counted(alarm, time_s) & outside).sum()
    return {
        **tasks.mean().to_dict(),
        "hours": course.hours,
        "alarms": int((_begins(alarm) & outside).sum()),
        "false_alarms_per_h": counted / course.hours if course.hours else np.nan,
        "share_outside": alarm[outside].mean() if outside.any() else np.nan,
    }


def measure_rules(course: Course) -> np.ndarray:
    """False alarms an hour and mean latency over tasks, s, of each rule on one recording, (rule, 2).

    Rules are :data:`SHAPES` by :data:`THRESHOLDS`; a missed task counts with its length.
    """
    time_s, tasks = course.time_s, course.answered_tasks
    measured = []
    for shape in SHAPES:
        alarm = find_alarms(course.score, time_s, Rule(THRESHOLDS[:, None], *shape))
        counted = (find_counted(alarm, time_s) & course.outside).sum(axis=1) / max(course.hours, 1e-9)
        late = np.zeros((len(tasks), len(counted)))
        for row, (start, end, inside) in enumerate(tasks):
            within = alarm[:, inside]
            late[row] = np.where(within.any(axis=1), time_s[inside[within.argmax(axis=1)]] - start, end - start)
        measured.append(np.column_stack([counted, late.sum(axis=0) / max(len(tasks), 1)]))
    return np.concatenate(measured)


def choose_rule(measured: np.ndarray, budget: float = BUDGET) -> Rule:
    """The rule that alarms soonest within a budget of false alarms an hour, means over people; else the quietest.

    `measured` (person, rule, 2) is what :func:`measure_rules` gives of each of the people whom it is chosen on.
    """
    counted, late = measured.mean(axis=0).T
    best = int(np.lexsort([late, np.where(counted <= budget, 0, counted)])[0])
    return Rule(float(THRESHOLDS[best % len(THRESHOLDS)]), *SHAPES[best // len(THRESHOLDS)])
