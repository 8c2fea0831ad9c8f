"""Whether the people of late look like the cohort that the model was trained on, over all replicas: `GET /drift`.

What is kept of a window are its features, in memory only, bounded in number, for each person, and by age.
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from starlette.exceptions import HTTPException

# What else is needed is imported where it is: the process that only keeps features stays small.
if TYPE_CHECKING:
    from wesadlib.bundle import Bundle, Result
    from wesadlib.serving.schemas import DriftReport

#: Seconds between two reports to the store, and the most windows whose features wait for one.
_PUSH_S, _MOST_WAITING = 1.0, 10_000
#: Most windows of one person that are kept, and seconds after which a person is forgotten.
_MOST_OF_ONE, _PERSON_AGE_S = 200, 24 * 3600.0


class Rows(NamedTuple):
    """Features (window, feature) that are kept, whose each is, and how many windows came of nobody."""

    people: list[str]
    features: np.ndarray
    unnamed: int


class DriftStore:
    """Features of windows, bounded in all, for each person, and by the time since a person was last heard of.

    Of a person the last windows are kept. Where there are too many in all, whoever was not heard of for longest leaves
    with all windows.
    """

    def __init__(self, windows: int, most_of_one: int = _MOST_OF_ONE, clock: Callable[[], float] = time.time):
        self._windows, self._most_of_one, self._clock = windows, min(most_of_one, windows), clock
        #: Model version and person -> when each window came, and its features.
        self._people: OrderedDict[tuple[str, str], deque[tuple[float, np.ndarray]]] = OrderedDict()
        self._unnamed: Counter[str] = Counter()

    def add(self, version: str, people: Sequence[str | None], features: np.ndarray) -> None:
        """Add windows (window, feature) that a model version answered; those of nobody are counted only."""
        self._unnamed[version] += sum(name is None for name in people)
        for name, row in zip(people, np.asarray(features, np.float32), strict=True):
            if name is None:
                continue
            key = version, name
            # A copy: a view would keep alive all that came with it.
            self._people.setdefault(key, deque(maxlen=self._most_of_one)).append((self._clock(), row.copy()))
            self._people.move_to_end(key)
        self._sweep()

    def _sweep(self) -> None:
        kept, oldest = sum(map(len, self._people.values())), self._clock() - _PERSON_AGE_S
        while self._people and (kept > self._windows or next(iter(self._people.values()))[-1][0] < oldest):
            kept -= len(self._people.popitem(last=False)[1])

    def rows(self, version: str) -> Rows:
        """All that is kept of a model version."""
        self._sweep()
        kept = [(name, row) for (of, name), rows in self._people.items() if of == version for _, row in rows]
        features = np.stack([row for _, row in kept]) if kept else np.empty((0, 0), np.float32)
        return Rows([name for name, _ in kept], features, self._unnamed[version])


class Drift:
    """A replica's windows that wait for the store, and reports on all that the store keeps.

    The methods of a store in another process are awaited by `call`, with their names and arguments.
    """

    def __init__(self, bundle: "Bundle", windows: int, call: Callable[..., Awaitable[Any]] | None = None):
        self._bundle = bundle
        self._columns = _find_columns(bundle)
        self._call = call or _local(DriftStore(windows))
        self._waiting: deque[tuple[str | None, np.ndarray]] = deque(maxlen=_MOST_WAITING)
        self._lock = asyncio.Lock()
        self._report: DriftReport | None = None
        self._report_s = -math.inf

    def add(
        self,
        results: Sequence["Result"],
        *,
        person: str | None = None,
        session: str | None = None,
        start_s: Sequence[float] | None = None,
        hop_s: float | None = None,
    ) -> None:
        """Keep the features of the windows of one call, whose they are, and when each began, where they are a stream's.

        Windows of a stream overlap: only those count that do not. Where nobody is named they are those of one person.
        """
        if not self._columns:
            return
        # No identifier of a person has a blank in it.
        name = person or (session and f"stream {session}")
        for row, result in enumerate(results):
            if result.features is not None and (not start_s or self._is_apart(start_s[row], hop_s)):
                self._waiting.append((name, np.asarray(result.features, np.float32)[self._columns]))

    def _is_apart(self, start_s: float, hop_s: float) -> bool:
        # By the place in the stream alone, so that any replica that goes on with the stream counts alike.
        return round(start_s / hop_s) % math.ceil(self._bundle.config["window_s"] / hop_s - 1e-6) == 0

    async def push(self) -> None:
        """Hand over what waits; where the store cannot be reached (503) that is lost."""
        # As many as there are now: threads go on adding.
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if waiting:
            names, rows = zip(*waiting, strict=True)
            await self._call("add", self._bundle.version, names, np.stack(rows))

    async def run(self) -> None:
        """Hand over what waits, every second, until cancelled."""
        while True:
            with suppress(HTTPException):
                await self.push()
            await asyncio.sleep(_PUSH_S)

    async def report(self, age_s: float = 0.0) -> "DriftReport":
        """Report on all windows that are kept, or give the report of at most `age_s` ago."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._report_s >= age_s:
                await self.push()
                rows = await self._call("rows", self._bundle.version)
                self._report = await asyncio.to_thread(compare_rows, self._bundle, rows)
                self._report_s = time.monotonic()
            return self._report


def _local(store: DriftStore) -> Callable[..., Awaitable[Any]]:
    async def call(name: str, *arguments: Any) -> Any:
        return getattr(store, name)(*arguments)

    return call


def _find_columns(bundle: "Bundle") -> list[int]:
    """Where the features that drift is judged on are among the bundle's; none where it cannot be judged."""
    names, threshold = list(bundle.feature_names), bundle.config.get("drift_threshold")
    wanted = list(threshold["features"]) if threshold else []
    usable = bundle.reference is not None and set(wanted) <= set(names)
    return [names.index(name) for name in wanted] if usable else []


def compare_rows(bundle: "Bundle", rows: Rows) -> "DriftReport":
    """Compare windows of late, with the features that the bundle's threshold names, with the bundle's reference."""
    import pandas as pd

    from wesadlib.drift import LEAST_WINDOWS, report
    from wesadlib.serving.schemas import DriftReport

    threshold = bundle.config["drift_threshold"] if _find_columns(bundle) else {}
    counts = Counter(rows.people)
    people = [name for name, windows in counts.items() if windows >= LEAST_WINDOWS]
    values: dict[str, Any] = {"statistic": None, "alarm": None, "table": []}
    if not threshold:
        values["note"] = "Drift cannot be judged: this bundle holds no reference for it."
    elif len(people) < threshold["people"]:
        values["note"] = (
            f"Drift cannot be judged yet: it takes at least {threshold['people']} people with at least {LEAST_WINDOWS} "
            f"windows each; so far: {len(people)}."
        )
    else:
        table = pd.DataFrame(rows.features, columns=threshold["features"]).astype(float)
        # Numbers in place of names: quicker to tell apart, and none can get into a sentence.
        table.insert(0, "subject", pd.Index(people).get_indexer(rows.people))
        table.insert(1, "start_s", math.nan)
        compared = report(bundle.reference, table[table["subject"] >= 0].reset_index(drop=True), threshold)
        values = {name: compared[name] for name in ("statistic", "alarm", "note", "table")}
        values["table"] = values["table"].astype(object).where(values["table"].notna(), None).to_dict("records")
    return DriftReport(
        model_version=bundle.version,
        people=len(people),
        people_needed=threshold.get("people"),
        streams=sum(" " in name for name in people),
        windows=sum(counts[name] for name in people),
        windows_needed=LEAST_WINDOWS,
        people_with_fewer=len(counts) - len(people),
        windows_without_person=rows.unnamed,
        threshold=threshold.get("threshold"),
        false_alarm_rate=threshold.get("false_alarm_rate"),
        **values,
    )
