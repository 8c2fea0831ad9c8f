"""From windows to answers, the one path of the book and of the server: quality, features, model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.bundle.answer import Answer, Judged, Voice
from wesadlib.bundle.example import EXAMPLE_FILE, Example, read_example
from wesadlib.bundle.folder import read_config
from wesadlib.bundle.problems import find_problems
from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.features import feature_values
from wesadlib.models import Model
from wesadlib.models import load as load_model
from wesadlib.models.predictor import check_answers
from wesadlib.quality import assess_arrays
from wesadlib.signals import WindowArrays, window_arrays_from_channels

if TYPE_CHECKING:
    from wesadlib.models.predictor import Predictor

#: Least number of good windows from which a person's rest is taken.
LEAST_REST = 2

#: Native samples of each channel of one window, and the rate of each.
Channels = tuple[Mapping[str, np.ndarray], Mapping[str, float]]


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
    rested : object or None
        The model that was fitted with people's rest, which answers where a person's is known.
    engine : str
        What runs a network: one of :data:`wesadlib.models.engines.ENGINES`.
    threads : int
        How many threads it computes on.
    """

    folder: Path
    config: dict[str, Any]
    model: Model
    rested: Model | None = None
    engine: str = "eager"
    threads: int = 1

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
        return self.rested is not None

    def example(self) -> Example:
        """Some minutes of a person who does not exist, from rest to stress."""
        return read_example(self.folder / EXAMPLE_FILE)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that are computed of a window."""
        return feature_values(self._example_arrays.take(slice(0, 1)))[1]

    @cached_property
    def _example_arrays(self) -> WindowArrays:
        window_s = self.config["window_s"]
        return self._harmonise(self.example().windows(window_s, window_s / 2))

    @cached_property
    def _voice(self) -> Voice:
        return Voice(self.config)

    @cached_property
    def _predictors(self) -> "dict[bool, Predictor]":
        """Whether the person's rest is known -> what answers then."""
        return {known: self._make_predictor(model, self.engine) for known, model in self._models.items()}

    @property
    def _models(self) -> dict[bool, Model]:
        return {False: self.model} | ({True: self.rested} if self.rested else {})

    def _make_predictor(self, model: Model, engine: str) -> "Predictor":
        return model.predictor(list(self.config["channels"]), self.feature_names, engine=engine, threads=self.threads)

    def check_engine(self) -> None:
        """Hold what answers against the models themselves, on the bundle's own example.

        Raises
        ------
        InputError
            When a probability differs.
        """
        if self.engine == "eager":
            return
        arrays = self._example_arrays
        values, _ = feature_values(arrays)
        for known, model in self._models.items():
            eager = self._make_predictor(model, "eager")
            check_answers(self._predictors[known], eager, arrays.signal, values, self.engine)

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
        arrays = WindowArrays.from_dataset(windows)
        return [judged.answer for judged in self._judge(arrays, [None] * len(arrays))]

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
        if not self.supports_rest and any(profile is not None for profile in profiles):
            raise InputError(f"the model `{self.config['model']}` was saved without one that uses a person's rest.")
        results = [Judged(self.problems(*window)) for window in windows]
        usable = [k for k, judged in enumerate(results) if not judged.answer]
        if usable:
            arrays = self._harmonise([windows[k] for k in usable])
            for k, judged in zip(usable, self._judge(arrays, [profiles[k] for k in usable]), strict=True):
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
        if not self.supports_rest:
            raise InputError(f"the model `{self.config['model']}` was saved without one that uses a person's rest.")
        for k, window in enumerate(windows):
            for name, problem in self.problems(*window).items():
                raise InputError(f"window {k}: {name}: {problem}.")
        arrays = self._harmonise(windows) if windows else None
        good = assess_arrays(arrays, self.config["quality"]).verdict if windows else np.zeros(0, bool)
        if good.sum() < LEAST_REST:
            raise InputError(
                f"{good.sum()} of {len(windows)} windows at rest are of good quality; at least {LEAST_REST} are needed."
            )
        arrays = arrays.take(good)
        return self._predictors[True].profile(arrays.signal, feature_values(arrays)[0])

    def _harmonise(self, windows: Sequence[Channels]) -> WindowArrays:
        ordered = [
            tuple({name: part[name] for name in self.config["channels"]} for part in window) for window in windows
        ]
        return window_arrays_from_channels(ordered, rate_hz=self.config["rate_hz"], window_s=self.config["window_s"])

    def _judge(self, windows: WindowArrays, profiles: Sequence[np.ndarray | None]) -> list[Judged]:
        assessed = assess_arrays(windows, self.config["quality"])
        accepted = np.flatnonzero(assessed.verdict)
        probabilities: dict[int, np.ndarray] = {}
        features: dict[int, np.ndarray] = {}
        if len(accepted):
            chosen = windows if len(accepted) == len(windows) else windows.take(accepted)
            values, _ = feature_values(chosen)
            features = dict(zip(accepted.tolist(), values, strict=True))
            probabilities = self._classify(chosen.signal, values, accepted, profiles)
        return [
            Judged(
                self._voice.answer(
                    assessed.quality[k], assessed.reasons[k], probabilities.get(k), profiles[k] is not None
                ),
                features.get(k),
            )
            for k in range(len(windows))
        ]

    def _classify(
        self, signal: np.ndarray, values: np.ndarray, accepted: np.ndarray, profiles: Sequence[np.ndarray | None]
    ) -> dict[int, np.ndarray]:
        known = np.array([profiles[k] is not None for k in accepted])
        found: dict[int, np.ndarray] = {}
        for rested in np.unique(known).tolist():
            rows = known == rested
            profile = np.stack([profiles[k] for k in accepted[rows]]) if rested else None
            probabilities = self._predictors[rested](signal[rows], values[rows], profile)
            found |= dict(zip(accepted[rows].tolist(), probabilities, strict=True))
        return found

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
        return find_problems(channels, rates_hz, list(self.config["channels"]), self.config["window_s"])

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


def load_bundle(folder: str | Path, engine: str = "eager", threads: int = 1) -> Bundle:
    """Check a bundle's digests and load it.

    Parameters
    ----------
    folder : path
    engine : str
        What runs a network: one of :data:`wesadlib.models.engines.ENGINES`. The files are the same for each; another
        than ``eager`` is made here from the weights and held against them on the bundle's own example.
    threads : int
        How many threads a network computes on.

    Raises
    ------
    InputError
        When the folder is no bundle, or a file is missing, added or not the one that was saved; names the file. When
        the engine is unknown, or does not answer as the model itself.
    """
    config = read_config(folder)
    folder = Path(folder).resolve()
    rested = load_model(folder / "rested") if config["rest"] else None
    bundle = Bundle(folder, config, load_model(folder / "model"), rested, engine, threads)
    bundle.check_engine()
    return bundle
