"""`GET /drift`: whether the people of late look like the cohort that the model was trained on, over all replicas."""

import asyncio
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from fastapi import APIRouter

from wesadlib.bundle import Bundle
from wesadlib.drift import LEAST_WINDOWS
from wesadlib.drift import report as compare
from wesadlib.serving.reservoir import Rows
from wesadlib.serving.schemas import DriftFeature, DriftReport, Problem
from wesadlib.serving.watch import drift_columns

if TYPE_CHECKING:
    from wesadlib.serving.service import Service

#: Seconds for which a report is not made again, however often it is asked for.
_AGE_S = 1.0


class _Cohort(NamedTuple):
    version: str
    reference: pd.DataFrame | None
    threshold: dict[str, Any] | None


def read_cohort(bundle: Bundle) -> _Cohort:
    """Read what drift is measured against; neither reference nor threshold where one of them is missing or odd."""
    reference = bundle.reference if drift_columns(bundle) else None
    return _Cohort(bundle.version, reference, None if reference is None else bundle.config["drift_threshold"])


def judge_rows(cohort: _Cohort, rows: Rows) -> DriftReport:
    """Judge windows of late.

    Parameters
    ----------
    cohort
        From :func:`read_cohort`.
    rows : Rows
        Windows with the features that the threshold names, in that order.
    """
    counts = Counter(rows.people)
    judged = [name for name, windows in counts.items() if windows >= LEAST_WINDOWS]
    threshold = cohort.threshold or {}
    needed = threshold.get("people")
    known = {
        "model_version": cohort.version,
        "people": len(judged),
        "people_needed": needed,
        "streams": sum(" " in name for name in judged),
        "windows": sum(counts[name] for name in judged),
        "windows_needed": LEAST_WINDOWS,
        "people_with_fewer": len(counts) - len(judged),
        "windows_without_person": rows.unnamed,
        "threshold": threshold.get("threshold"),
        "false_alarm_rate": threshold.get("false_alarm_rate"),
    }
    if cohort.reference is None:
        note = "Drift cannot be judged: this bundle holds no reference for it."
    elif len(judged) < needed:
        note = (
            f"Drift cannot be judged yet: it takes at least {needed} people with at least {LEAST_WINDOWS} windows "
            f"each; so far: {len(judged)}."
        )
    else:
        found = compare(cohort.reference, _tabulate(rows, judged, threshold["features"]), threshold)
        verdict = {name: found[name] for name in ("statistic", "alarm", "note")}
        return DriftReport(**known, **verdict, table=_records(found["table"]))
    return DriftReport(**known, statistic=None, alarm=None, note=note, table=[])


def _tabulate(rows: Rows, people: list[str], features: list[str]) -> pd.DataFrame:
    # Numbers in place of names: quicker to tell apart, and none can get into a sentence.
    numbers = {name: number for number, name in enumerate(people)}
    table = pd.DataFrame(rows.features, columns=features).astype(float)
    table.insert(0, "subject", [numbers.get(name, -1) for name in rows.people])
    table.insert(1, "start_s", math.nan)
    return table[table["subject"] >= 0].reset_index(drop=True)


def _records(table: pd.DataFrame) -> list[DriftFeature]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [DriftFeature(**row) for row in rows]


class DriftJudge:
    """Make reports, one at a time and none more often than needed.

    Parameters
    ----------
    service : Service
        Whose store holds the windows, and whose bundle the reference.
    """

    def __init__(self, service: "Service"):
        self._service = service
        self._lock = asyncio.Lock()
        self._cohort: _Cohort | None = None
        self._last: DriftReport | None = None
        self._made = -math.inf

    async def report(self, age_s: float = 0.0) -> DriftReport:
        """Report on all windows that are kept, or as it was at most `age_s` ago."""
        async with self._lock:
            bundle = self._service.bundle
            fresh = self._last is not None and time.monotonic() - self._made < age_s
            if not fresh or self._last.model_version != bundle.version:
                rows = await self._service.store.drift_rows(bundle.version)
                self._last = await self._service.in_thread(self._judge, bundle, rows)
                self._made = time.monotonic()
            return self._last

    def _judge(self, bundle: Bundle, rows: Rows) -> DriftReport:
        if self._cohort is None or self._cohort.version != bundle.version:
            self._cohort = read_cohort(bundle)
        return judge_rows(self._cohort, rows)


def drift_router(service: "Service", judge: DriftJudge) -> APIRouter:
    """Make the route.

    Parameters
    ----------
    service : Service
        Whose windows are judged.
    judge : DriftJudge
        What judges them.
    """
    router = APIRouter()

    @router.get("/drift", responses={503: {"model": Problem}})
    async def drift() -> DriftReport:
        """Say whether the people of late, over all replicas, look like those that the model was trained on."""
        await service.watch.push(service.store)
        return await judge.report(_AGE_S)

    return router
