"""Native minutes and small bundles, for the tests of the bundle and of the server."""

from pathlib import Path

import numpy as np
import xarray as xr

from wesadlib import models
from wesadlib.bundle import save_bundle
from wesadlib.data import CHANNELS, DEVICE_CHANNELS, Recording
from wesadlib.features import extract_features
from wesadlib.params import Params
from wesadlib.quality import assess_quality

RATES_HZ = {name: CHANNELS[name][1] for name in DEVICE_CHANNELS["wrist"]}


def wrist_signals(duration_s: float = 60.0, seed: int = 0, heart_rate: float = 72.0) -> dict[str, np.ndarray]:
    """A wrist at rest, at the native rates."""
    generator = np.random.default_rng(seed)
    time = {name: np.arange(round(duration_s * rate)) / rate for name, rate in RATES_HZ.items()}
    level = {"wrist_eda": 1.5, "wrist_temp": 33.0}
    signals = {name: level.get(name, 0.58) + generator.normal(0, 0.01, len(time[name])) for name in RATES_HZ}
    phase = 2 * np.pi * heart_rate / 60 * time["wrist_bvp"]
    signals["wrist_bvp"] = 50 * np.sin(phase) + 15 * np.sin(2 * phase) + generator.normal(0, 1, len(phase))
    return signals


def wrist_recording(duration_s: float = 240.0, seed: int = 0) -> Recording:
    """Somebody who rests for half of the time and is stressed for the other."""

    def array(values: np.ndarray, rate: float, **attrs: str) -> xr.DataArray:
        return xr.DataArray(
            values, dims="time", coords={"time": np.arange(len(values)) / rate}, attrs={"rate_hz": rate, **attrs}
        )

    signals = wrist_signals(duration_s, seed)
    labels = np.repeat(np.array([1, 2], np.int8), round(duration_s * 700 / 2))
    return Recording(
        subject="S2",
        signals={
            name: array(values.astype(np.float32), RATES_HZ[name], units=CHANNELS[name][0])
            for name, values in signals.items()
        },
        labels=array(labels, 700.0),
    )


class ToyCohort(list):
    """Recordings in memory, with what a cohort says of itself."""

    root = "toys"
    digest = "0" * 64
    simulated = True


def save_toy_bundle(name: str, folder: Path, windows: xr.Dataset, **keywords) -> Path:
    """Fit a model on windows of toys and save it."""
    params = Params(device="wrist", width=2, epochs=2)
    windows = extract_features(assess_quality(windows))
    people = windows["subject"].values
    last = people == people[-1]
    model = models.create(name, params).fit(windows.isel(window=~last), windows.isel(window=last), seed=0)
    return save_bundle(model, folder, windows=windows, params=params, **keywords)
