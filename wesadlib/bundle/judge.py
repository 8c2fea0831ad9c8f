"""The inside of a bundle: native windows to plain arrays, and these to answers, by quality, features and model."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from wesadlib.bundle.answer import Judged, Voice
from wesadlib.bundle.example import Example
from wesadlib.errors import InputError
from wesadlib.features import feature_values
from wesadlib.models import Fitted
from wesadlib.models.predictor import Predictor
from wesadlib.quality import assess_arrays
from wesadlib.signals import Windows, windows_from_channels

#: Least number of good windows from which a person's rest is taken.
LEAST_REST = 2

#: Native samples of each channel of one window, and the rate of each.
Channels = tuple[Mapping[str, np.ndarray], Mapping[str, float]]


class Judge:
    """What a bundle's models say of windows that can be used.

    Parameters
    ----------
    config : mapping
        The bundle's configuration.
    models : mapping of bool to Fitted
        Whether the person's rest is known -> what answers then.
    example : Example
        Which features there are is seen on it.
    threads : int
        How many threads compute, which callers that ask at the same time share.

    Attributes
    ----------
    feature_names : tuple of str
        Names of the features that are computed of a window.
    """

    def __init__(self, config: Mapping[str, Any], models: Mapping[bool, Fitted], example: Example, threads: int):
        self._channels, self._quality = list(config["channels"]), config["quality"]
        self._shape = {"rate_hz": config["rate_hz"], "window_s": config["window_s"]}
        self._voice = Voice(config)
        self._windows = partial(example.windows, config["window_s"], config["window_s"] / 2)
        self.feature_names = feature_values(self.harmonise(self._windows()[:1]))[1]
        self._predictors: dict[bool, Predictor] = {
            known: model.predictor(self._channels, self.feature_names, threads=threads)
            for known, model in models.items()
        }

    def trial(self) -> tuple[np.ndarray, np.ndarray]:
        """Windows of the example, to try models with: ``(window, channel, time)`` and ``(window, feature_name)``."""
        arrays = self.harmonise(self._windows())
        return arrays.signal, feature_values(arrays)[0]

    def harmonise(self, windows: Sequence[Channels]) -> Windows:
        """Bring windows of the bundle's channels, in whichever order, to the common rate."""
        ordered = [tuple({name: part[name] for name in self._channels} for part in window) for window in windows]
        return windows_from_channels(ordered, **self._shape)

    def answer(self, windows: Windows, profiles: Sequence[np.ndarray | None]) -> list[Judged]:
        """Answer windows, each by the model for what is known of its person.

        Parameters
        ----------
        windows : Windows
        profiles : sequence of ndarray (value,) or None
            The rest of each window's person, from :meth:`rest_profile`.
        """
        assessed = assess_arrays(windows, self._quality)
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

    def rest_profile(self, windows: Windows) -> np.ndarray:
        """What is kept of a person's rest, ``(value,)``, from the windows of good quality.

        Raises
        ------
        InputError
            When these are too few.
        """
        good = assess_arrays(windows, self._quality).verdict
        require_rest(int(good.sum()), len(windows))
        chosen = windows.take(good)
        return self._predictors[True].profile(chosen.signal, feature_values(chosen)[0])


def require_rest(good: int, given: int) -> None:
    """Raise :class:`InputError` where good windows at rest are too few."""
    if good < LEAST_REST:
        raise InputError(f"{good} of {given} windows at rest are of good quality; at least {LEAST_REST} are needed.")
