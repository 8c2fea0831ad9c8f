"""Windows to features: numbers with a name, a unit and a definition."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.compiled import compiled
from wesadlib.errors import InputError
from wesadlib.features import cardiac, electrodermal, motion, respiratory, statistics, thermal
from wesadlib.features.block import Block, Description
from wesadlib.features.effects import correlate, headline_features, measure_effects, responses_by_person
from wesadlib.signals.arrays import Windows

GROUPS = (statistics, cardiac, electrodermal, respiratory, thermal, motion)
_CHUNK = 64

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
    values, names = feature_values(Windows.from_dataset(windows))
    bare = windows.drop_dims("feature_name") if "feature_name" in windows.dims else windows
    return bare.assign({"feature": (("window", "feature_name"), values), "feature_name": list(names)})


def feature_values(windows: Windows) -> tuple[np.ndarray, tuple[str, ...]]:
    """What :func:`extract_features` finds, from plain arrays and as a plain array.

    Parameters
    ----------
    windows : Windows

    Returns
    -------
    values : ndarray (window, feature_name)
        float64.
    names : tuple of str
        The features' names.
    """
    # In chunks, so that copies of the samples stay small beside the windows themselves.
    starts = range(0, max(1, len(windows)), _CHUNK)
    chunks = [_extract_block(_block(windows.take(slice(start, start + _CHUNK)))) for start in starts]
    # As np.column_stack gives them, which takes some time for each of the columns.
    tables = [np.concatenate(list(chunk.values())).reshape(len(chunk), -1) for chunk in chunks]
    return np.ascontiguousarray(np.concatenate(tables, axis=1).T), tuple(chunks[0])


def _block(windows: Windows) -> Block:
    precision = np.float32 if windows.signal.dtype == np.float32 else np.float64
    # A copy with the windows of each channel one after the other, in which dead ones can be blanked.
    samples = np.array(windows.signal.swapaxes(0, 1), precision, order="C")
    dead = _dead(samples, windows.channels)
    if dead.any():
        samples[dead] = np.nan
    beats = np.array(windows.beat_s.swapaxes(0, 1), np.float64, order="C")
    return Block(
        signal=dict(zip(windows.channels, samples, strict=True)),
        beat_s=dict(zip(windows.beat_sources, beats, strict=True)),
        rate_hz=windows.rate_hz,
        window_s=windows.window_s,
    )


def _extract_block(block: Block) -> dict[str, np.ndarray]:
    features: dict[str, np.ndarray] = {}
    for group in GROUPS:
        features |= group.extract(block)
    return features


def _dead(samples: np.ndarray, names: Sequence[str]) -> np.ndarray:
    # A living sensor never gives one value for a whole window, except one axis of an accelerometer that lies still.
    flat = _unchanging(samples)
    for device in {name.partition("_acc_")[0] for name in names if "_acc_" in name}:
        axes = [k for k, name in enumerate(names) if name.startswith(f"{device}_acc_")]
        flat[axes] = flat[axes].all(axis=0)
    return flat


@compiled
def _unchanging(samples: np.ndarray) -> np.ndarray:
    """Of samples (channel, window, time), where all that are present are the same (channel, window)."""
    channels, windows, length = samples.shape
    unchanging = np.ones((channels, windows), np.bool_)
    for channel in range(channels):
        for window in range(windows):
            before = np.nan
            for k in range(length):
                sample = samples[channel, window, k]
                if sample < before or sample > before:
                    unchanging[channel, window] = False
                    break
                if not np.isnan(sample):
                    before = sample
    return unchanging


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
