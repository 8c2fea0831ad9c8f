"""The residual network as a model: windows in, probabilities out, saved without pickle."""

import json
from collections.abc import Callable
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
from wesadlib.models.contract import encode_labels, name_probabilities, refuse_absent_state, refuse_rest
from wesadlib.models.network import ResNet1D, WindowNormalisation, quantisation_noise
from wesadlib.models.training import BestWeights, Curves, Progress, Recipe, choose_device, predict, seeded
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
    patience : int
        Epochs without a better validation loss before training stops.
    **recipe
        Constants of training: the fields of :class:`~wesadlib.models.training.Recipe`.

    Attributes
    ----------
    network_ : ResNet1D
        The trained network, on the CPU.
    channels_, units_, rate_hz_, samples_
        What a window must look like; taken from the training windows.
    history_ : DataFrame
        A row an epoch: epoch, train_loss, validation_loss, learning_rate, seconds.
    best_epoch_ : int
        The epoch whose weights were kept: the one of lowest validation loss, or the last where nothing was validated.
    """

    name = "resnet"
    validates = True

    def __init__(
        self,
        classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"),
        *,
        width: int = 16,
        dropout: float = 0.2,
        levels: bool = True,
        augment: bool = True,
        patience: int = 10,
        **recipe: Any,
    ):
        self.classes = list(classes)
        self.architecture = {"width": width, "dropout": dropout, "levels": levels}
        self.augment = augment
        self.patience = patience
        self.recipe = Recipe(**recipe)

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Make an unfitted model of a run's parameters."""
        names = ("width", "dropout", "levels", "patience", "epochs", "batch_size", "learning_rate", "weight_decay")
        names += ("label_smoothing", "precision")
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
            Windows of other people, to choose the epoch whose weights are kept and when to stop. Without them the
            network trains for all its epochs and keeps the last weights.
        rest : Dataset, optional
            Not used by this model: it is refused.
        seed : int
            Everything random follows from it.
        progress : callable, optional
            Called after each epoch with epoch, epochs, training loss, validation loss (NaN without validation).

        Raises
        ------
        InputError
            When a window's label is none of the model's classes, a class has no window, or a signal is infinite.
        """
        refuse_rest(self.name, rest)
        self.channels_ = [str(channel) for channel in train["channel"].values]
        self.units_ = [str(unit) for unit in train["units"].values]
        self.rate_hz_ = float(train.attrs["rate_hz"])
        self.samples_ = train.sizes["time"]
        signal, target = self._tensors(train)
        refuse_absent_state(target.numpy(), self.classes)
        held_back = None if validation is None else self._tensors(validation)

        curves, best = Curves(), BestWeights(self.patience)
        hooks = [curves, *([best] if held_back else []), *([Progress(progress)] if progress else [])]
        augment = Augmentation(self._mirrored()) if self.augment else None
        device = choose_device()
        with seeded(seed, device) as generator:
            network = ResNet1D(self.units_, len(self.classes), **self.architecture)
            network.set_levels(signal)
            network = train_network(
                network.to(device), signal, target, held_back, self.recipe, generator, hooks, augment
            )
        self.network_ = network.cpu().eval()
        self.history_ = curves.table()
        self.best_epoch_ = best.epoch or int(self.history_["epoch"].iloc[-1])
        return self

    def _mirrored(self) -> tuple[int, ...]:
        return tuple(position for position, channel in enumerate(self.channels_) if "_acc_" in channel)

    def predict_proba(self, windows: xr.Dataset, *, rest: xr.Dataset | None = None) -> xr.DataArray:
        """Probabilities ``(window, state)``, in float32.

        Raises
        ------
        InputError
            When a channel is missing or rate or length are not those of training, or a signal is infinite.
        """
        refuse_rest(self.name, rest)
        signal = self._signal(windows)
        probability = torch.softmax(predict(self.network_, signal).double(), dim=1).numpy()
        return name_probabilities(probability, windows, self.classes)

    def _signal(self, windows: xr.Dataset) -> Tensor:
        absent = [channel for channel in self.channels_ if channel not in windows["channel"].values]
        if absent:
            raise InputError(f"channel `{absent[0]}` is missing; the model takes {', '.join(self.channels_)}.")
        signal = windows["signal"].sel(channel=self.channels_).transpose("window", "channel", "time")
        rate = float(windows.attrs["rate_hz"])
        if (signal.sizes["time"], rate) != (self.samples_, self.rate_hz_):
            raise InputError(
                f"windows of {signal.sizes['time']} samples at {rate:g} Hz; "
                f"the model takes {self.samples_} samples at {self.rate_hz_:g} Hz."
            )
        values = signal.values.astype(np.float32)
        infinite = np.isinf(values).any(axis=(0, 2))
        if infinite.any():
            raise InputError(f"channel `{self.channels_[infinite.argmax()]}` holds an infinite value.")
        return torch.from_numpy(values)

    def _tensors(self, windows: xr.Dataset) -> tuple[Tensor, Tensor]:
        return self._signal(windows), torch.from_numpy(encode_labels(windows, self.classes))

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
            "rate_hz": self.rate_hz_,
            "samples": self.samples_,
            "architecture": self.architecture,
            "augment": self.augment,
            "patience": self.patience,
            "recipe": vars(self.recipe),
            "best_epoch": self.best_epoch_,
        }
        write_json(folder / MODEL_FILE, description)

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
            options = {name: saved[name] for name in ("augment", "patience")}
            model = cls(saved["classes"], **options, **saved["architecture"], **saved["recipe"])
            model.channels_, model.units_ = saved["channels"], saved["units"]
            model.rate_hz_, model.samples_ = saved["rate_hz"], saved["samples"]
            model.best_epoch_ = saved["best_epoch"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{folder / MODEL_FILE}: not the description of a saved network.") from None
        model.network_ = ResNet1D(model.units_, len(model.classes), **model.architecture).eval()
        try:
            model.network_.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, SafetensorError, RuntimeError):
            raise InputError(
                f"{folder / WEIGHTS_FILE}: missing, damaged or of another network than {MODEL_FILE} describes."
            ) from None
        return model


def tabulate_levels(windows: xr.Dataset) -> pd.DataFrame:
    """What the network's normalisation takes away from each window.

    Parameters
    ----------
    windows : Dataset
        Windows with `signal` ``(window, channel, time)``, `subject` and `label`.

    Returns
    -------
    DataFrame
        A row a window and channel: subject, label, channel, units, mean (in these units), log_spread (natural logarithm
        of the spread in these units); NaN where the channel has no sample.
    """
    signal = windows["signal"].transpose("window", "channel", "time")
    normalisation = WindowNormalisation(quantisation_noise([str(unit) for unit in windows["units"].values]))
    values = normalisation(torch.from_numpy(signal.values.astype(np.float32)))[1].numpy()
    mean, log_spread = np.split(values, 2, axis=1)
    levels = xr.Dataset({"mean": (("window", "channel"), mean), "log_spread": (("window", "channel"), log_spread)})
    levels = levels.assign_coords({name: windows[name] for name in ("subject", "label", "channel", "units")})
    columns = ["subject", "label", "channel", "units", "mean", "log_spread"]
    return levels.to_dataframe().reset_index()[columns]
