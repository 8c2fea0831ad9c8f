"""What a bundle says of one window."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What a bundle says of one window: a state, or why the window was refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["ok", "rejected"] = Field(
        description="ok: the window was classified; rejected: its quality was too poor"
    )
    state: str | None = Field(description="the most probable state; null where the window is rejected")
    probabilities: dict[str, float] | None = Field(description="probability of each state; null where rejected")
    confidence: float | None = Field(description="probability of the most probable state; null where rejected")
    abstained: bool = Field(description="true where the confidence is below the bundle's `min_confidence`")
    quality: dict[str, float | None] = Field(
        description="quality of each channel by its worst rule, 0 to 1; a window is refused below 0.5"
    )
    reasons: list[str] = Field(
        description="why the window is rejected: channels and rules, worst first; empty where it is not"
    )
    protocol: Literal["cold_start", "rest_calibrated"] = Field(
        description="rest_calibrated: the person's rest was known, and the model that uses it was asked"
    )
    model_version: str = Field(description="SHA-256 of the bundle's configuration")


class Judged(NamedTuple):
    """One window's result, with what it was found from.

    Attributes
    ----------
    answer : Answer or dict of str to str
        The answer, or what is wrong with the window: channel name to problem.
    features : ndarray (feature_name,) or None
        Features of a window that was classified, named by :attr:`wesadlib.bundle.Bundle.feature_names`.
    """

    answer: Answer | dict[str, str]
    features: np.ndarray | None = None


class Voice:
    """How a bundle words its answers.

    Parameters
    ----------
    config : mapping
        The bundle's configuration.
    """

    def __init__(self, config: Mapping):
        self._channels, self._states = list(config["channels"]), list(config["states"])
        self._least, self._version = config["min_confidence"], config["version"]

    def answer(
        self, quality: np.ndarray, reasons: list[str], probabilities: np.ndarray | None, rest_known: bool
    ) -> Answer:
        """Word one answer.

        Parameters
        ----------
        quality : ndarray (channel,)
            NaN where nothing can be said.
        reasons : list of str
            Why the window is refused.
        probabilities : ndarray (state,) or None
            None: it is refused.
        rest_known : bool
            Whether the person's rest was.
        """
        said = {
            "status": "rejected",
            "state": None,
            "probabilities": None,
            "confidence": None,
            "abstained": False,
            "quality": {
                name: score if score == score else None
                for name, score in zip(self._channels, quality.tolist(), strict=True)
            },
            "reasons": reasons,
            "protocol": "rest_calibrated" if rest_known else "cold_start",
            "model_version": self._version,
        }
        if probabilities is not None:
            best, values = int(probabilities.argmax()), probabilities.tolist()
            said |= {
                "status": "ok",
                "state": self._states[best],
                "probabilities": dict(zip(self._states, values, strict=True)),
                "confidence": values[best],
                "abstained": values[best] < self._least,
                "reasons": [],
            }
        return Answer(**said)
