"""Windows of which something is taken away: what a model still knows tells where, and at which time scale, it looks."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.signal import butter, sosfiltfilt

from wesadlib.models import Examples


def shuffle_pieces(signal: np.ndarray, rate_hz: float, generator: np.random.Generator, *, piece_s: float) -> np.ndarray:
    """Cut each window (window, channel, time) into pieces, in random order, the same for all channels of a window."""
    samples = signal.shape[-1]
    edges = np.arange(0, samples + 1, max(1, round(piece_s * rate_hz)))
    pieces = np.split(np.arange(samples), edges[1:-1])
    orders = [np.concatenate([pieces[k] for k in generator.permutation(len(pieces))]) for _ in signal]
    return np.stack([window[:, order] for window, order in zip(signal, orders, strict=True)])


def reverse(signal: np.ndarray, rate_hz: float, generator: np.random.Generator) -> np.ndarray:
    """Each window (window, channel, time) from its end to its beginning."""
    return signal[..., ::-1].copy()


def randomise_phases(signal: np.ndarray, rate_hz: float, generator: np.random.Generator, *, alike: bool) -> np.ndarray:
    """Add a random phase to each frequency, so that amplitude spectra stay (Theiler et al. 1992).

    `alike`: to all channels of a window, so that what relates them stays too (Prichard and Theiler 1994).
    """
    spectrum = np.fft.rfft(signal.astype(float))
    shape = (len(signal), 1 if alike else signal.shape[1], spectrum.shape[-1])
    phase = generator.uniform(0, 2 * np.pi, shape)
    # The mean, and at an even length the highest frequency, are real.
    phase[..., 0] = 0
    if signal.shape[-1] % 2 == 0:
        phase[..., -1] = 0
    return np.fft.irfft(spectrum * np.exp(1j * phase), signal.shape[-1]).astype(signal.dtype)


def shuffle_samples(signal: np.ndarray, rate_hz: float, generator: np.random.Generator) -> np.ndarray:
    """Samples of each channel of each window in random order: which values there were stays, and no time."""
    return generator.permuted(signal, axis=-1)


def draw_noise(signal: np.ndarray, rate_hz: float, generator: np.random.Generator) -> np.ndarray:
    """Normal noise of each channel's mean and spread in each window, of which nothing else stays."""
    mean, spread = signal.mean(axis=-1, keepdims=True), signal.std(axis=-1, keepdims=True)
    noise = generator.standard_normal(signal.shape)
    noise -= noise.mean(axis=-1, keepdims=True)
    return (mean + spread * noise / noise.std(axis=-1, keepdims=True)).astype(signal.dtype)


def remove_level(signal: np.ndarray, rate_hz: float, generator: np.random.Generator) -> np.ndarray:
    """Give each channel the same mean and spread in all windows, the medians over these windows; shapes stay."""
    mean, spread = signal.mean(axis=-1, keepdims=True), signal.std(axis=-1, keepdims=True)
    shape = (signal - mean) / np.where(spread > 0, spread, 1)
    return (np.nanmedian(mean, axis=0) + np.nanmedian(spread, axis=0) * shape).astype(signal.dtype)


def remove_fast(signal: np.ndarray, rate_hz: float, generator: np.random.Generator, *, cutoff_hz: float) -> np.ndarray:
    """Leave what is slower than `cutoff_hz`: Butterworth of fourth order, forward and backward."""
    return sosfiltfilt(butter(4, cutoff_hz, fs=rate_hz, output="sos"), signal.astype(float)).astype(signal.dtype)


class Rung(NamedTuple):
    """One way to destroy windows (window, channel, time) without gaps, by their rate in Hz, and what it leaves."""

    destroy: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    leaves: str


#: Shortest to longest piece that keeps its order, s.
PIECES_S = (20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.1)
_PIECES = "order within {:g} s; values; channels together"
#: Name -> rung, in the order in which they are shown.
LADDER: dict[str, Rung] = {
    **{f"pieces of {s:g} s": Rung(partial(shuffle_pieces, piece_s=s), _PIECES.format(s)) for s in PIECES_S},
    "time reversed": Rung(reverse, "all but the direction of time"),
    "phases random, alike": Rung(partial(randomise_phases, alike=True), "amplitude spectra, relations of channels"),
    "phases random": Rung(partial(randomise_phases, alike=False), "each channel's amplitude spectrum"),
    **{
        f"below {hz:g} Hz": Rung(partial(remove_fast, cutoff_hz=hz), f"what is slower than {hz:g} Hz")
        for hz in (4, 1, 0.25)
    },
    "level and spread removed": Rung(remove_level, "shapes"),
    "samples shuffled": Rung(shuffle_samples, "each channel's distribution of values"),
    "level and spread alone": Rung(draw_noise, "each channel's mean and spread"),
}
#: Nothing is destroyed; rungs on which models are trained again.
WHOLE = "whole"
MAIN = ("pieces of 1 s", "phases random", "level and spread removed", "samples shuffled")


def destroy(signal: np.ndarray, rate_hz: float, rung: str) -> np.ndarray:
    """Destroy windows (window, channel, time) by a rung of :data:`LADDER`, or leave them :data:`WHOLE`.

    A missing sample becomes the mean of its channel in its window; a channel without any stays NaN.
    """
    present = ~np.isnan(signal)
    count = present.sum(axis=-1, keepdims=True)
    mean = np.where(present, signal, 0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    filled = np.where(present | (count == 0), signal, mean.astype(signal.dtype))
    if rung == WHOLE:
        return filled
    return LADDER[rung].destroy(filled, rate_hz, np.random.default_rng([0, *rung.encode()]))


def signal_of(name: str) -> str:
    """The signal of a channel or a feature: ``eda`` of ``wrist_eda_log_level``."""
    return name.split("_")[1]


def select_sensors(windows: xr.Dataset, sensors: Collection[str]) -> xr.Dataset:
    """Windows with the channels and features of some sensors."""
    for dimension in ("channel", "feature_name"):
        chosen = [signal_of(name) in sensors for name in map(str, windows[dimension].values)]
        windows = windows.isel({dimension: chosen})
    return windows


def permute_sensor(examples: Examples, sensor: str) -> Examples:
    """Windows whose channels and features of one sensor are those of another window of the same person."""
    generator, source = np.random.default_rng([0, *sensor.encode()]), np.arange(len(examples))
    for person in dict.fromkeys(examples.subject):
        rows = np.flatnonzero(examples.subject == person)
        source[rows] = generator.permutation(rows)
    changed = {}
    for name, columns in (("signal", examples.channels), ("feature", examples.feature_names)):
        values = getattr(examples, name).copy()
        theirs = [signal_of(column) == sensor for column in columns]
        values[:, theirs] = values[source][:, theirs]
        changed[name] = values
    return replace(examples, **changed)
