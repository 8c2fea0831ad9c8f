"""The residual network as a model, alone or with the window's features beside it, saved without pickle."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.augmentation import Augmentation
from wesadlib.models.base import (
    Examples,
    check_rest_values,
    encode_labels,
    mean_of_known,
    refuse_absent_state,
    require_features,
    rest_of_each,
    select_inputs,
)
from wesadlib.models.network import ResNet1D, RestWindows
from wesadlib.models.training import BestWeights, Curves, Report, TrainingConfig, choose_device, seeded
from wesadlib.models.training import train as train_network

WEIGHTS_FILE = "weights.safetensors"

#: Most windows at a time, so that feature maps stay in the processor's cache.
BATCH = 16


class ResNet:
    """One-dimensional residual network on the raw signals of a window.

    With `augment`, training sees windows altered by :class:`~wesadlib.models.augmentation.Augmentation`. With
    `pick_epoch`, validation people pick the epoch whose weights are kept, and training stops after `patience` epochs
    without a better loss of theirs; otherwise the weights after the last epoch are kept, averaged over about one epoch,
    and validation people are only watched. Further options are those of
    :class:`~wesadlib.models.training.TrainingConfig`. Fitted, `network_` is on the CPU, `history_` has a row an epoch
    (epoch, train_loss, validation_loss, learning_rate, seconds) and `best_epoch_` is the one that was kept.
    """

    name = "resnet"
    #: The network sees no features.
    feature_names_: tuple[str, ...] = ()

    def __init__(
        self,
        classes: Sequence[str] = ("baseline", "stress"),
        *,
        width: int = 16,
        dropout: float = 0.2,
        levels: bool = True,
        augment: bool = True,
        pick_epoch: bool = False,
        patience: int = 10,
        **training: Any,
    ):
        self.classes = list(classes)
        self.architecture = {"width": width, "dropout": dropout, "levels": levels}
        self.augment = augment
        self.validates = pick_epoch
        self.patience = patience
        self.training = TrainingConfig(**training)

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        names = ("width", "dropout", "levels", "pick_epoch", "patience", "epochs", "batch_size", "learning_rate")
        names += ("weight_decay", "label_smoothing", "precision")
        return cls(params.classes, **{name: getattr(params, name) for name in names})

    @property
    def rest_size_(self) -> int:
        """Values of a person's rest, 0 where the network was fitted without."""
        return (self.network_.measures + self.network_.maps) * self.uses_rest_

    def fit(self, train: Examples, validation=None, *, rest=None, seed: int, progress=None) -> Self:
        """Train: see :class:`wesadlib.models.Model`.

        `validation` picks the epoch whose weights are kept and when to stop or, where `pick_epoch` is False, is only
        watched: its loss is in the history and nothing follows from it. With `rest` the network also sees how far a
        window is from what the person shows at rest.
        """
        self._set_inputs(train)
        self.uses_rest_ = rest is not None
        target = self._target(train)
        refuse_absent_state(target.numpy(), self.classes)
        curves, best = Curves(), BestWeights(self.patience)
        picks = self.validates and validation is not None
        hooks = [curves, *([best] if picks else []), *([Report(progress)] if progress else [])]
        device = choose_device()
        with seeded(seed, device) as generator:
            self.network_ = self._make_network()
            self._learn_scales(train, rest)
            inputs, watching, at_rest = self._prepare(train, rest), None, None
            if validation is not None:
                watching = self._prepare(validation, rest), self._target(validation)
            if rest is not None:
                at_rest = RestWindows(self._measure(rest)[0], _number_people(rest, rest.subject))
            augment = self._augmentation() if self.augment else None
            network = self.network_.to(device)
            network = train_network(
                network, inputs, target, watching, self.training, generator, hooks, augment, at_rest
            )
        self.network_ = network.cpu().eval()
        self.history_ = curves.table()
        self.best_epoch_ = best.epoch or int(self.history_["epoch"].iloc[-1])
        return self

    def _set_inputs(self, train: Examples) -> None:
        if train.signal is None:
            raise InputError("these windows have no signals; the network reads nothing else.")
        self.channels_, self.units_, self.rate_hz_ = train.channels, train.units, train.rate_hz
        self.samples_ = train.signal.shape[2]

    def _make_network(self) -> ResNet1D:
        features = len(self.feature_names_)
        return ResNet1D(self.units_, len(self.classes), **self.architecture, features=features, rest=self.uses_rest_)

    def _target(self, examples: Examples) -> Tensor:
        return torch.from_numpy(encode_labels(examples, self.classes))

    @torch.no_grad()
    def _learn_scales(self, train: Examples, rest: Examples | None) -> None:
        network = self.network_
        signal, feature = self._tensors(*select_inputs(self, train))
        network.scale.learn(network.join_measures(network.normalisation(signal)[1], feature))
        if rest is not None:
            if not network.measures:
                raise InputError(f"the model `{self.name}` sees rest in the channels' levels; leave `levels` true.")
            network.rest_scale.learn(self._measure(train)[1] - self._measures_at_rest(train, rest))

    @torch.no_grad()
    def _measure(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Normalised signals, and measures on the scale of the training windows."""
        signal, feature = self._tensors(*select_inputs(self, examples))
        normal, levels = self.network_.normalisation(signal)
        return normal, self.network_.scale(self.network_.join_measures(levels, feature))

    def _measures_at_rest(self, examples: Examples, rest: Examples) -> Tensor:
        at_rest = self._measure(rest)[1].numpy()
        return torch.from_numpy(rest_of_each(lambda theirs: mean_of_known(at_rest[theirs]), rest, examples.subject))

    @torch.no_grad()
    def _prepare(self, examples: Examples, rest: Examples | None) -> tuple[Tensor, ...]:
        """All that happens to a window before the first trained weight, so that training does it once."""
        normal, measures = self._measure(examples)
        if rest is None:
            return normal, self.network_.compare(measures)
        measures = self.network_.compare(measures, self._measures_at_rest(examples, rest))
        return normal, measures, _number_people(rest, examples.subject)

    def _augmentation(self) -> Augmentation:
        mirrored = tuple(position for position, channel in enumerate(self.channels_) if "_acc_" in channel)
        # Measures, as the network orders them, are lost with their channel. A feature of several channels, such as the
        # magnitude of acceleration, belongs to none of them.
        channels = tuple(range(len(self.channels_))) * 2 * self.architecture["levels"]
        channels += tuple(
            next((k for k, channel in enumerate(self.channels_) if name.startswith(f"{channel}_")), -1)
            for name in self.feature_names_
        )
        return Augmentation(mirrored, channels * (1 + self.uses_rest_))

    def _tensors(self, signal: np.ndarray, feature: np.ndarray | None) -> tuple[Tensor, Tensor]:
        if signal.shape[2] != self.samples_:
            raise InputError(f"windows of {signal.shape[2]} samples; the model takes {self.samples_}.")
        feature = np.empty((len(signal), 0)) if feature is None else feature
        return _tensor(signal), _tensor(feature[:, : len(self.feature_names_)])

    def predict_proba(self, signal: np.ndarray, feature: Any, rest: np.ndarray | None = None) -> np.ndarray:
        """Probabilities ``(window, state)``: see :class:`wesadlib.models.Model`."""
        check_rest_values(self, rest, len(signal))
        inputs = (*self._tensors(signal, feature), *([] if rest is None else [_tensor(rest)]))
        logits = _in_batches(self.network_, *inputs).astype(float)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def rest_values(self, signal: np.ndarray, feature: Any) -> np.ndarray:
        """Mean measures on the network's scale, then mean pooled feature maps, ``(measure + map,)``."""
        return mean_of_known(_in_batches(self.network_.summarise, *self._tensors(signal, feature)))

    def save(self, folder: str | Path) -> None:
        """Write ``weights.safetensors`` and, last, ``model.json``; other files of the folder are left alone."""
        folder = Path(folder)
        with replacing(folder / WEIGHTS_FILE) as partial:
            save_file({name: value.contiguous() for name, value in self.network_.state_dict().items()}, partial)
        description = {
            "model": self.name,
            "classes": self.classes,
            "channels": self.channels_,
            "units": self.units_,
            "features": self.feature_names_,
            "rate_hz": self.rate_hz_,
            "samples": self.samples_,
            "architecture": self.architecture,
            "augment": self.augment,
            "pick_epoch": self.validates,
            "patience": self.patience,
            "training": vars(self.training),
            "best_epoch": self.best_epoch_,
            "uses_rest": self.uses_rest_,
        }
        write_json(folder / MODEL_FILE, description)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; the learning curves are not part of it."""
        folder = Path(folder)
        try:
            saved = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            options = {name: saved[name] for name in ("augment", "pick_epoch", "patience")}
            model = cls(saved["classes"], **options, **saved["architecture"], **saved["training"])
            names = ("channels", "units", "features")
            model.channels_, model.units_, model.feature_names_ = (tuple(saved[name]) for name in names)
            model.rate_hz_, model.samples_ = saved["rate_hz"], saved["samples"]
            model.best_epoch_, model.uses_rest_ = saved["best_epoch"], bool(saved["uses_rest"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{folder / MODEL_FILE}: not the description of a saved network.") from None
        model.network_ = model._make_network().eval()
        try:
            model.network_.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, SafetensorError, RuntimeError):
            raise InputError(
                f"{folder / WEIGHTS_FILE}: missing, damaged or of another network than {MODEL_FILE} describes."
            ) from None
        return model


class Joint(ResNet):
    """One network for both: what convolutions find in the signals, and what physiologists count in them.

    The features of a window stand beside its levels in front of the last layer, on the same robust scale, so that
    signals and features are weighed against each other in one fit. With windows at rest the differences from them join.
    A feature that is missing stands at the training windows' median. Parameters and attributes are those of
    :class:`ResNet`; `feature_names_` are all features that the training windows have.
    """

    name = "joint"

    def _set_inputs(self, train: Examples) -> None:
        super()._set_inputs(train)
        require_features(train)
        self.feature_names_ = train.feature_names


@torch.inference_mode()
def _in_batches(function: Any, *inputs: Tensor) -> np.ndarray:
    with torch.autocast("cpu", enabled=False):
        return torch.cat([function(*part) for part in zip(*(one.split(BATCH) for one in inputs), strict=True)]).numpy()


def _tensor(values: np.ndarray) -> Tensor:
    values = np.ascontiguousarray(values, np.float32)
    # Of an array that was read from bytes torch would warn.
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def _number_people(rest: Examples, subject: np.ndarray) -> Tensor:
    people = list(dict.fromkeys(rest.subject.tolist()))
    return torch.from_numpy(pd.Index(people).get_indexer(subject).astype(np.int64))
