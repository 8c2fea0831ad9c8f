"""A bundle in memory: what it is asked, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.bundle.answer import Answer, Judged
from wesadlib.bundle.example import EXAMPLE_FILE, Example, read_example
from wesadlib.bundle.judge import Channels, Judge, require_rest
from wesadlib.bundle.problems import find_problems
from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.models import Fitted, Model
from wesadlib.models import load as load_model
from wesadlib.signals import Windows, cut_window
from wesadlib.signals.windows import InfiniteSample


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes
    ----------
    folder : Path
    config : dict
        ``config.json``.
    answering : object
        What answers: the fitted model or, where another engine than ``eager`` runs networks, its exported form.
    answering_rested : object or None
        The same, fitted with people's rest: it answers where a person's is known.
    engine : str
        What runs networks: one of :data:`wesadlib.models.predictor.ENGINES`.
    threads : int
        How many threads compute, which callers that ask at the same time share.
    """

    folder: Path
    config: dict[str, Any]
    answering: Fitted
    answering_rested: Fitted | None = None
    engine: str = "eager"
    threads: int = 1

    @cached_property
    def model(self) -> Model:
        """The fitted model, loaded when it is first asked for where its exported form answers."""
        return self.answering if self.engine == "eager" else load_model(self.folder / "model")

    @cached_property
    def rested(self) -> Model | None:
        """The model that was fitted with people's rest, as :attr:`model`."""
        if self.engine == "eager" or self.answering_rested is None:
            return self.answering_rested
        return load_model(self.folder / "rested")

    @property
    def version(self) -> str:
        """The model's version: SHA-256 of the configuration."""
        return self.config["version"]

    @property
    def reference(self) -> pd.DataFrame | None:
        """What drift is measured against, or None where the bundle was saved without."""
        path = self.folder / "reference.parquet"
        return pd.read_parquet(path) if path.exists() else None

    @property
    def supports_rest(self) -> bool:
        """Whether a person's rest can be used."""
        return self.answering_rested is not None

    def example(self) -> Example:
        """Some minutes of a person who does not exist, from rest to stress."""
        return read_example(self.folder / EXAMPLE_FILE)

    @cached_property
    def _judge(self) -> Judge:
        models = {False: self.answering} | ({True: self.answering_rested} if self.supports_rest else {})
        return Judge(self.config, models, self.example(), self.threads)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that are computed of a window."""
        return self._judge.feature_names

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
        arrays = Windows.from_dataset(windows)
        return [judged.answer for judged in self._judge.answer(arrays, [None] * len(arrays))]

    def predict_window(
        self, channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], profile: np.ndarray | None = None
    ) -> Answer:
        """Harmonise one window given at native rates and answer as :meth:`predict` does.

        Parameters
        ----------
        channels : mapping of str to ndarray (time)
            Exactly the bundle's channels, in the units that the configuration names; NaN where a sample is missing.
        rates_hz : mapping of str to float
            Sampling rate of each.
        profile : ndarray (value,), optional
            The person's rest, from :meth:`rest_profile`.

        Raises
        ------
        InputError
            When a channel is missing or unknown, or its rate or length cannot be right (:meth:`problems`); when the
            profile is not of this bundle.
        """
        (answer,) = self.predict_windows([(channels, rates_hz)], [profile])
        if isinstance(answer, Answer):
            return answer
        raise InputError("; ".join(f"{name}: {problem}" for name, problem in answer.items()) + ".")

    def predict_windows(
        self, windows: Sequence[Channels], profiles: Sequence[np.ndarray | None] | None = None
    ) -> list[Answer | dict[str, str]]:
        """Answer many windows at once, each as :meth:`predict_window` does; one that cannot be used spoils no other.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            Each as :meth:`predict_window` takes it.
        profiles : sequence of ndarray (value,) or None, optional
            The rest of each window's person, None where it is not known.

        Returns
        -------
        list of Answer or dict of str to str
            One for each window, in order; what :meth:`problems` says of it in place of an answer where it says
            anything.

        Raises
        ------
        InputError
            When a profile is not of this bundle.
        """
        return [judged.answer for judged in self.judge(windows, profiles)]

    def judge(self, windows: Sequence[Channels], profiles: Sequence[np.ndarray | None] | None = None) -> list[Judged]:
        """Answer as :meth:`predict_windows` does, and give the features that went into each answer.

        Parameters
        ----------
        windows, profiles
            As there.

        Raises
        ------
        InputError
            As there.
        """
        profiles = [None] * len(windows) if profiles is None else list(profiles)
        if any(profile is not None for profile in profiles):
            self._require_support()
        try:
            return self._answer(windows, profiles, [self._find_problems(*window, infinite=False) for window in windows])
        except InfiniteSample:
            # Rare enough to be looked for window by window only now.
            return self._answer(windows, profiles, [self.problems(*window) for window in windows])

    def _answer(
        self,
        windows: Sequence[Channels],
        profiles: Sequence[np.ndarray | None],
        problems: Sequence[dict[str, str]],
    ) -> list[Judged]:
        results = [Judged(problem) for problem in problems]
        usable = [k for k, problem in enumerate(problems) if not problem]
        if usable:
            arrays = self._judge.harmonise([windows[k] for k in usable])
            for k, judged in zip(usable, self._judge.answer(arrays, [profiles[k] for k in usable]), strict=True):
                results[k] = judged
        return results

    def rest_profile(self, windows: Sequence[Channels]) -> np.ndarray:
        """What is kept of a person's rest: means over the windows, from which no window can be read back.

        Parameters
        ----------
        windows : sequence of (channels, rates_hz)
            The person's windows at rest; those of poor quality are left out.

        Returns
        -------
        ndarray (value,)
            float32.

        Raises
        ------
        InputError
            When the bundle does not use rest, a window cannot be used, or too few are of good quality.
        """
        self._require_support()
        for k, window in enumerate(windows):
            for name, problem in self.problems(*window).items():
                raise InputError(f"window {k}: {name}: {problem}.")
        if not windows:
            require_rest(0, 0)
        return self._judge.rest_profile(self._judge.harmonise(windows))

    def _require_support(self) -> None:
        if not self.supports_rest:
            raise InputError(f"the model `{self.config['model']}` was saved without one that uses a person's rest.")

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
        for name in self.config["channels"]:
            if name not in recording.signals:
                raise InputError(f"{recording.subject}: the recording has no channel {name}, which the bundle needs.")
        return cut_window(recording, list(self.config["channels"]), start_s, self.config["window_s"])

    def problems(self, channels: Mapping[str, Any], rates_hz: Mapping[str, float]) -> dict[str, str]:
        """What keeps one window from being used: channel name to problem, empty where nothing does."""
        return self._find_problems(channels, rates_hz)

    def _find_problems(
        self, channels: Mapping[str, Any], rates_hz: Mapping[str, float], infinite: bool = True
    ) -> dict[str, str]:
        return find_problems(channels, rates_hz, list(self.config["channels"]), self.config["window_s"], infinite)

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
