"""From windows to answers, the one path of the book and of the server: quality, features, model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from wesadlib.bundle.folder import read_config
from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.features import extract_features
from wesadlib.models import Model
from wesadlib.models import load as load_model
from wesadlib.quality import assess_quality, list_reasons
from wesadlib.signals import window_from_channels


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
    model_version: str = Field(description="SHA-256 of the bundle's configuration")


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes
    ----------
    folder : Path
    config : dict
        ``config.json``.
    model : object
        The fitted model.
    """

    folder: Path
    config: dict[str, Any]
    model: Model

    @property
    def version(self) -> str:
        """The model's version: SHA-256 of the configuration."""
        return self.config["version"]

    @property
    def reference(self) -> pd.DataFrame | None:
        """What drift is measured against, or None where the bundle was saved without."""
        path = self.folder / "reference.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def predict(self, windows: xr.Dataset) -> list[Answer]:
        """Judge the quality of windows and classify those that pass.

        Parameters
        ----------
        windows : xarray.Dataset
            As :func:`wesadlib.make_windows` makes them, ``signal`` being ``(window, channel, time)``; quality and
            features that are already there are computed again, with the bundle's own thresholds.

        Returns
        -------
        list of Answer
            One for each window, in order.

        Raises
        ------
        InputError
            When the windows have other channels, another rate or another length than the model was trained on.
        """
        self._check_cut(windows)
        known = [name for name in ("rule_score", "quality", "verdict", "reason", "feature") if name in windows]
        windows = assess_quality(windows.drop_vars(known), self.config["quality"])
        accepted = np.flatnonzero(windows["verdict"].values)
        reasons = list_reasons(windows, self.config["quality"])
        answers = [self._rejected(windows.isel(window=k), failed) for k, failed in enumerate(reasons)]
        if len(accepted):
            chosen = extract_features(windows.isel(window=accepted))
            probabilities = self.model.predict_proba(chosen).transpose("window", "state")
            for k, row in zip(accepted, probabilities.values, strict=True):
                answers[k] = self._classified(windows.isel(window=k), row)
        return answers

    def predict_window(self, channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float]) -> Answer:
        """Harmonise one window given at native rates and answer as :meth:`predict` does.

        Parameters
        ----------
        channels : mapping of str to ndarray (time)
            Exactly the bundle's channels, in the units that the configuration names; NaN where a sample is missing.
        rates_hz : mapping of str to float
            Sampling rate of each.

        Raises
        ------
        InputError
            When a channel is missing or unknown, or its rate or length cannot be right (:meth:`problems`).
        """
        problems = self.problems(channels, rates_hz)
        if problems:
            raise InputError("; ".join(f"{name}: {problem}" for name, problem in problems.items()) + ".")
        window = window_from_channels(
            {name: np.asarray(channels[name]) for name in self.config["channels"]},
            {name: float(rates_hz[name]) for name in self.config["channels"]},
            rate_hz=self.config["rate_hz"],
            window_s=self.config["window_s"],
        )
        return self.predict(window.expand_dims("window"))[0]

    def cut(self, recording: Recording, start_s: float) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Cut a window of the bundle's channels out of a recording, as :meth:`predict_window` and a server take it.

        Parameters
        ----------
        recording : Recording
        start_s : float
            Where the window starts, seconds from the recording's start.

        Returns
        -------
        channels : dict of str to ndarray (time)
        rates_hz : dict of str to float

        Raises
        ------
        InputError
            When the recording lacks a channel.
        """
        channels, rates_hz = {}, {}
        for name in self.config["channels"]:
            if name not in recording.signals:
                raise InputError(f"{recording.subject}: the recording has no channel {name}, which the bundle needs.")
            rates_hz[name] = float(recording.signals[name].attrs["rate_hz"])
            first = round(start_s * rates_hz[name])
            stop = first + round(self.config["window_s"] * rates_hz[name])
            channels[name] = recording.signals[name].values[first:stop]
        return channels, rates_hz

    def problems(self, channels: Mapping[str, Any], rates_hz: Mapping[str, float]) -> dict[str, str]:
        """What keeps one window from being used: channel name to problem, empty where nothing does."""
        wanted, window_s = self.config["channels"], self.config["window_s"]
        problems = {}
        for name in channels:
            if name not in wanted:
                problems[name] = f"unknown channel, this model uses {', '.join(wanted)}"
        for name in wanted:
            if name not in channels:
                problems[name] = "missing channel"
                continue
            rate = rates_hz.get(name, math.nan)
            if not 0 < rate <= 1e5:
                problems[name] = f"rate_hz must be above 0 and at most 100000, not {rate:g}"
                continue
            expected = round(rate * window_s)
            if len(channels[name]) != expected:
                problems[name] = f"{window_s:g} s at {rate:g} Hz are {expected} samples, not {len(channels[name])}"
        return problems

    def _check_cut(self, windows: xr.Dataset) -> None:
        wanted = list(self.config["channels"])
        found = [str(name) for name in windows["channel"].values]
        if found != wanted:
            raise InputError(
                f"these windows have the channels {', '.join(found)}; the bundle needs {', '.join(wanted)}."
            )
        samples = round(self.config["window_s"] * self.config["rate_hz"])
        if windows.sizes["time"] != samples:
            raise InputError(
                f"these windows have {windows.sizes['time']} samples; the bundle needs {samples}, that is "
                f"{self.config['window_s']:g} s at {self.config['rate_hz']:g} Hz."
            )

    def _common(self, window: xr.Dataset) -> dict[str, Any]:
        scores = zip(window["channel"].values, window["quality"].values, strict=True)
        return {
            "quality": {str(name): float(score) if np.isfinite(score) else None for name, score in scores},
            "model_version": self.version,
        }

    def _rejected(self, window: xr.Dataset, reasons: list[str]) -> Answer:
        return Answer(
            status="rejected",
            state=None,
            probabilities=None,
            confidence=None,
            abstained=False,
            reasons=reasons,
            **self._common(window),
        )

    def _classified(self, window: xr.Dataset, probabilities: np.ndarray) -> Answer:
        best = int(np.argmax(probabilities))
        return Answer(
            status="ok",
            state=self.config["states"][best],
            probabilities=dict(zip(self.config["states"], map(float, probabilities), strict=True)),
            confidence=float(probabilities[best]),
            abstained=bool(probabilities[best] < self.config["min_confidence"]),
            reasons=[],
            **self._common(window),
        )


def load_bundle(folder: str | Path) -> Bundle:
    """Check a bundle's digests and load it.

    Raises
    ------
    InputError
        When the folder is no bundle, or a file is missing, added or not the one that was saved; names the file.
    """
    config = read_config(folder)
    return Bundle(Path(folder).resolve(), config, load_model(Path(folder) / "model"))
