"""Sliding windows over recordings, cut at the native rates, with label and purity."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import wesadlib
from wesadlib.data import CHANNELS, DEVICE_CHANNELS, LABELS, STATES, Recording
from wesadlib.errors import InputError
from wesadlib.signals.arrays import windows_from_channels
from wesadlib.signals.beats import BEAT_SOURCES
from wesadlib.signals.raw_statistics import RAW_STATISTICS


def make_windows(
    cohort: Sequence[Recording],
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
    :func:`~wesadlib.signals.window_from_channels` makes a lone one. Its label is the state of most of its label
    samples (of several with as many, the one of the smallest code); it is kept if that is baseline, stress or
    amusement. One recording is in memory at a time.

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
        Least share of a window's label samples that carry its label.
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
        parts.append(_subject_windows(cohort[k], cohort.root, channels, rate_hz, window_s, hop_s, min_purity))
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
        },
    )


def label_windows(codes: np.ndarray, rate_hz: float, window_s: float, hop_s: float) -> tuple[np.ndarray, ...]:
    """Label every window of a recording by majority.

    Parameters
    ----------
    codes : ndarray (time,)
        Label codes of the data set, 0 to 7.
    rate_hz : float
        Their rate.
    window_s, hop_s : float
        Length of a window, and from one window's start to the next.

    Returns
    -------
    start_s : ndarray (window,)
        Seconds from the recording's start; also of the windows that belong to no state.
    code : ndarray (window,)
        The most frequent code in the window.
    purity : ndarray (window,)
        Its share.

    Examples
    --------
    >>> import numpy as np
    >>> start_s, code, purity = label_windows(np.repeat([0, 1, 2], 4), rate_hz=1, window_s=4, hop_s=3)
    >>> start_s.tolist(), code.tolist(), purity.tolist()
    ([0.0, 3.0, 6.0], [0, 1, 1], [1.0, 0.75, 0.5])
    """
    width = round(window_s * rate_hz)
    first = np.arange(0, max(int((len(codes) / rate_hz - window_s) / hop_s + 1e-9) + 1, 0)) * hop_s
    first = np.rint(first * rate_hz).astype(int)
    first = first[first + width <= len(codes)]
    count = np.array([np.bincount(codes[start : start + width], minlength=8) for start in first]).reshape(-1, 8)
    return first / rate_hz, count.argmax(axis=1), count.max(axis=1) / width


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
    root: object,
    channels: Sequence[str],
    rate_hz: float,
    window_s: float,
    hop_s: float,
    min_purity: float,
) -> dict[str, np.ndarray]:
    where = f"{root}/{recording.subject}"
    for name in channels:
        if name not in recording.signals:
            raise InputError(
                f"{where}: the recording has no {name}; it has {', '.join(recording.signals) or 'none'}, so leave "
                f"{recording.subject} out of `subjects`, or model the other `device`."
            )
    labels = recording.labels
    start_s, code, purity = label_windows(labels.to_numpy(), labels.attrs["rate_hz"], window_s, hop_s)
    state = np.array([LABELS.get(int(value), "") for value in code], dtype=str)
    kept = np.isin(state, STATES) & (purity >= min_purity)
    if not kept.any():
        raise InputError(
            f"{where}: no window of {window_s:g} s in {', '.join(STATES)} with a purity of {min_purity:g} or more; "
            f"leave {recording.subject} out of `subjects`, or ask for shorter or less pure windows."
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
