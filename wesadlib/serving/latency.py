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


def summarise_requests(requests: pd.DataFrame) -> dict[str, float]:
    """Summarise timed requests of many clients.

    Parameters
    ----------
    requests : DataFrame
        ``start_s milliseconds status``, a row a request: when it was due, how long its answer took from then, and the
        HTTP status, 0 where there was no answer.

    Returns
    -------
    dict of str to float
        ``requests``; ``errors``, those with a status other than 200; ``requests_per_s``, those without, over the time
        from the first that was due to the last that ended; ``p50_ms p95_ms p99_ms`` of those without, NaN where there
        is none.
    """
    answered = requests["status"] == 200
    ended_s = requests["start_s"] + requests["milliseconds"] / 1e3
    taken_s = ended_s.max() - requests["start_s"].min()
    quantiles = requests.loc[answered, "milliseconds"].quantile([0.5, 0.95, 0.99])
    return {
        "requests": len(requests),
        "errors": int((~answered).sum()),
        "requests_per_s": float(answered.sum() / taken_s),
        **{f"p{round(100 * share)}_ms": float(value) for share, value in quantiles.items()},
    }
