"""How long answers take, as whoever asks sees it."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

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


class _Cost(NamedTuple):
    what: str
    name: str
    digits: int
    of: str = ""
    beside: str = ""


_COSTS = (
    _Cost("windows a second, binary batches of 64", "batch64_windows_per_s", 0, "ratio_batch64", "times the plain app"),
    _Cost(
        "requests a second, one JSON window, 8 clients",
        "json_8_clients_requests_per_s",
        0,
        "ratio_json_8_clients",
        "times the plain app",
    ),
    _Cost(
        "requests a second, one binary window, 8 clients",
        "binary_8_clients_requests_per_s",
        0,
        "ratio_binary_8_clients",
        "times the plain app given the same body",
    ),
    _Cost("the same, of Ray Serve with nothing in it", "floor_binary_8_clients_requests_per_s", 0),
    _Cost("share of that floor", "ratio_binary_8_clients_to_floor", 2),
    _Cost("share of the network's bare forward pass, batches of 64", "ratio_batch64_to_network", 2),
    _Cost(
        "by one replica: windows a second, binary batches of 64",
        "one_replica_batch64_windows_per_s",
        0,
        "one_replica_ratio_batch64",
        "times the plain app",
    ),
    _Cost(
        "by one replica: requests a second, one JSON window, 8 clients",
        "one_replica_json_8_clients_requests_per_s",
        0,
        "one_replica_ratio_json_8_clients",
        "times the plain app",
    ),
    _Cost("time to the answer at 20 requests a second, ms: half within", "binary_20rps_p50_ms", 1),
    _Cost("99 % within", "binary_20rps_p99_ms", 1),
    _Cost("streams at a time, a prediction every 5 s", "streams", 0),
    _Cost("of their predictions later than 500 ms, %", "streams_late_percent", 2),
    _Cost("seconds from nothing to ready", "start_to_ready_s", 1),
    _Cost("of these above Ray Serve with nothing in it", "start_above_empty_s", 1),
    _Cost("resident memory of one replica and all that Ray starts, MB, shared pages counted once", "pss_mb", 0),
    _Cost("shared pages counted in each process", "rss_mb", 0),
    _Cost("of two replicas, shared pages counted once", "two_replicas_pss_mb", 0),
)


def tabulate_costs(found: Mapping[str, Any]) -> pd.DataFrame:
    """What a run of the server's bench found, in words.

    Parameters
    ----------
    found : mapping
        ``serving.json``, as ``make bench-serve`` writes it.

    Returns
    -------
    DataFrame
        ``what measured beside``, a row a figure that was measured; `beside` says how many times another app's it is.
    """
    rows = []
    for cost in _COSTS:
        if found.get(cost.name) is not None:
            beside = f"{found[cost.of]:.1f} {cost.beside}" if cost.of else ""
            rows.append((cost.what, f"{found[cost.name]:,.{cost.digits}f}", beside))
    return pd.DataFrame(rows, columns=["what", "measured", "beside"])
