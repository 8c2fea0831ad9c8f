"""Labels and protocol in a recording's own seconds: blocks of one label, minutes, windows by majority."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.data.quest import ORDER_COLUMNS
from wesadlib.data.recording import IGNORED_LABELS, LABELS, STATES

#: Seconds that a labelled block leaves out at either end of its condition.
LABEL_MARGIN_S = 10.0


def label_blocks(labels: xr.DataArray) -> pd.DataFrame:
    """Runs of one code in the labels.

    Parameters
    ----------
    labels : DataArray
        Codes ``(time)`` with ``rate_hz`` in its attributes.

    Returns
    -------
    DataFrame
        A row a run: ``code``, ``state`` (``ignored`` for the codes that belong to none), ``start_s``, ``end_s``.
    """
    codes, rate_hz = labels.to_numpy(), labels.attrs["rate_hz"]
    edges = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1, [len(codes)]])
    first = codes[edges[:-1]].astype(int)
    return pd.DataFrame(
        {
            "code": first,
            "state": [LABELS.get(code, "ignored") for code in first],
            "start_s": edges[:-1] / rate_hz,
            "end_s": edges[1:] / rate_hz,
        }
    )


def align_protocol(order: pd.DataFrame, labels: xr.DataArray) -> pd.DataFrame:
    """The protocol in the recording's own seconds.

    quest.csv counts from the start of the chest device, and the recording was cropped afterwards. The crop is found
    from the labels: the k-th labelled block of a state belongs to the k-th condition of that state (both in the order
    of time, since one person's meditations are named in reverse) and begins :data:`LABEL_MARGIN_S` after it.

    Parameters
    ----------
    order : DataFrame
        As :func:`~wesadlib.data.quest.read_quest` gives it.
    labels : DataArray
        Codes ``(time)`` with ``rate_hz`` in its attributes.

    Returns
    -------
    DataFrame
        ``condition``, ``start_s``, ``end_s``, ``name``. Its ``attrs`` hold ``crop_s``, the median over blocks of what
        was cropped, and ``crop_error_s``, the largest deviation of a block from it. Where no block can be matched, both
        are NaN, and so are the times.
    """
    blocks = label_blocks(labels)
    shifts: list[float] = []
    for state in order["condition"].unique():
        planned = order.loc[order["condition"] == state, "start_s"].to_numpy(float)
        seen = blocks.loc[blocks["state"] == state, "start_s"].to_numpy(float)
        if len(planned) == len(seen):
            shifts.extend(planned + LABEL_MARGIN_S - seen)
    crop_s = float(np.median(shifts)) if shifts else float("nan")
    protocol = order[list(ORDER_COLUMNS)].copy()
    protocol[["start_s", "end_s"]] = protocol[["start_s", "end_s"]].astype(float) - crop_s
    protocol.attrs["crop_s"] = crop_s
    protocol.attrs["crop_error_s"] = max((abs(float(shift) - crop_s) for shift in shifts), default=float("nan"))
    return protocol


def label_minutes(labels: xr.DataArray) -> dict[str, float]:
    """Minutes of each state, in the order of :data:`~wesadlib.data.recording.LABELS`, and of ``ignored`` codes."""
    counts = np.bincount(labels.to_numpy(), minlength=max(IGNORED_LABELS) + 1)
    per_minute = 60 * labels.attrs["rate_hz"]
    minutes = {state: float(counts[code] / per_minute) for code, state in LABELS.items()}
    return {**minutes, "ignored": float(counts[list(IGNORED_LABELS)].sum() / per_minute)}


def count_windows(labels: xr.DataArray, *, window_s: float = 60.0, hop_s: float = 30.0) -> Mapping[str, int]:
    """Windows of each of :data:`~wesadlib.data.recording.STATES` that these labels give, by majority.

    The first window starts with the recording; one whose most frequent code belongs to no such state is not counted.

    Parameters
    ----------
    labels : DataArray
        Codes ``(time)`` with ``rate_hz`` in its attributes.
    window_s, hop_s : float
        Length of a window, and from one's start to the next, s.
    """
    codes, rate_hz = labels.to_numpy(), labels.attrs["rate_hz"]
    length = round(window_s * rate_hz)
    n_windows = 1 + int((len(codes) / rate_hz - window_s) // hop_s) if len(codes) >= length else 0
    counts = dict.fromkeys(STATES, 0)
    for k in range(n_windows):
        start = round(k * hop_s * rate_hz)
        state = LABELS.get(int(np.bincount(codes[start : start + length]).argmax()))
        if state in counts:
            counts[state] += 1
    return counts
