"""The residual network as a model: windows in, probabilities out, saved without pickle."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from wesadlib.artefacts import replacing, write_json
from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.augmentation import Augmentation
from wesadlib.models.contract import encode_labels, refuse_absent_state, rest_of_each
from wesadlib.models.eager import run_eagerly, to_tensor
from wesadlib.models.looking import Look, NetworkPredictor
from wesadlib.models.network import ResNet1D
from wesadlib.models.predictor import arrays_of, predict_windows
from wesadlib.models.rest import Rest
from wesadlib.models.training import BestWeights, Curves, Progress, Recipe, choose_device, seeded
from wesadlib.models.training import train as train_network

WEIGHTS_FILE = "weights.safetensors"


class ResNet:
    """One-dimensional residual network on the raw signals of a window.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    width, dropout, levels
        See :class:`~wesadlib.models.network.ResNet1D`.
    augment : bool
        Whether training sees windows altered by :class:`~wesadlib.models.augmentation.Augmentation`.
    pick_epoch : bool
        Whether validation people pick the epoch whose weights are kept. Otherwise the weights after the last epoch are
        kept, averaged over about one epoch, and validation people are only watched.
    patience : int
        Epochs without a better validation loss before training stops, where an epoch is picked.
    **recipe
        Constants of training: the fields of :class:`~wesadlib.models.training.Recipe`.

    Attributes
    ----------
    validates : bool
        As `pick_epoch`: whether validation people decide anything. Where they do not, they had better teach.
    network_ : ResNet1D
        The trained network, on the CPU.
    rested_ : bool
        Whether it was fitted with windows at rest, so that it predicts with them.
    channels_, units_, rate_hz_, samples_
        What a window must look like; taken from the training windows.
    history_ : DataFrame
        A row an epoch: epoch, train_loss, validation_loss, learning_rate, seconds.
    best_epoch_ : int
        The epoch whose weights were kept: the one of lowest validation loss where one is picked, else the last.
    """

    name = "resnet"
    #: The network sees no features.
    feature_names_: Sequence[str] = ()

    def __init__(
        self,
        classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"),
        *,
        width: int = 16,
        dropout: float = 0.2,
        levels: bool = True,
        augment: bool = True,
        pick_epoch: bool = False,
        patience: int = 10,
        **recipe: Any,
    ):
        self.classes = list(classes)
        self.architecture = {"width": width, "dropout": dropout, "levels": levels}
        self.augment = augment
        self.validates = pick_epoch
        self.patience = patience
        self.recipe = Recipe(**recipe)

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        names = ("width", "dropout", "levels", "pick_epoch", "patience", "epochs", "batch_size", "learning_rate")
        names += ("weight_decay", "label_smoothing", "precision")
        return cls(params.classes, **{name: getattr(params, name) for name in names})

    def fit(
        self,
        train: xr.Dataset,
        validation: xr.Dataset | None = None,
        *,
        rest: xr.Dataset | None = None,
        seed: int,
        progress: Callable[[int, int, float, float], None] | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        train : Dataset
            Windows with `signal` ``(window, channel, time)``, in native units, and `label`.
        validation : Dataset, optional
            Windows of other people: they pick the epoch whose weights are kept and when to stop, or, where
            `pick_epoch` is False, are only watched: their loss is in the history and nothing follows from it.
        rest : Dataset, optional
            Windows at rest of all these people, with the coordinate `subject`: then the network also sees how far a
            window is from what the person shows at rest.
        seed : int
            Everything random follows from it.
        progress : callable, optional
            Called after each epoch with epoch, epochs, training loss, validation loss (NaN without validation).

        Raises
        ------
        InputError
            When a window's label is none of the model's classes, a class has no window, a signal is infinite, a person
            has no window at rest where others have, or rest is given to a network without levels.
        """
        self._meet(train)
        self.rested_ = rest is not None
        target = torch.from_numpy(encode_labels(train, self.classes))
        refuse_absent_state(target.numpy(), self.classes)
        curves, best = Curves(), BestWeights(self.patience)
        picking = self.validates and validation is not None
        hooks = [curves, *([best] if picking else []), *([Progress(progress)] if progress else [])]
        device = choose_device()
        with seeded(seed, device) as generator:
            self.network_ = self._make_network()
            if self.rested_ and not self.network_.rest_scale.median.numel():
                raise InputError(f"the model `{self.name}` sees rest in the channels' levels; leave `levels` true.")
            self.network_.learn_scale(*self._look(train))
            inputs = self._inputs(train, rest)
            if self.rested_:
                self.network_.learn_rest_scale(*inputs[:3])
            watched = None
            if validation is not None:
                watched = self._inputs(validation, rest), torch.from_numpy(encode_labels(validation, self.classes))
            augment = self._augmentation() if self.augment else None
            # While the network is where the windows are.
            at_rest = self._rest(rest)
            network = self.network_.to(device)
            network = train_network(network, inputs, target, watched, self.recipe, generator, hooks, augment, at_rest)
        self.network_ = network.cpu().eval()
        self.history_ = curves.table()
        self.best_epoch_ = best.epoch or int(self.history_["epoch"].iloc[-1])
        return self

    def predict_proba(self, windows: xr.Dataset, *, rest: xr.Dataset | None = None) -> xr.DataArray:
        """Probabilities ``(window, state)``, in float32.

        Parameters
        ----------
        windows : Dataset
            Windows with `signal` ``(window, channel, time)``; with `rest` also `subject`.
        rest : Dataset, optional
            Windows at rest of the people in `windows`: needed by a model that was fitted with rest, and by no other.

        Raises
        ------
        InputError
            When a channel is missing or rate or length are not those of training, a signal is infinite, rest is given
            to a model that was fitted without or the other way round, or a person has no window at rest.
        """
        for part in (windows, rest):
            if part is not None:
                self._check_cut(part)
        return predict_windows(self, windows, rest)

    def predictor(
        self, channels: Sequence[str] | None, feature_names: Sequence[str] | None, *, threads: int = 1
    ) -> NetworkPredictor:
        """Predict from plain arrays: see :meth:`wesadlib.models.Model.predictor`."""
        return NetworkPredictor(self, channels, feature_names, run_eagerly(self.network_, threads))

    @property
    def profile_size(self) -> int:
        """Values of a person's profile, 0 where the network was fitted without rest."""
        return self.network_.head.in_features // 2 if self.rested_ else 0

    def _meet(self, train: xr.Dataset) -> None:
        self.channels_ = [str(channel) for channel in train["channel"].values]
        self.units_ = [str(unit) for unit in train["units"].values]
        self.rate_hz_ = float(train.attrs["rate_hz"])
        self.samples_ = train.sizes["time"]

    def _make_network(self) -> ResNet1D:
        return ResNet1D(self.units_, len(self.classes), **self.architecture, rest=self.rested_)

    def _inputs(self, windows: xr.Dataset, rest: xr.Dataset | None) -> tuple[Tensor, ...]:
        """What the network takes of windows: `_look`, each person's mean measures at rest, and the person's number."""
        seen = self._look(windows)
        if rest is None:
            return seen
        at_rest = self.network_.measure(*self._look(rest)).numpy()
        measures = rest_of_each(at_rest, windows, rest)
        person = pd.Index(_people(rest)).get_indexer(windows["subject"].values.astype(str))
        return *seen, torch.from_numpy(measures), torch.from_numpy(person.astype(np.int64))

    def _rest(self, rest: xr.Dataset | None) -> Rest | None:
        if rest is None:
            return None
        person = pd.Index(_people(rest)).get_indexer(rest["subject"].values.astype(str))
        normal = self.network_.normalisation(self._look(rest)[0])[0]
        return Rest(normal, torch.from_numpy(person.astype(np.int64)))

    def _look(self, windows: xr.Dataset) -> tuple[Tensor, Tensor]:
        """Signals ``(window, channel, time)`` and the features that this model takes, ``(window, feature)``."""
        self._check_cut(windows)
        arrays = arrays_of(windows)
        signals, features = Look(self, arrays.channels, arrays.feature_names)(arrays.signal, arrays.feature)
        return to_tensor(signals), to_tensor(features)

    def _check_cut(self, windows: xr.Dataset) -> None:
        samples, rate = windows.sizes["time"], float(windows.attrs["rate_hz"])
        if (samples, rate) != (self.samples_, self.rate_hz_):
            raise InputError(
                f"windows of {samples} samples at {rate:g} Hz; "
                f"the model takes {self.samples_} samples at {self.rate_hz_:g} Hz."
            )

    def _augmentation(self) -> Augmentation:
        mirrored = tuple(position for position, channel in enumerate(self.channels_) if "_acc_" in channel)
        return Augmentation(mirrored, self._channel_of_measures() * (1 + self.rested_))

    def _channel_of_measures(self) -> tuple[int, ...]:
        """Position of the channel that each measure, as the network orders them, is lost with."""
        return tuple(range(len(self.channels_))) * 2 * self.architecture["levels"]

    def save(self, folder: str | Path) -> None:
        """Write ``weights.safetensors`` and, last, ``model.json``; other files of the folder are left alone."""
        folder = Path(folder)
        with replacing(folder / WEIGHTS_FILE) as partial:
            save_file({name: value.contiguous() for name, value in self.network_.state_dict().items()}, partial)
        write_json(folder / MODEL_FILE, self._describe())

    def _describe(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "classes": self.classes,
            "channels": self.channels_,
            "units": self.units_,
            "rate_hz": self.rate_hz_,
            "samples": self.samples_,
            "architecture": self.architecture,
            "augment": self.augment,
            "pick_epoch": self.validates,
            "patience": self.patience,
            "recipe": vars(self.recipe),
            "best_epoch": self.best_epoch_,
            "rested": self.rested_,
        }

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote; the learning curves are not part of it.

        Raises
        ------
        InputError
            When a file is missing, damaged, or does not belong to the other.
        """
        folder = Path(folder)
        try:
            saved = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            options = {name: saved[name] for name in ("augment", "pick_epoch", "patience")}
            model = cls(saved["classes"], **options, **saved["architecture"], **saved["recipe"])
            model.channels_, model.units_ = saved["channels"], saved["units"]
            model.rate_hz_, model.samples_ = saved["rate_hz"], saved["samples"]
            model.best_epoch_, model.rested_ = saved["best_epoch"], bool(saved["rested"])
            model._recall(saved)
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

    def _recall(self, saved: dict[str, Any]) -> None:
        """Take further values from a saved description; there are none."""


def _people(rest: xr.Dataset) -> list[str]:
    return list(dict.fromkeys(rest["subject"].values.astype(str)))
