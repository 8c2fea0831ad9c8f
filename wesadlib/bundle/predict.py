"""From windows to answers, the one path of the book and of the server: quality, features, model."""

import math
from collections.abc import Mapping, Sequence
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
from wesadlib.signals import windows_from_channels


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
        rows = dict.fromkeys(range(len(reasons)))
        if len(accepted):
            chosen = extract_features(windows.isel(window=accepted))
            probabilities = self.model.predict_proba(chosen).transpose("window", "state").values
            rows |= dict(zip(accepted.tolist(), probabilities, strict=True))
        names = [str(name) for name in windows["channel"].values]
        quality = windows["quality"].transpose("window", "channel").values
        return [
            self._rejected(names, quality[k], reasons[k]) if row is None else self._classified(names, quality[k], row)
            for k, row in rows.items()
        ]

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
        (answer,) = self.predict_windows([(channels, rates_hz)])
        if isinstance(answer, Answer):
            return answer
        raise InputError("; ".join(f"{name}: {problem}" for name, problem in answer.items()) + ".")

    def predict_windows(
        self, windows: Sequence[tuple[Mapping[str, np.ndarray], Mapping[str, float]]]
    ) -> list[Answer | dict[str, str]]:
        """Answer many windows at once, each as :meth:`predict_window` does; one that cannot be used spoils no other.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            Each as :meth:`predict_window` takes it.

        Returns
        -------
        list of Answer or dict of str to str
            One for each window, in order; what :meth:`problems` says of it in place of an answer where it says
            anything.
        """
        results: list[Answer | dict[str, str]] = [self.problems(*window) for window in windows]
        usable = [k for k, problems in enumerate(results) if not problems]
        if usable:
            ordered = [
                tuple({name: part[name] for name in self.config["channels"]} for part in windows[k]) for k in usable
            ]
            harmonised = windows_from_channels(
                ordered, rate_hz=self.config["rate_hz"], window_s=self.config["window_s"]
            )
            for k, answer in zip(usable, self.predict(harmonised), strict=True):
                results[k] = answer
        return results

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
        wanted = self.config["channels"]
        problems = {}
        for name in channels:
            if name not in wanted:
                problems[name] = f"unknown channel, this model uses {', '.join(wanted)}"
        for name in wanted:
            if name not in channels:
                problems[name] = "missing channel"
            elif problem := _problem(channels[name], rates_hz.get(name, math.nan), self.config["window_s"]):
                problems[name] = problem
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

    def _rejected(self, names: list[str], quality: np.ndarray, reasons: list[str]) -> Answer:
        return Answer(
            status="rejected",
            state=None,
            probabilities=None,
            confidence=None,
            abstained=False,
            quality=_by_channel(names, quality),
            reasons=reasons,
            model_version=self.version,
        )

    def _classified(self, names: list[str], quality: np.ndarray, probabilities: np.ndarray) -> Answer:
        best = int(np.argmax(probabilities))
        return Answer(
            status="ok",
            state=self.config["states"][best],
            probabilities=dict(zip(self.config["states"], map(float, probabilities), strict=True)),
            confidence=float(probabilities[best]),
            abstained=bool(probabilities[best] < self.config["min_confidence"]),
            quality=_by_channel(names, quality),
            reasons=[],
            model_version=self.version,
        )


def _by_channel(names: list[str], quality: np.ndarray) -> dict[str, float | None]:
    return {name: float(score) if np.isfinite(score) else None for name, score in zip(names, quality, strict=True)}


def _problem(samples: Any, rate_hz: float, window_s: float) -> str:
    """What keeps one channel from being used; empty where nothing does."""
    if not 0 < rate_hz <= 1e5:
        return f"rate_hz must be above 0 and at most 100000, not {rate_hz:g}"
    try:
        values = np.asarray(samples)
    except ValueError:
        values = np.empty((0, 0))
    if values.ndim != 1 or (values.size and values.dtype.kind not in "fiu"):
        return "samples must be one row of numbers"
    expected = round(rate_hz * window_s)
    if len(values) != expected:
        return f"{window_s:g} s at {rate_hz:g} Hz are {expected} samples, not {len(values)}"
    if expected < 2:
        return f"{window_s:g} s at {rate_hz:g} Hz are {expected} samples; at least 2 are needed"
    if np.isinf(values).any():
        return "a sample is infinite; a missing one is NaN"
    return ""


def load_bundle(folder: str | Path) -> Bundle:
    """Check a bundle's digests and load it.

    Raises
    ------
    InputError
        When the folder is no bundle, or a file is missing, added or not the one that was saved; names the file.
    """
    config = read_config(folder)
    return Bundle(Path(folder).resolve(), config, load_model(Path(folder) / "model"))
