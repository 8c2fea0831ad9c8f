"""What a bundle says of one window."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from wesadlib.evaluation.alarm import Alarm, Rule
from wesadlib.evaluation.running import RunningReference
from wesadlib.models.calibration import from_log_odds
from wesadlib.models.exertion import REASON

Protocol = Literal["cold_start", "rest_calibrated", "running_cold", "running_reference"]

_EXAMPLE = {
    "status": "ok",
    "state": "stress",
    "probabilities": {"baseline": 0.08, "stress": 0.92},
    "confidence": 0.92,
    "abstained": False,
    "quality": {"wrist_bvp": 0.94, "wrist_eda": 1.0},
    "reasons": [],
    "protocol": "cold_start",
    "model_version": "0" * 64,
}


class Answer(BaseModel):
    """What a bundle says of one window: a state, or why the window was refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    status: Literal["ok", "rejected"] = Field(
        description="ok: the window was classified; rejected: its quality was too poor"
    )
    state: str | None = Field(description="the most probable state; null where the window is rejected")
    probabilities: dict[str, float] | None = Field(description="probability of each state; null where rejected")
    confidence: float | None = Field(description="probability of the most probable state; null where rejected")
    abstained: bool = Field(
        description="true where the confidence is below the bundle's `min_confidence`, or the person exercises"
    )
    quality: dict[str, float | None] = Field(
        description="quality of each channel by its worst rule, 0 to 1; a window is refused below 0.5"
    )
    reasons: list[str] = Field(
        description="why the window is rejected: channels and rules, worst first; of one that is classified, "
        "`exertion` where it is abstained from because the person exercises, and what was bad in a channel that the "
        "model can do without"
    )
    protocol: Protocol = Field(
        description="rest_calibrated, running_reference: the person's rest was known, and the model that uses it was "
        "asked; running_cold, running_reference: the threshold followed the person's own windows so far"
    )
    model_version: str = Field(description="SHA-256 of the bundle's configuration")
    alarm: bool | None = Field(
        default=None,
        description="whether an alarm is on with this window, by the bundle's rule and the person's windows so far; "
        "null where the bundle has no rule, and for a window by itself",
    )
    because: list[str] | None = Field(
        default=None,
        description="what moved the answer most, the strongest first, where `explain` asked for it; a sentence where "
        "the model cannot tell",
    )


class Result(NamedTuple):
    """One window's answer, or what is wrong with it (channel name to problem), with what it was computed from."""

    answer: Answer | dict[str, str]
    #: Of a window that was classified (feature_name,), named by :attr:`wesadlib.bundle.Bundle.feature_names`.
    features: np.ndarray | None = None
    #: Log odds of the second state before the threshold followed the person, where it did.
    score: float | None = None


def make_answer(
    config: Mapping[str, Any],
    quality: np.ndarray,
    reasons: Sequence[str],
    probability: np.ndarray | None,
    calibrated: bool,
    exertion: bool = False,
) -> Answer:
    """Answer by the quality of each channel and the probability of each state, None where quality refused."""
    scores = zip(config["channels"], quality.tolist(), strict=True)
    fields = {
        "quality": {name: None if math.isnan(score) else score for name, score in scores},
        "protocol": "rest_calibrated" if calibrated else "cold_start",
        "model_version": config["version"],
    }
    if probability is None:
        unknown = dict.fromkeys(("state", "probabilities", "confidence"))
        return Answer(status="rejected", **unknown, abstained=False, reasons=reasons, **fields)
    reasons = [*[REASON] * exertion, *reasons]
    return Answer(status="ok", reasons=reasons, **answer_fields(config, probability, reasons), **fields)


def answer_fields(config: Mapping[str, Any], probability: np.ndarray, reasons: Sequence[str]) -> dict[str, Any]:
    """What of an answer follows from the probability (state,) of each state, and from exercise among its reasons."""
    states, values, best = config["states"], probability.tolist(), int(probability.argmax())
    return {
        "state": states[best],
        "probabilities": dict(zip(states, values, strict=True)),
        "confidence": values[best],
        "abstained": REASON in reasons or values[best] < config["min_confidence"],
    }


class Follower:
    """One person's results in the order of time, each seen against the person's own so far.

    `scores` (window,) of earlier windows, NaN for those without, and when each began (`start_s`) let it go on where
    another ended. `classify` gives the probabilities (state,) of features (feature_name,), among which `heart` are
    rates that a window without takes from one shortly before.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        rested: bool,
        scores: Sequence[float] = (),
        start_s: Sequence[float] = (),
        *,
        classify: Callable[[np.ndarray], np.ndarray] | None = None,
        heart: Sequence[int] = (),
    ):
        self._config, self._running = config, config.get("running")
        kind = "rested" if rested else "cold"
        rules = config.get("alarm")
        self._alarm = Alarm(Rule(**rules[kind])) if rules else None
        self._classify, self._last = classify, dict.fromkeys(heart, (math.nan, -math.inf))
        self.protocol: Protocol = "rest_calibrated" if rested else "cold_start"
        if self._running:
            self.protocol = "running_reference" if rested else "running_cold"
            self._threshold = self._running[kind]
            self._reference = RunningReference(self._running["quantile"], self._running["smooth_s"])
            for score, begin_s in zip(scores, start_s, strict=True):
                self._tell(math.nan if math.isnan(score) else self._move(score, begin_s), begin_s)

    def __call__(self, result: Result, start_s: float) -> Result:
        """The next window's."""
        answer, score, log_odds = result.answer, result.score, math.nan
        if result.features is not None:
            probability = self._carry(result.features, start_s) if self._running else None
            if probability is None:
                probability = [*answer.probabilities.values()]
            first, second = np.log(np.clip(probability, 1e-12, 1)).tolist()[-2:]
            log_odds = second - first
            if self._running:
                score, log_odds = log_odds, self._move(log_odds, start_s)
                (probability,) = from_log_odds(np.array([log_odds]))
                fields = answer_fields(self._config, probability, answer.reasons) | {"protocol": self.protocol}
                answer = answer.model_copy(update=fields)
            if REASON in answer.reasons:
                # What is withheld is no alarm either.
                log_odds = math.nan
        if self._alarm and isinstance(answer, Answer):
            answer = answer.model_copy(update={"alarm": self._tell(log_odds, start_s)})
        return Result(answer, result.features, score)

    def _move(self, score: float, start_s: float) -> float:
        """Log odds with a threshold that follows the person."""
        return (self._reference(score, start_s) - self._threshold["threshold"]) / self._threshold["temperature"]

    def _tell(self, log_odds: float, start_s: float) -> bool | None:
        return self._alarm(log_odds, start_s) if self._alarm else None

    def _carry(self, features: np.ndarray, start_s: float) -> np.ndarray | None:
        """Probabilities (state,) with the last heart rate where there is none now; None where nothing is carried."""
        features, carried = features.copy(), False
        for column, (rate, begin_s) in self._last.items():
            if not math.isnan(features[column]):
                self._last[column] = float(features[column]), start_s
            elif start_s - begin_s <= self._running["carry_s"]:
                features[column], carried = rate, True
        return self._classify(features) if carried else None
