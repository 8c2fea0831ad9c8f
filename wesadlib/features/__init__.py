"""Windows to features: numbers with a name, a unit and a definition."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.features import cardiac, electrodermal, motion, respiratory, statistics, thermal
from wesadlib.features.block import Block, Description
from wesadlib.features.effects import correlate, headline_features, measure_effects, responses_by_person
from wesadlib.signals.arrays import WindowArrays

GROUPS = (statistics, cardiac, electrodermal, respiratory, thermal, motion)
_CHUNK = 16

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
        The same with ``feature (window, feature_name)``, float64; the coordinate ``feature_name`` holds names
        ``<channel>_<statistic>`` (xarray gives no variable a dimension of its own name). NaN where the channel does not
        allow a reading.

    Raises
    ------
    InputError
        When a variable or the rate is missing.
    """
    for name in ("signal", "beat_s"):
        if name not in windows:
            raise InputError(
                f"these windows hold no `{name}`; windows are made by make_windows or window_from_channels."
            )
    if "rate_hz" not in windows.attrs:
        raise InputError("these windows lack the attribute `rate_hz`, their sampling rate.")
    values, names = feature_values(WindowArrays.from_dataset(windows))
    bare = windows.drop_dims("feature_name") if "feature_name" in windows.dims else windows
    return bare.assign({"feature": (("window", "feature_name"), values), "feature_name": list(names)})


def feature_values(windows: WindowArrays) -> tuple[np.ndarray, tuple[str, ...]]:
    """What :func:`extract_features` finds, from plain arrays and as a plain array.

    Parameters
    ----------
    windows : WindowArrays

    Returns
    -------
    values : ndarray (window, feature_name)
        float64.
    names : tuple of str
        The features' names.
    """
    # In chunks, so that the double-precision copies stay small beside the windows themselves.
    starts = range(0, max(1, len(windows)), _CHUNK)
    chunks = [_extract_block(_block(windows.take(slice(start, start + _CHUNK)))) for start in starts]
    names = tuple(chunks[0])
    return np.concatenate([np.column_stack([chunk[name] for name in names]) for chunk in chunks]), names


def _block(windows: WindowArrays) -> Block:
    samples = windows.signal.astype(np.float64)
    samples[_dead(samples, windows.channels)] = np.nan
    beats = windows.beat_s.astype(np.float64)
    return Block(
        signal={name: samples[:, k] for k, name in enumerate(windows.channels)},
        beat_s={name: beats[:, k] for k, name in enumerate(windows.beat_sources)},
        rate_hz=windows.rate_hz,
        window_s=windows.window_s,
    )


def _dead(samples: np.ndarray, names: Sequence[str]) -> np.ndarray:
    # A living sensor never gives one value for a whole window, except one axis of an accelerometer that lies still.
    flat = ~(np.fmax.reduce(samples, axis=-1) > np.fmin.reduce(samples, axis=-1))
    for device in {name.partition("_acc_")[0] for name in names if "_acc_" in name}:
        axes = [k for k, name in enumerate(names) if name.startswith(f"{device}_acc_")]
        flat[:, axes] = flat[:, axes].all(axis=-1, keepdims=True)
    return flat


def _extract_block(block: Block) -> dict[str, np.ndarray]:
    features: dict[str, np.ndarray] = {}
    for group in GROUPS:
        features |= group.extract(block)
    return features


def describe_features(windows: xr.Dataset | None = None) -> pd.DataFrame:
    """What every feature is: its group, unit, definition and source.

    Parameters
    ----------
    windows : xr.Dataset, optional
        Windows with features: then a row for each of theirs, in their order, with the channel's own unit. Without them,
        a row for each kind of feature.

    Returns
    -------
    DataFrame
        ``name group applies_to unit definition source``; without windows, `name` is ``<channel>_<statistic>`` and
        ``{unit}`` stands for the channel's unit.
    """
    kinds = [description for group in GROUPS for description in group.DESCRIPTIONS]
    if windows is None:
        return pd.DataFrame([_describe(kind, f"<channel>_{kind.statistic}", kind.unit) for kind in kinds])
    units = {
        str(name): str(unit) for name, unit in zip(windows["channel"].values, windows["units"].values, strict=True)
    }
    # Beats may have been found in a channel that is not among these, and the three axes together are no channel.
    channels = {**dict.fromkeys(map(str, windows["beat_source"].values), ""), **units}
    channels |= {name.removesuffix("_x"): unit for name, unit in units.items() if name.endswith("_acc_x")}
    known = {f"{channel}_{kind.statistic}": (kind, unit) for kind in kinds for channel, unit in channels.items()}
    rows = []
    for name in map(str, windows["feature_name"].values):
        kind, unit = known[name]
        rows.append(_describe(kind, name, kind.unit.replace("{unit}", unit)))
    return pd.DataFrame(rows)


def _describe(kind: Description, name: str, unit: str) -> dict[str, str]:
    return {
        "name": name,
        "group": kind.group,
        "applies_to": kind.applies_to,
        "unit": unit,
        "definition": kind.definition,
        "source": kind.source,
    }
