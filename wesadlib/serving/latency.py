"""How long answers take, as whoever asks sees it."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import pandas as pd

Window = tuple[Mapping[str, Any], Mapping[str, float]]


def measure_latency(
    predict: Callable[..., Any], windows: Sequence[Window], requests: int, *, warm_up: int = 3
) -> pd.DataFrame:
    """Ask for one window after the other, each as soon as the last is answered, and time each answer.

    Parameters
    ----------
    predict : callable
        :meth:`wesadlib.serving.Client.predict` or :meth:`wesadlib.bundle.Bundle.predict_window`.
    windows : sequence of (channels, rates_hz)
        Taken in turn, again from the first when they run out.
    requests : int
        How many are timed.
    warm_up : int, optional
        How many are asked for before that, untimed.

    Returns
    -------
    DataFrame
        ``request window milliseconds status``, a row a request; the time runs from a window in memory to the answer,
        so the client's own encoding is part of it.
    """
    for channels, rates_hz in islice(cycle(windows), warm_up):
        predict(channels, rates_hz)
    rows = []
    for request, (window, (channels, rates_hz)) in enumerate(islice(cycle(enumerate(windows)), requests)):
        start = time.perf_counter()
        answer = predict(channels, rates_hz)
        rows.append((request, window, 1e3 * (time.perf_counter() - start), answer.status))
    return pd.DataFrame(rows, columns=["request", "window", "milliseconds", "status"])
