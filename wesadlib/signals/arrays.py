"""Windows as plain arrays, and the one way from native samples to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from wesadlib.errors import InputError
from wesadlib.signals.beats import BEAT_SOURCES, find_beats_of_rows
from wesadlib.signals.harmonise import harmonise
from wesadlib.signals.raw_statistics import RAW_STATISTICS, raw_statistics


class InfiniteSample(InputError):
    """A channel of a window holds an infinite sample."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows without the labels of a Dataset, whose making costs a lone window more than its content.

    Attributes
    ----------
    signal : ndarray (window, channel, time)
        float32 at the common rate, NaN where missing.
    beat_s : ndarray (window, beat_source, beat)
        Seconds from the window's start, padded with NaN.
    raw_statistics : ndarray (window, channel, raw_statistic)
        In the order of ``RAW_STATISTICS``.
    channels, beat_sources : tuple of str
        Names along those dimensions.
    rate_hz, window_s : float
        Common rate, and length of a window.
    """

    signal: np.ndarray
    beat_s: np.ndarray
    raw_statistics: np.ndarray
    channels: tuple[str, ...]
    beat_sources: tuple[str, ...]
    rate_hz: float
    window_s: float

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.signal)

    def take(self, rows: np.ndarray | slice) -> "Windows":
        """Windows at these positions."""
        return Windows(
            self.signal[rows],
            self.beat_s[rows],
            self.raw_statistics[rows],
            self.channels,
            self.beat_sources,
            self.rate_hz,
            self.window_s,
        )

    @classmethod
    def from_dataset(cls, windows: xr.Dataset) -> "Windows":
        """Arrays of windows that hold ``signal``, ``beat_s`` and the attribute ``rate_hz``.

        `raw_statistics` is NaN where the Dataset has none of it, `window_s` what the samples last where it is not said.
        """
        signal = _values(windows, "signal", "window", "channel", "time")
        rate_hz = float(windows.attrs["rate_hz"])
        if "raw_statistics" in windows:
            raw = _values(windows, "raw_statistics", "window", "channel", "raw_statistic")
            statistics = [str(name) for name in windows["raw_statistic"].values]
            raw = raw[..., [statistics.index(name) for name in RAW_STATISTICS]]
        else:
            raw = np.full((*signal.shape[:2], len(RAW_STATISTICS)), np.nan, np.float32)
        return cls(
            signal,
            _values(windows, "beat_s", "window", "beat_source", "beat"),
            raw,
            tuple(str(name) for name in windows["channel"].values),
            tuple(str(name) for name in windows["beat_source"].values),
            rate_hz,
            float(windows.attrs.get("window_s", signal.shape[-1] / rate_hz)),
        )

    def to_dataset(self) -> xr.Dataset:
        """The same windows with the names of dimensions, as :func:`windows_from_channels` gives them."""
        return xr.Dataset(
            {
                "signal": (("window", "channel", "time"), self.signal),
                "beat_s": (("window", "beat_source", "beat"), self.beat_s),
                "raw_statistics": (("window", "channel", "raw_statistic"), self.raw_statistics),
            },
            coords={
                "channel": list(self.channels),
                "time": np.arange(self.signal.shape[-1]) / self.rate_hz,
                "beat_source": list(self.beat_sources),
                "raw_statistic": list(RAW_STATISTICS),
            },
            attrs={"rate_hz": self.rate_hz, "window_s": self.window_s},
        )


def _values(windows: xr.Dataset, name: str, *dims: str) -> np.ndarray:
    # Of the bare variable: the coordinates that a DataArray would bring are not wanted.
    return windows.variables[name].transpose(*dims).values


def window_from_channels(
    channels: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float],
    *,
    rate_hz: float = 35.0,
    window_s: float = 60.0,
) -> xr.Dataset:
    """Make one window of native samples, from a recording or from a request alike.

    Parameters
    ----------
    channels : mapping of str to ndarray (time,)
        Native samples of each channel, NaN where missing.
    rates_hz : mapping of str to float
        Native rate of each channel.
    rate_hz : float
        Common rate.
    window_s : float
        Length of the window.

    Returns
    -------
    Dataset
        ``signal`` (channel, time) float32; ``beat_s`` (beat_source, beat), beats found at the native rate in seconds
        from the window's start, padded with NaN to four a second; ``raw_statistics`` (channel, raw_statistic) float32.
        The channels are in the order of `channels`.

    Raises
    ------
    InputError
        When a channel has no rate, its rate is not positive, its length is not `window_s` at its rate (one sample more
        or less is let pass), or a sample is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> pulse = np.cos(2 * np.pi * 1.2 * np.arange(60 * 64) / 64)
    >>> window = window_from_channels({"wrist_bvp": pulse}, {"wrist_bvp": 64.0})
    >>> dict(window.sizes)["time"], int(window.beat_s.notnull().sum())
    (2100, 72)
    """
    windows = windows_from_channels([(channels, rates_hz)], rate_hz=rate_hz, window_s=window_s)
    return windows.to_dataset().isel(window=0)


def windows_from_channels(
    windows: Sequence[tuple[Mapping[str, np.ndarray], Mapping[str, float]]],
    *,
    rate_hz: float = 35.0,
    window_s: float = 60.0,
) -> Windows:
    """Make windows of the same channels, each from native samples at rates of its own.

    Parameters
    ----------
    windows : sequence of (channels, rates_hz)
        At least one, each as :func:`window_from_channels` takes them, with the channels in the same order.
    rate_hz, window_s : float
        Common rate, and length of a window.

    Returns
    -------
    Windows
    """
    names = list(windows[0][0])
    alike: dict[tuple, list[int]] = {}
    for k, (channels, rates_hz) in enumerate(windows):
        if list(channels) != names:
            raise InputError(f"a window has the channels {', '.join(channels)}, the first one {', '.join(names)}.")
        key = tuple((rates_hz.get(name), np.shape(channels[name])) for name in names)
        alike.setdefault(key, []).append(k)
    parts = [
        window_arrays(
            {name: np.stack([windows[k][0][name] for k in group]) for name in names},
            windows[group[0]][1],
            rate_hz,
            window_s,
        )
        for group in alike.values()
    ]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(list(alike.values())))
    joined = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("signal", "beat_s", "raw_statistics")
    )
    return Windows(*joined, parts[0].channels, parts[0].beat_sources, rate_hz, window_s)


def window_arrays(
    channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], rate_hz: float, window_s: float
) -> Windows:
    """Make many windows of native samples at the same rates, each by itself.

    Parameters
    ----------
    channels : mapping of str to ndarray (window, time)
        Native samples of each channel.
    rates_hz, rate_hz, window_s
        As :func:`window_from_channels` takes them.

    Returns
    -------
    Windows

    Raises
    ------
    InputError
        As there.
    """
    _check(channels, rates_hz, window_s)
    n = len(next(iter(channels.values()), ()))
    names, samples = list(channels), round(window_s * rate_hz)
    sources = tuple(source for source in BEAT_SOURCES if source in channels)
    signal = np.empty((n, len(names), samples), np.float32)
    raw = np.empty((n, len(names), len(RAW_STATISTICS)), np.float32)
    beat_s = np.full((n, len(sources), int(4 * window_s)), np.nan)
    for k, name in enumerate(names):
        harmonise(channels[name], rates_hz[name], rate_hz, samples, out=signal[:, k])
        raw_statistics(channels[name], rates_hz[name], out=raw[:, k])
    for k, source in enumerate(sources):
        found = find_beats_of_rows(channels[source], rates_hz[source], source)
        most = min(found.shape[1], beat_s.shape[2])
        beat_s[:, k, :most] = found[:, :most]
    return Windows(signal, beat_s, raw, tuple(names), sources, rate_hz, window_s)


def _check(channels: Mapping[str, np.ndarray], rates_hz: Mapping[str, float], window_s: float) -> None:
    for name, values in channels.items():
        rate = rates_hz.get(name)
        if rate is None or not 0 < rate < np.inf:
            raise InputError(f"{name}: a rate in Hz is needed, a positive number, not {rate!r}.")
        wanted = window_s * rate
        if values.ndim != 2 or abs(values.shape[1] - wanted) > 1 or values.shape[1] < 2:
            shape = " x ".join(str(size) for size in values.shape[1:])
            raise InputError(
                f"{name}: {shape} samples at {rate:g} Hz are not a window of {window_s:g} s, which has "
                f"{max(round(wanted), 2)}."
            )
        if np.isinf(values).any():
            raise InfiniteSample(f"{name}: a sample is infinite; a missing one is NaN.")
