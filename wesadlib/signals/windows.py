"""Windows: cut at the native rates, harmonised to one rate, with beats, raw statistics, label and purity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import wesadlib
from wesadlib.data import BEAT_SOURCES, CHANNELS, DEVICE_CHANNELS, Cohort, Recording, label_windows
from wesadlib.data.checks import SharedRecordings
from wesadlib.errors import InputError
from wesadlib.signals.beats import find_beats_of_rows
from wesadlib.signals.raw_statistics import RAW_STATISTICS, raw_statistics
from wesadlib.signals.resample import form_problem, harmonise

#: Channels of one window and their rates: samples (time,) and Hz by name.
Channels = tuple[Mapping[str, np.ndarray], Mapping[str, float]]

# Windows that are worked on at a time: copies of more would not stay in a core's cache.
_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows as plain arrays, at a common rate and of one length."""

    #: (window, channel, time), float32, NaN where missing.
    signal: np.ndarray
    #: (window, beat_source, beat), seconds from the window's start, padded with NaN to four a second.
    beat_s: np.ndarray
    #: (window, channel, raw_statistic), in the order of :data:`RAW_STATISTICS`.
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
        arrays = self.signal[rows], self.beat_s[rows], self.raw_statistics[rows]
        return Windows(*arrays, self.channels, self.beat_sources, self.rate_hz, self.window_s)

    def chunks(self) -> Iterator["Windows"]:
        """The same, some at a time: at least one, be it empty."""
        return (self.take(slice(start, start + _CHUNK)) for start in range(0, max(len(self), 1), _CHUNK))

    @classmethod
    def from_dataset(cls, windows: xr.Dataset) -> "Windows":
        """Arrays of a Dataset; raw statistics are NaN, and `window_s` what the samples last, where it has none."""

        def values(name: str, *dims: str) -> np.ndarray:
            return windows.variables[name].transpose(*dims).values

        signal = values("signal", "window", "channel", "time")
        rate_hz = float(windows.attrs["rate_hz"])
        raw = np.full((*signal.shape[:2], len(RAW_STATISTICS)), np.nan, np.float32)
        if "raw_statistics" in windows:
            windows = windows.reindex(raw_statistic=list(RAW_STATISTICS))
            raw = values("raw_statistics", "window", "channel", "raw_statistic")
        return cls(
            signal,
            values("beat_s", "window", "beat_source", "beat"),
            raw,
            tuple(map(str, windows["channel"].values)),
            tuple(map(str, windows["beat_source"].values)),
            rate_hz,
            float(windows.attrs.get("window_s", signal.shape[-1] / rate_hz)),
        )

    def to_dataset(self) -> xr.Dataset:
        """The same windows with the names of their dimensions."""
        return xr.Dataset(
            {
                "signal": (("window", "channel", "time"), self.signal),
                "beat_s": (("window", "beat_source", "beat"), self.beat_s, {"units": "s"}),
                "raw_statistics": (("window", "channel", "raw_statistic"), self.raw_statistics),
            },
            coords={
                "channel": list(self.channels),
                "time": ("time", np.arange(self.signal.shape[-1]) / self.rate_hz, {"units": "s"}),
                "beat_source": list(self.beat_sources),
                "raw_statistic": list(RAW_STATISTICS),
            },
            attrs={"rate_hz": self.rate_hz, "window_s": self.window_s},
        )


def windows_from_channels(windows: Sequence[Channels], *, rate_hz: float = 35.0, window_s: float = 60.0) -> Windows:
    """Make windows of native samples, from a recording or from a request alike, each by itself.

    Parameters
    ----------
    windows : sequence of (channels, rates_hz)
        At least one, all with the same channels in the same order: native samples (time,) of each, NaN or masked
        where missing, and their rates. The rates may differ from window to window.
    rate_hz, window_s : float
        Common rate, and length of a window (:func:`~wesadlib.signals.resample.form_problem`).

    Returns
    -------
    Windows
        With the channels in the order of `windows`.

    Examples
    --------
    >>> import numpy as np
    >>> pulse = np.cos(2 * np.pi * 1.2 * np.arange(60 * 64) / 64)
    >>> windows = windows_from_channels([({"wrist_bvp": pulse}, {"wrist_bvp": 64.0})])
    >>> windows.signal.shape, int(np.isfinite(windows.beat_s).sum())
    ((1, 1, 2100), 72)
    """
    names, n = tuple(windows[0][0]), len(windows)
    sources = tuple(source for source in BEAT_SOURCES if source in names)
    result = Windows(
        np.empty((n, len(names), round(window_s * rate_hz)), np.float32),
        np.full((n, len(sources), int(4 * window_s)), np.nan),
        np.empty((n, len(names), len(RAW_STATISTICS)), np.float32),
        names,
        sources,
        rate_hz,
        window_s,
    )
    for start in range(0, n, _CHUNK):
        alike: dict[tuple[float, int], list[tuple[int, int]]] = {}
        for k, (channels, rates_hz) in enumerate(windows[start : start + _CHUNK], start):
            if tuple(channels) != names:
                raise InputError(f"a window has the channels {', '.join(channels)}, the first one {', '.join(names)}.")
            for at, name in enumerate(names):
                rate, shape = rates_hz.get(name, np.nan), np.shape(channels[name])
                if problem := form_problem(shape, rate, window_s):
                    raise InputError(f"{name}: {problem}.")
                alike.setdefault((float(rate), *shape), []).append((k, at))
        for (rate, _), places in alike.items():
            native = [np.asanyarray(windows[k][0][names[at]], np.float64) for k, at in places]
            _fill(result, *np.transpose(places), np.array([np.ma.filled(row, np.nan) for row in native]), rate)
    return result


def _fill(result: Windows, rows: np.ndarray, columns: np.ndarray, native: np.ndarray, native_hz: float) -> None:
    """Make what windows (row,) hold of channels (row,) of native samples (row, time)."""
    if (infinite := np.isinf(native).any(axis=1)).any():
        raise InputError(f"{result.channels[columns[infinite.argmax()]]}: a sample is infinite; a missing one is NaN.")
    result.signal[rows, columns] = harmonise(native, native_hz, result.rate_hz, result.signal.shape[-1])
    result.raw_statistics[rows, columns] = raw_statistics(native, native_hz)
    for k, source in enumerate(result.beat_sources):
        if (of_source := columns == result.channels.index(source)).any():
            beats = find_beats_of_rows(native[of_source], native_hz, source)[:, : result.beat_s.shape[-1]]
            result.beat_s[rows[of_source], k, : beats.shape[1]] = beats


def make_windows(
    cohort: Cohort,
    *,
    device: str,
    rate_hz: float = 35.0,
    window_s: float = 60.0,
    hop_s: float = 30.0,
    min_purity: float = 0.0,
    progress: bool = False,
) -> xr.Dataset:
    """Cut a cohort's recordings into labelled windows.

    Windows start at the recording's first sample and every `hop_s` from there; one that would reach beyond the end is
    not made. Each is cut at the native rates and then made by itself, as :func:`windows_from_channels` makes a lone
    one. Its label is the state of most of it (:func:`~wesadlib.data.label_windows`); it is kept if that is one of the
    cohort's states. One recording is in memory at a time.

    Parameters
    ----------
    device : str
        ``wrist`` or ``chest``.
    rate_hz, window_s, hop_s : float
        Common rate; length of a window, and from one's start to the next, in seconds.
    min_purity : float
        Least share of a window that carries its label.

    Returns
    -------
    Dataset
        Variables of :class:`Windows`; coordinates of a window: ``subject``, ``label``, ``purity``, ``start_s`` (seconds
        from the recording's start), and ``phase`` where labels have phases; of a channel ``units``. Ordered by subject,
        then time.
    """
    if device not in DEVICE_CHANNELS:
        raise InputError(f"device {device!r} is unknown; there are {', '.join(DEVICE_CHANNELS)}.")
    parts, shared = [], SharedRecordings()
    for k in tqdm(range(len(cohort)), desc="windows", unit="person", disable=not progress):
        recording = cohort[k]
        if sentence := shared.find(recording):
            raise InputError(f"{cohort.root}: {sentence}")
        where = f"{cohort.root}/{recording.subject}"
        for name in DEVICE_CHANNELS[device]:
            if name not in recording.signals:
                raise InputError(
                    f"{where}: the recording has no {name}; it has {', '.join(recording.signals) or 'none'}, so leave "
                    f"{recording.subject} out of `subjects`, or model the other `device`."
                )
        start_s, state, purity = label_windows(recording.labels, recording.duration_s, window_s=window_s, hop_s=hop_s)
        kept = np.isin(state, cohort.states) & (purity >= min_purity)
        if not kept.any():
            raise InputError(
                f"{where}: no window of {window_s:g} s in {', '.join(cohort.states)} with a purity of {min_purity:g} "
                f"or more; leave {recording.subject} out of `subjects`, or ask for shorter or less pure windows."
            )
        cuts = [cut_window(recording, DEVICE_CHANNELS[device], start, window_s) for start in start_s[kept]]
        part = windows_from_channels(cuts, rate_hz=rate_hz, window_s=window_s).to_dataset()
        parts.append(
            part.assign_coords(
                subject=("window", np.full(len(cuts), recording.subject)),
                **_phases(recording, start_s[kept], window_s),
                label=("window", state[kept]),
                purity=("window", purity[kept]),
                start_s=("window", start_s[kept], {"units": "s"}),
            )
        )
        del recording, cuts  # before the next one is loaded
    windows = xr.concat(parts, "window", data_vars="minimal", coords="minimal", compat="override", join="override")
    units = [CHANNELS[name][0] for name in DEVICE_CHANNELS[device]]
    return windows.assign_coords(units=("channel", units)).assign_attrs(
        hop_s=hop_s,
        min_purity=min_purity,
        cohort_digest=cohort.digest,
        wesadlib_version=wesadlib.__version__,
        device=device,
        simulated=int(cohort.simulated),
        description=cohort.description,
    )


def _phases(recording: Recording, start_s: np.ndarray, window_s: float) -> dict[str, tuple[str, np.ndarray]]:
    """The phase of each window, where the labels have phases."""
    if "phase" not in recording.labels:
        return {}
    begin, end = (recording.labels[name].to_numpy()[:, None] for name in ("start_s", "end_s"))
    overlap = np.minimum(end, start_s + window_s) - np.maximum(begin, start_s)
    return {"phase": ("window", recording.labels["phase"].to_numpy(str)[overlap.argmax(axis=0)])}


def cut_window(
    recording: Recording, channels: Sequence[str], start_s: float, window_s: float
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Native samples (time,) of channels of a recording, from the one nearest to `start_s` on, and their rates."""
    cut, rates_hz = {}, {}
    for name in channels:
        signal = recording.signals[name]
        rate = rates_hz[name] = float(signal.attrs["rate_hz"])
        first = round(start_s * rate)
        cut[name] = signal.to_numpy()[first : first + round(window_s * rate)]
    return cut, rates_hz


def cut_windows(cohort: Cohort, windows: xr.Dataset) -> list[Channels]:
    """Cut the native samples of windows of :func:`make_windows` out of their cohort's recordings again."""
    cuts: dict[int, Channels] = {}
    subjects, names = windows["subject"].values, windows["channel"].values.tolist()
    for subject in dict.fromkeys(subjects):
        recording = cohort[str(subject)]
        for k in np.flatnonzero(subjects == subject):
            cuts[k] = cut_window(recording, names, float(windows["start_s"][k]), windows.attrs["window_s"])
    return [cuts[k] for k in range(len(subjects))]
