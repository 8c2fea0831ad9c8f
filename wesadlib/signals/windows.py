"""Sliding windows over recordings, cut at the native rates, with label and purity."""

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import wesadlib
from wesadlib.data import DEVICE_CHANNELS, LABELS, STATES
from wesadlib.errors import InputError
from wesadlib.signals.beats import BEAT_SOURCES
from wesadlib.signals.harmonise import window_arrays
from wesadlib.signals.native import NATIVE_STATISTICS


def make_windows(
    cohort,
    *,
    device: str,
    rate_hz: float = 35.0,
    window_s: float = 60.0,
    hop_s: float = 30.0,
    min_purity: float = 0.0,
    progress: bool = False,
) -> xr.Dataset:
    """Cut a cohort's recordings into labelled windows.

    Parameters
    ----------
    cohort : Cohort
        Recordings, loaded one at a time.
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
        The windows in order of subject and time.

    Raises
    ------
    InputError
        When the device or one of its channels is missing, or no window remains.
    """
    parts = [
        subject_windows(recording, device, rate_hz, window_s, hop_s, min_purity)
        for recording in tqdm(cohort, desc="windows", unit="subject", disable=not progress)
    ]
    if not sum(len(part["label"]) for part in parts):
        raise InputError(f"{cohort.root}: no window of {', '.join(STATES)} in any recording.")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    channels = list(DEVICE_CHANNELS[device])
    from wesadlib.data import CHANNELS

    return xr.Dataset(
        {
            "signal": (("window", "channel", "time"), joined["signal"]),
            "beat_s": (("window", "beat_source", "beat"), joined["beat_s"]),
            "native": (("window", "channel", "native_statistic"), joined["native"]),
        },
        coords={
            "subject": ("window", joined["subject"]),
            "label": ("window", joined["label"]),
            "purity": ("window", joined["purity"]),
            "start_s": ("window", joined["start_s"]),
            "channel": channels,
            "units": ("channel", [CHANNELS[name][0] for name in channels]),
            "time": np.arange(joined["signal"].shape[-1]) / rate_hz,
            "beat_source": [source for source in BEAT_SOURCES if source in channels],
            "native_statistic": list(NATIVE_STATISTICS),
        },
        attrs={
            "rate_hz": rate_hz,
            "window_s": window_s,
            "hop_s": hop_s,
            "cohort_digest": cohort.digest,
            "wesadlib_version": wesadlib.__version__,
            "device": device,
            "simulated": int(cohort.simulated),
        },
    )


def subject_windows(recording, device, rate_hz, window_s, hop_s, min_purity) -> dict[str, np.ndarray]:
    """The arrays of one recording's windows."""
    codes = recording.labels.to_numpy()
    label_rate = recording.labels.attrs["rate_hz"]
    starts_s = np.arange(0, len(codes) / label_rate - window_s + 1e-9, hop_s)
    width = round(window_s * label_rate)
    code, purity = np.empty(len(starts_s), int), np.empty(len(starts_s))
    for k, start in enumerate(starts_s):
        first = round(start * label_rate)
        counts = np.bincount(codes[first : first + width], minlength=8)
        code[k], purity[k] = counts.argmax(), counts.max() / width
    names = np.array([LABELS.get(c, "") for c in code])
    kept = np.isin(names, STATES) & (purity >= min_purity)
    starts_s = starts_s[kept]
    channels, rates = {}, {}
    for name in DEVICE_CHANNELS[device]:
        values = recording.signals[name]
        rate = rates[name] = values.attrs["rate_hz"]
        values, width = values.to_numpy(), round(window_s * rate)
        first = np.rint(starts_s * rate).astype(int)
        channels[name] = values[first[:, None] + np.arange(width)]
    signal, beat_s, native = window_arrays(channels, rates, rate_hz, window_s)
    return {
        "signal": signal,
        "beat_s": beat_s,
        "native": native,
        "subject": np.full(len(starts_s), recording.subject),
        "label": names[kept],
        "purity": purity[kept],
        "start_s": starts_s,
    }
