"""Sliding windows over recordings, cut at the native rates, with label and purity."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import wesadlib
from wesadlib.data import BEAT_SOURCES, CHANNELS, DEVICE_CHANNELS, Cohort, Recording, label_windows
from wesadlib.errors import InputError
from wesadlib.signals.arrays import windows_from_channels
from wesadlib.signals.raw_statistics import RAW_STATISTICS


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
    not made. Each is cut at the native rates and then made by itself, as
    :func:`~wesadlib.signals.window_from_channels` makes a lone one. Its label is the state of most of it
    (:func:`~wesadlib.data.label_windows`); it is kept if that is one of the cohort's states. One recording is in memory
    at a time.

    Parameters
    ----------
    cohort : Cohort
        Recordings, in the order in which the windows shall be.
    device : str
        ``wrist`` or ``chest``.
    rate_hz : float
        Common rate.
    window_s, hop_s : float
        Length of a window, and from one window's start to the next, in seconds.
    min_purity : float
        Least share of a window that carries its label.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Dataset (window, channel, time)
        Variables ``signal`` (window, channel, time) float32 in the channels' ``units``; ``beat_s`` (window,
        beat_source, beat) in seconds from the window's start, padded with NaN; ``raw_statistics`` (window, channel,
        raw_statistic). Coordinates of a window: ``subject``, ``label``, ``purity``, ``start_s`` (seconds from the
        recording's start). Ordered by subject, then time.

    Raises
    ------
    InputError
        When the device is unknown, a recording lacks one of its channels, or a recording yields no window.
    """
    if device not in DEVICE_CHANNELS:
        raise InputError(f"device {device!r} is unknown; there are {', '.join(DEVICE_CHANNELS)}.")
    channels = DEVICE_CHANNELS[device]
    parts = []
    for k in tqdm(range(len(cohort)), desc="windows", unit="person", disable=not progress):
        parts.append(_subject_windows(cohort[k], cohort, channels, rate_hz, window_s, hop_s, min_purity))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return xr.Dataset(
        {
            "signal": (("window", "channel", "time"), joined["signal"]),
            "beat_s": (("window", "beat_source", "beat"), joined["beat_s"], {"units": "s"}),
            "raw_statistics": (("window", "channel", "raw_statistic"), joined["raw_statistics"]),
        },
        coords={
            **{name: ("window", joined[name]) for name in ("subject", "label", "purity")},
            "start_s": ("window", joined["start_s"], {"units": "s"}),
            "channel": list(channels),
            "units": ("channel", [CHANNELS[name][0] for name in channels]),
            "time": ("time", np.arange(joined["signal"].shape[-1]) / rate_hz, {"units": "s"}),
            "beat_source": [source for source in BEAT_SOURCES if source in channels],
            "raw_statistic": list(RAW_STATISTICS),
        },
        attrs={
            "rate_hz": rate_hz,
            "window_s": window_s,
            "hop_s": hop_s,
            "min_purity": min_purity,
            "cohort_digest": cohort.digest,
            "wesadlib_version": wesadlib.__version__,
            "device": device,
            "simulated": int(cohort.simulated),
            "description": cohort.description,
        },
    )


def cut_window(
    recording: Recording, channels: Sequence[str], start_s: float, window_s: float
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Cut one window's native samples out of a recording: what :func:`window_from_channels` is given.

    Parameters
    ----------
    recording : Recording
        With `channels` among its signals.
    channels : sequence of str
        In the order in which the window shall have them.
    start_s, window_s : float
        Start, in seconds from the recording's start, and length.

    Returns
    -------
    minute : dict of str to ndarray (time,)
        Native samples of each channel; the first is the one nearest to `start_s`.
    rates_hz : dict of str to float
        Their rates.
    """
    minute, rates_hz = {}, {}
    for name in channels:
        signal = recording.signals[name]
        rate = rates_hz[name] = float(signal.attrs["rate_hz"])
        first = round(start_s * rate)
        minute[name] = signal.to_numpy()[first : first + round(window_s * rate)]
    return minute, rates_hz


def _subject_windows(
    recording: Recording,
    cohort: Cohort,
    channels: Sequence[str],
    rate_hz: float,
    window_s: float,
    hop_s: float,
    min_purity: float,
) -> dict[str, np.ndarray]:
    where = f"{cohort.root}/{recording.subject}"
    for name in channels:
        if name not in recording.signals:
            raise InputError(
                f"{where}: the recording has no {name}; it has {', '.join(recording.signals) or 'none'}, so leave "
                f"{recording.subject} out of `subjects`, or model the other `device`."
            )
    start_s, state, purity = label_windows(recording.labels, recording.duration_s, window_s=window_s, hop_s=hop_s)
    kept = np.isin(state, cohort.states) & (purity >= min_purity)
    if not kept.any():
        raise InputError(
            f"{where}: no window of {window_s:g} s in {', '.join(cohort.states)} with a purity of {min_purity:g} or "
            f"more; leave {recording.subject} out of `subjects`, or ask for shorter or less pure windows."
        )
    minutes = [cut_window(recording, channels, start, window_s) for start in start_s[kept]]
    made = windows_from_channels(minutes, rate_hz=rate_hz, window_s=window_s)
    return {
        "signal": made.signal,
        "beat_s": made.beat_s,
        "raw_statistics": made.raw_statistics,
        "subject": np.full(len(made), recording.subject),
        "label": state[kept],
        "purity": purity[kept],
        "start_s": start_s[kept],
    }
