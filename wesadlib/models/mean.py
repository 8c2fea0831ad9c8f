"""The plain mean of several models' probabilities."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from wesadlib import models
from wesadlib.artefacts import write_json
from wesadlib.errors import InputError
from wesadlib.models.predictor import Predictor, check_profile


class Mean:
    """Several models, each fitted as it would be by itself; their probabilities are averaged with equal weights.

    Parameters
    ----------
    members : mapping of str to Model
        Registered name -> model; all of the same classes.

    Attributes
    ----------
    members : dict of str to Model
        The same.
    validates : bool
        Whether a member has something to stop.

    Raises
    ------
    InputError
        When there is no member, or members tell other states apart.
    """

    name = "mean"

    def __init__(self, members: Mapping[str, models.Model]):
        self.members = dict(members)
        if not self.members:
            raise InputError("a mean of no models; name some in `mean_of`.")
        first, *others = self.members
        self.classes = list(self.members[first].classes)
        for other in others:
            if self.members[other].classes != self.classes:
                raise InputError(
                    f"the model `{other}` tells {', '.join(self.members[other].classes)} apart and `{first}` "
                    f"{', '.join(self.classes)}; a mean is of the same states in the same order."
                )
        self.validates = any(getattr(member, "validates", True) for member in self.members.values())

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted mean of the models that ``params.mean_of`` names.

        Raises
        ------
        InputError
            When a name is unknown, `mean` itself, or there twice.
        """
        _check_names(params.mean_of, "`mean_of`")
        return cls({name: models.create(name, params) for name in params.mean_of})

    def fit(
        self,
        train: xr.Dataset,
        validation: xr.Dataset | None = None,
        *,
        rest: xr.Dataset | None = None,
        seed: int,
        progress: Callable[[int, int, float, float], None] | None = None,
    ) -> Self:
        """Fit each member with the same arguments; one that has nothing to stop learns from validation people itself.

        Parameters
        ----------
        train : Dataset
            Windows, with all that the members take.
        validation : Dataset, optional
            The same of other people.
        rest : Dataset, optional
            Windows at rest of all these people, given to every member.
        seed : int
            Given to every member.
        progress : callable, optional
            Called by the members that have epochs.

        Raises
        ------
        InputError
            When a member refuses what it is given.
        """
        for member in self.members.values():
            member.fit(train, validation, rest=rest, seed=seed, progress=progress)
        return self

    def predict_proba(self, windows: xr.Dataset, *, rest: xr.Dataset | None = None) -> xr.DataArray:
        """Probabilities ``(window, state)``: the mean of the members'.

        Raises
        ------
        InputError
            When a member refuses what it is given.
        """
        parts = [member.predict_proba(windows, rest=rest) for member in self.members.values()]
        first = parts[0].transpose("window", "state")
        return first.copy(data=sum(part.transpose("window", "state").values for part in parts) / len(parts))

    def predictor(
        self, channels: Sequence[str] | None, feature_names: Sequence[str] | None, *, threads: int = 1
    ) -> "MeanPredictor":
        """Predict from plain arrays: see :meth:`wesadlib.models.Model.predictor`."""
        members = self.members.values()
        return MeanPredictor([member.predictor(channels, feature_names, threads=threads) for member in members])

    @property
    def rested_(self) -> bool:
        """Whether the members were fitted with windows at rest."""
        return any(member.rested_ for member in self.members.values())

    def save(self, folder: str | Path, save_member: "Callable[[models.Model, Path], None] | None" = None) -> None:
        """Write a folder a member, called by its name, and, last, ``model.json``; other files are left alone.

        Parameters
        ----------
        folder : path
        save_member : callable, optional
            Writes a member into its folder, in place of the member's own `save`.
        """
        for name, member in self.members.items():
            path = Path(folder) / name
            member.save(path) if save_member is None else save_member(member, path)
        write_json(Path(folder) / models.MODEL_FILE, {"model": self.name, "members": list(self.members)})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            When the description is damaged, or a member's folder is missing, damaged or another model's.
        """
        path = Path(folder) / models.MODEL_FILE
        try:
            names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))["members"]]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: not the description of a saved model `{cls.name}`.") from None
        _check_names(names, f"{path}")
        members = {name: _load_member(Path(folder) / name) for name in names}
        return cls(members)


class MeanPredictor:
    """The members' predictors: a :class:`~wesadlib.models.predictor.Predictor`; profiles stand one after the other."""

    def __init__(self, members: Sequence[Predictor]):
        self._members = members
        self.profile_size = sum(member.profile_size for member in members)
        self._borders = np.cumsum([member.profile_size for member in members])[:-1]

    def __call__(
        self, signal: np.ndarray | None, feature: np.ndarray | None, profile: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities ``(window, state)``."""
        windows = len(feature if signal is None else signal)
        check_profile(Mean.name, self, profile, windows)
        own = [None] * len(self._members) if profile is None else np.split(profile, self._borders, axis=1)
        parts = [member(signal, feature, part) for member, part in zip(self._members, own, strict=True)]
        return sum(parts) / len(parts)

    def profile(self, signal: np.ndarray | None, feature: np.ndarray | None) -> np.ndarray:
        """The members' profiles, ``(value,)``."""
        return np.concatenate([member.profile(signal, feature) for member in self._members])


def _load_member(folder: Path) -> models.Model:
    if not folder.is_dir():
        raise InputError(f"{folder}: this member of a saved mean is missing; save the model again.")
    member = models.load(folder)
    if member.name != folder.name:
        raise InputError(f"{folder}: holds the model `{member.name}`; save the model again.")
    return member


def _check_names(names: list[str], where: str) -> None:
    # Names are looked up before they become paths, so a damaged file cannot lead out of its folder.
    others = [name for name in models.MODELS if name != Mean.name]
    for place, name in enumerate(names):
        if name not in others:
            kind = "a mean of itself" if name == Mean.name else f"unknown model `{name}`"
            raise InputError(f"{where}: {kind}; a mean may be of {', '.join(others)}.")
        if name in names[:place]:
            raise InputError(f"{where}: `{name}` twice; name each model once.")
