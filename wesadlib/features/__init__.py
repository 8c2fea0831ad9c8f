"""Windows to features: numbers with a name, a unit and a definition."""

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.features.block import Block, Feature, Group
from wesadlib.features.cardiac import CARDIAC
from wesadlib.features.effects import correlate, headline_features, measure_effects, responses_by_person
from wesadlib.features.electrodermal import ELECTRODERMAL
from wesadlib.features.motion import MOTION
from wesadlib.features.respiratory import RESPIRATORY
from wesadlib.features.statistics import STATISTICS, THERMAL
from wesadlib.signals import Windows

GROUPS = (STATISTICS, CARDIAC, ELECTRODERMAL, RESPIRATORY, THERMAL, MOTION)
__all__ = [
    "correlate",
    "describe_features",
    "extract_features",
    "feature_values",
    "headline_features",
    "measure_effects",
    "responses_by_person",
]


def extract_features(windows: xr.Dataset) -> xr.Dataset:
    """Features of every window, each from that window alone.

    Parameters
    ----------
    windows : xr.Dataset
        ``signal (window, channel, time)``, ``beat_s (window, beat_source, beat)`` and the attribute ``rate_hz``.

    Returns
    -------
    xr.Dataset
        The same with ``feature (window, feature_name)``, float64, whose names are ``<channel>_<statistic>``; NaN where
        the channel does not allow a reading.
    """
    for name in ("signal", "beat_s"):
        if name not in windows:
            raise InputError(f"these windows hold no `{name}`; windows are made by make_windows.")
    if "rate_hz" not in windows.attrs:
        raise InputError("these windows lack the attribute `rate_hz`, their sampling rate.")
    values, names = feature_values(Windows.from_dataset(windows))
    bare = windows.drop_dims("feature_name") if "feature_name" in windows.dims else windows
    return bare.assign({"feature": (("window", "feature_name"), values), "feature_name": list(names)})


def feature_values(windows: Windows) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values (window, feature_name), float64, that :func:`extract_features` finds, and the features' names."""
    chunks = []
    for block in map(_block, windows.chunks()):
        chunks.append({name: value for group in GROUPS for name, value in group.extract(block).items()})
    values = [np.array(list(chunk.values())).reshape(len(chunk), -1).T for chunk in chunks]
    return np.concatenate(values), tuple(chunks[0])


def _block(windows: Windows) -> Block:
    # A copy with the windows of each channel one after the other, in which dead ones can be blanked.
    precision = np.float32 if windows.signal.dtype == np.float32 else np.float64
    samples = np.array(windows.signal.swapaxes(0, 1), precision, order="C")
    samples[_dead(samples, windows.channels)] = np.nan
    return Block(
        signal=dict(zip(windows.channels, samples, strict=True)),
        beat_s=dict(zip(windows.beat_sources, windows.beat_s.swapaxes(0, 1), strict=True)),
        rate_hz=windows.rate_hz,
        window_s=windows.window_s,
    )


def _dead(samples: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Which channels of which windows (channel, window) give one value throughout, as no living sensor does.

    One axis of an accelerometer that lies still may, but not all of them.
    """
    flat = np.fmin.reduce(samples, axis=-1) == np.fmax.reduce(samples, axis=-1)
    for device in {name.partition("_acc_")[0] for name in names if "_acc_" in name}:
        axes = [k for k, name in enumerate(names) if name.startswith(f"{device}_acc_")]
        flat[axes] = flat[axes].all(axis=0)
    return flat


def describe_features(windows: xr.Dataset | None = None) -> pd.DataFrame:
    """Tabulate the features: columns ``name group applies_to unit definition source``.

    Of windows with features, a row for each of theirs, in their order, with the channel's own unit; without, a row for
    each kind of feature, whose name is ``<channel>_<statistic>`` and whose ``{unit}`` stands for the channel's.
    """
    kinds = [(group, feature) for group in GROUPS for feature in group.features]
    if windows is None:
        return pd.DataFrame([_describe(*kind, "<channel>", "{unit}") for kind in kinds])
    units = dict(zip(map(str, windows["channel"].values), map(str, windows["units"].values), strict=True))
    # Beats may have been found in a channel that is not among these, and the three axes together are no channel.
    channels = {**dict.fromkeys(map(str, windows["beat_source"].values), ""), **units}
    channels |= {name.removesuffix("_x"): unit for name, unit in units.items() if name.endswith("_acc_x")}
    rows = {
        f"{channel}_{kind[1].statistic}": (*kind, channel, unit) for kind in kinds for channel, unit in channels.items()
    }
    return pd.DataFrame([_describe(*rows[str(name)]) for name in windows["feature_name"].values])


def _describe(group: Group, feature: Feature, channel: str, unit: str) -> dict[str, str]:
    return {
        "name": f"{channel}_{feature.statistic}",
        "group": group.name,
        "applies_to": group.applies_to,
        "unit": feature.unit.replace("{unit}", unit),
        "definition": feature.definition,
        "source": feature.source,
    }
