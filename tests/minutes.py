"""Native minutes and small bundles, for the tests of the bundle and of the server."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib import models
from wesadlib.bundle import save_bundle
from wesadlib.data import CHANNELS, DEVICE_CHANNELS, STATES, Recording, make_signals
from wesadlib.features import extract_features
from wesadlib.params import Params
from wesadlib.quality import assess_quality
from wesadlib.signals import make_windows

START = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
RATES_HZ = {name: CHANNELS[name][1] for name in DEVICE_CHANNELS["wrist"]}


def wrist_signals(duration_s: float = 60.0, seed: int = 0, arousal: float = 0.0) -> dict[str, np.ndarray]:
    """The wrist of the person of that seed at the native rates, at rest (`arousal` 0) or under stress (1)."""
    person, noise = np.random.default_rng(seed), np.random.default_rng([seed, round(100 * arousal)])
    time = {name: np.arange(round(duration_s * rate)) / rate for name, rate in RATES_HZ.items()}
    signals = {name: noise.normal(0, 1, len(time[name])) for name in RATES_HZ}
    heart_rate = person.normal(70, 8) + person.normal(6, 8) * arousal
    phase = 2 * np.pi * heart_rate / 60 * time["wrist_bvp"] + 0.5 * np.cumsum(signals["wrist_bvp"]) / 64
    height, rate = person.uniform(30, 60), person.uniform(0.03, 0.08)
    signals["wrist_bvp"] = height * (np.sin(phase) + 0.2 * np.sin(2 * phase)) + signals["wrist_bvp"]
    wave = np.sin(2 * np.pi * rate * time["wrist_eda"])
    level = np.exp(person.normal(0.2, 0.8) + person.normal(0.4, 0.5) * arousal)
    signals["wrist_eda"] = level + (0.05 + 0.1 * arousal) * wave + 0.01 * signals["wrist_eda"]
    level = person.normal(33, 1) - person.normal(0.3, 0.5) * arousal
    signals["wrist_temp"] = level + 0.1 * wave + 0.02 * signals["wrist_temp"]
    movement = np.exp(person.normal(-4, 0.4) + person.normal(0.3, 0.4) * arousal)
    for axis in "xyz":
        name = f"wrist_acc_{axis}"
        signals[name] = person.normal(0.5, 0.2) + movement * signals[name]
    return signals


def pulse(beats, rate_hz=64.0, window_s=60.0, dicrotic=0.35):
    """A pulse wave along beat times: a crest and a smaller dicrotic one, rising at the beat."""
    time = np.arange(round(window_s * rate_hz)) / rate_hz
    interval = np.append(np.diff(beats), np.diff(beats)[-1])
    index = np.clip(np.searchsorted(beats, time, side="right") - 1, 0, len(beats) - 1)
    phase = (time - beats[index]) / interval[index] % 1
    return 80 * (np.exp(-(((phase - 0.2) / 0.1) ** 2)) + dicrotic * np.exp(-(((phase - 0.5) / 0.12) ** 2)))


def heart(rate, spread_s=0.03, seed=0, window_s=60.0):
    """Times of beats at a rate per minute, s, whose intervals vary by so much (SD)."""
    generator = np.random.default_rng(seed)
    interval = 60 / rate + generator.normal(0, spread_s, int(2 * window_s * rate / 60))
    beats = 0.2 + np.cumsum(interval)
    return beats[beats < window_s]


def wrist_recording(seed: int = 0, duration_s: float = 240.0) -> Recording:
    """Somebody who rests for half of the time and is stressed for the other."""

    halves = [wrist_signals(duration_s / 2, seed, arousal) for arousal in (0.0, 1.0)]
    return Recording(
        subject=f"S{seed + 2}",
        signals=make_signals({name: np.concatenate([half[name] for half in halves]) for name in RATES_HZ}),
        labels=pd.DataFrame(
            {
                "state": ["baseline", "stress"],
                "start_s": [0.0, duration_s / 2],
                "end_s": [duration_s / 2, duration_s],
            }
        ),
    )


class ToyCohort(list):
    """Recordings in memory, with what a cohort says of itself."""

    root = "toys"
    digest = "0" * 64
    simulated = True
    description = "recordings made for tests"
    states = STATES


def wrist_windows(people: int = 6, first: int = 100) -> xr.Dataset:
    """Windows of several people, seven each, who are not easily told stressed from at rest."""
    return make_windows(ToyCohort(wrist_recording(first + k) for k in range(people)), device="wrist")


def save_small_bundle(
    name: str, folder: Path, people: int = 6, rested: bool = False, without: str = "", **keywords
) -> Path:
    """Fit a model on :func:`wrist_windows`, and where asked one with everybody's rest, and save it.

    `without`: a pattern of features that the model shall not read.
    """
    params = Params(device="wrist", width=2, epochs=2, rest_minutes=1.5)
    windows = extract_features(assess_quality(wrist_windows(people), params))
    if without:
        names = windows["feature_name"].values.astype(str)
        windows = windows.sel(feature_name=[name for name in names if not re.fullmatch(without, name)])
    people = windows["subject"].values
    last = people == people[-1]
    examples = models.Examples.from_dataset(windows)
    train, validation = examples.take(~last), examples.take(last)
    model = models.create(name, params).fit(train, validation, seed=0)
    if rested:
        rest = examples.take(examples.start_s <= 30)
        keywords["calibrated"] = models.create(name, params).fit(train, validation, rest=rest, seed=0)
    return save_bundle(model, folder, windows=windows, params=params, **keywords)


def cut(recording: Recording, start_s: float, duration_s: float = 60.0) -> dict[str, np.ndarray]:
    """A stretch of a recording's wrist, at the native rates."""
    return {
        name: recording.signals[name].values[round(start_s * rate) :][: round(duration_s * rate)]
        for name, rate in RATES_HZ.items()
    }
