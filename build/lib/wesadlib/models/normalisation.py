"""What leaves the convolutions aside: a channel's level, how strongly it moves, and on which scale both are read."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from wesadlib.errors import InputError

#: Step of the coarsest device that gives a unit: Empatica E4 (1/64 g, 0.02 degC, about 0.001 uS, 0.01 a.u.), RespiBAN
#: (16 bits over 3 mV and over 100 %).
RESOLUTION = {"g": 1 / 64, "degC": 0.02, "uS": 0.001, "a.u.": 0.01, "mV": 3 / 2**16, "percent": 100 / 2**16}

#: Units whose mean is read as its logarithm. Skin conductance adds up many sweat ducts side by side and differs between
#: people by factors, not by amounts: its distribution over people is near log-normal (Boucsein, 2012).
LOGARITHMIC = ("uS",)

#: Interquartile range of a normal distribution of spread 1.
NORMAL_RANGE = 1.349


def quantisation_noise(units: Sequence[str]) -> list[float]:
    """Standard deviation of rounding to a unit's resolution, resolution / sqrt(12), for each channel."""
    unknown = sorted(set(units) - set(RESOLUTION))
    if unknown:
        raise InputError(f"unknown unit `{unknown[0]}`; the network knows {', '.join(RESOLUTION)}.")
    return [RESOLUTION[unit] / 12**0.5 for unit in units]


class WindowNormalisation(nn.Module):
    """Each channel of each window to mean 0 and spread 1, by itself: no other window has a say.

    The spread is ``sqrt(variance + noise ** 2)``, where `noise` is the quantisation noise of the channel's unit: a flat
    channel becomes zeros instead of magnified rounding. Missing samples (NaN) count in neither mean nor variance and
    become 0, the channel's own mean; a channel of nothing but NaN becomes zeros. The quality gate refuses such windows
    long before; here they only must not spread. Sums are taken in double precision, so that a window by itself, which
    may be added up in another order, gives the same as among others.
    """

    def __init__(self, units: Sequence[str]):
        super().__init__()
        self.register_buffer("noise", torch.tensor(quantisation_noise(units), dtype=torch.float32))
        self.register_buffer("logarithmic", torch.tensor([unit in LOGARITHMIC for unit in units]))

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised ``(window, channel, time)``, and what that threw away, ``(window, 2 * channel)``.

        The latter are the channels' means (of a channel in one of the units :data:`LOGARITHMIC` its logarithm, no
        smaller than that of the quantisation noise), then the logarithms of their spreads; NaN without a sample.
        """
        present = ~torch.isnan(signal)
        count = present.sum(-1, keepdim=True)
        sampled, count = count > 0, count.clamp(min=1)
        mean = torch.where(present, signal, 0).sum(-1, keepdim=True, dtype=torch.float64) / count
        deviation = torch.where(present, signal - mean.to(signal.dtype), 0)
        variance = deviation.square().sum(-1, keepdim=True, dtype=torch.float64) / count
        noise = self.noise[:, None].double()
        spread = (variance + noise.square()).sqrt()
        level = torch.where(self.logarithmic[:, None], torch.maximum(mean, noise).log(), mean)
        levels = torch.cat([torch.where(sampled, value, torch.nan) for value in (level, spread.log())], dim=1)
        return deviation * (1 / spread).to(signal.dtype), levels.squeeze(-1).to(signal.dtype)


class RobustScale(nn.Module):
    """Values on the scale of the training windows: 0 at their median, linear around it, logarithmic far from it.

    ``arcsinh((value - median) / spread)``, with the spread from the interquartile range: a person outside of what
    training showed, or a burst of movement, must not outvote all else. What is unknown (NaN) stays so. In double
    precision: a spread may be so small that a value's last digit tells.
    """

    def __init__(self, values: int):
        super().__init__()
        self.register_buffer("median", torch.zeros(values))
        self.register_buffer("spread", torch.ones(values))

    def forward(self, values: Tensor) -> Tensor:
        """Scale ``(window, value)``."""
        return torch.asinh((values.double() - self.median) / self.spread).to(values.dtype)

    @torch.no_grad()
    def learn(self, values: Tensor) -> None:
        """Keep median and spread of the training windows' ``(window, value)``.

        Where half of the windows share one value the spread is the standard deviation; what is the same in all of
        them, or never known, gets spread 1.
        """
        if not self.median.numel():
            return
        learnable = ~torch.isnan(values).all(0)
        low, middle, high = torch.nanquantile(values, torch.tensor([0.25, 0.5, 0.75]), dim=0)
        deviation = (values - values.nanmean(0)).square().nanmean(0).sqrt()
        spread = torch.where(high > low, (high - low) / NORMAL_RANGE, deviation)
        self.median.copy_(torch.where(learnable, middle, 0))
        self.spread.copy_(torch.where(learnable & (spread > 0), spread, 1))


def tabulate_levels(windows: xr.Dataset) -> pd.DataFrame:
    """What normalisation takes away from each window: a row a window and channel, NaN without a sample.

    Columns: subject, label, channel, units, mean (where the units read ln(…), the logarithm of the mean), log_spread.
    """
    signal = windows["signal"].transpose("window", "channel", "time")
    units = [str(unit) for unit in windows["units"].values]
    normalisation = WindowNormalisation(units)
    values = normalisation(torch.from_numpy(signal.values.astype(np.float32)))[1].numpy()
    mean, log_spread = np.split(values, 2, axis=1)
    levels = xr.Dataset({"mean": (("window", "channel"), mean), "log_spread": (("window", "channel"), log_spread)})
    levels = levels.assign_coords({name: windows[name] for name in ("subject", "label", "channel")})
    read = [f"ln({unit})" if unit in LOGARITHMIC else unit for unit in units]
    levels = levels.assign_coords(units=("channel", read))
    columns = ["subject", "label", "channel", "units", "mean", "log_spread"]
    return levels.to_dataframe().reset_index()[columns]


def separate_by_level(levels: pd.DataFrame, state: str, other: str) -> pd.Series:
    """Area under the ROC curve for `state` of each channel's levels: above 0.5 where the level is higher in it."""
    table = levels[levels["label"].isin([state, other])].melt(["label", "channel"], ["mean", "log_spread"]).dropna()
    groups = table.groupby(["channel", "variable"])[["label", "value"]]
    return groups.apply(lambda part: roc_auc_score(part["label"] == state, part["value"]))
