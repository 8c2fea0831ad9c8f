"""The plain mean of several models' probabilities."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from wesadlib import models
from wesadlib.artefacts import write_json
from wesadlib.errors import InputError
from wesadlib.models.base import Examples, Model, check_rest_values


class Mean:
    """Models of the same classes, each fitted by itself; their probabilities are averaged with equal weights."""

    name = "mean"

    def __init__(self, members: Mapping[str, Model]):
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
        """Make an unfitted mean of the models that ``params.mean_of`` names."""
        _check_names(params.mean_of, "`mean_of`")
        return cls({name: models.create(name, params) for name in params.mean_of})

    @property
    def uses_rest_(self) -> bool:
        """Whether the members were fitted with windows at rest."""
        return any(member.uses_rest_ for member in self.members.values())

    @property
    def channels_(self) -> tuple[str, ...]:
        """What the members that read signals read; they learnt from the same windows, so all read the same."""
        return max((member.channels_ for member in self.members.values()), key=len)

    @property
    def feature_names_(self) -> tuple[str, ...]:
        """As `channels_`."""
        return max((member.feature_names_ for member in self.members.values()), key=len)

    @property
    def rate_hz_(self) -> float:
        """Rate of the signals that members read."""
        return next((member.rate_hz_ for member in self.members.values() if member.channels_), np.nan)

    def fit(self, train: Examples, validation=None, *, rest=None, seed: int, progress=None) -> Self:
        """Fit each member with the same arguments, so that each takes its own use of validation people."""
        for member in self.members.values():
            member.fit(train, validation, rest=rest, seed=seed, progress=progress)
        return self

    def predict_proba(self, signal: Any, feature: Any, rest: np.ndarray | None = None) -> np.ndarray:
        """Mean of the members' probabilities ``(window, state)``."""
        sizes = [member.rest_size_ for member in self.members.values()]
        check_rest_values(self, rest, len(feature if signal is None else signal))
        parts = [None] * len(sizes) if rest is None else np.split(rest, np.cumsum(sizes)[:-1], axis=1)
        members = zip(self.members.values(), parts, strict=True)
        return sum(member.predict_proba(signal, feature, part) for member, part in members) / len(sizes)

    def rest_values(self, signal: Any, feature: Any) -> np.ndarray:
        """Those of the members, one after the other, ``(value,)``."""
        return np.concatenate([member.rest_values(signal, feature) for member in self.members.values()])

    @property
    def rest_size_(self) -> int:
        """Number of values of a person's rest."""
        return sum(member.rest_size_ for member in self.members.values())

    def save(self, folder: str | Path) -> None:
        """Write a folder a member, called by its name, and, last, ``model.json``; other files are left alone."""
        for name, member in self.members.items():
            member.save(Path(folder) / name)
        write_json(Path(folder) / models.MODEL_FILE, {"model": self.name, "members": list(self.members)})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        path = Path(folder) / models.MODEL_FILE
        try:
            names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))["members"]]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: not the description of a saved model `{cls.name}`.") from None
        _check_names(names, f"{path}")
        return cls({name: _load_member(Path(folder) / name) for name in names})


def _load_member(folder: Path) -> Model:
    if not folder.is_dir():
        raise InputError(f"{folder}: this member of a saved mean is missing; save the model again.")
    member = models.load(folder)
    if member.name != folder.name:
        raise InputError(f"{folder}: holds the model `{member.name}`; save the model again.")
    return member


def _check_names(names: Sequence[str], where: str) -> None:
    # Names are looked up before they become paths, so a damaged file cannot lead out of its folder.
    others = [name for name in models.MODELS if name != Mean.name]
    for place, name in enumerate(names):
        if name not in others:
            kind = "a mean of itself" if name == Mean.name else f"unknown model `{name}`"
            raise InputError(f"{where}: {kind}; a mean may be of {', '.join(others)}.")
        if name in names[:place]:
            raise InputError(f"{where}: `{name}` twice; name each model once.")
