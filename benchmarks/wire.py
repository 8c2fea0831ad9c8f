"""What the forms cost in which windows could travel: ``python benchmarks/wire.py``.

Reading runs from the body's bytes to named arrays and their rates; what is read was checked for being whole by the form
itself. The last column is what the server does on top for the two forms that it takes: names, bounds, finite numbers.
"""

import argparse
import io
import time

import msgpack
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from simdjson import Parser
from threadpoolctl import threadpool_limits

from wesadlib.artefacts import project_root, write_json
from wesadlib.data import CHANNELS, DEVICE_CHANNELS
from wesadlib.serving import wire

WINDOW_S = 60


def simulate(device: str, n_windows: int) -> list[wire.Samples]:
    generator = np.random.default_rng(0)
    rates_hz = {name: CHANNELS[name][1] for name in DEVICE_CHANNELS[device]}
    return [
        wire.Samples(
            {name: generator.normal(size=int(rate * WINDOW_S)).astype(np.float32) for name, rate in rates_hz.items()},
            rates_hz,
        )
        for _ in range(n_windows)
    ]


def write_json_form(windows):
    return wire.write_windows(windows, "json")


def read_json_form(body):
    return [
        {
            name: (channels[name]["rate_hz"], np.frombuffer(channels[name]["samples"].as_buffer(of_type="d")))
            for name in channels
        }
        for channels in (window["channels"] for window in Parser().parse(body)["windows"])
    ]


def write_msgpack(windows):
    return wire.write_windows(windows, "binary")


def read_msgpack(body):
    return [
        {
            name: (part["rate_hz"], np.frombuffer(part["samples"], part["dtype"]))
            for name, part in window["channels"].items()
        }
        for window in msgpack.unpackb(body)["windows"]
    ]


def write_arrow(windows):
    rows = [
        (k, name, window.rates_hz[name], values)
        for k, window in enumerate(windows)
        for name, values in window.channels.items()
    ]
    number, names, rates, samples = zip(*rows, strict=True)
    ends = np.concatenate([[0], np.cumsum([len(values) for values in samples])])
    table = pa.table(
        {
            "window": pa.array(number, pa.int32()),
            "channel": pa.array(names),
            "rate_hz": pa.array(rates, pa.float64()),
            "samples": pa.LargeListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(samples))),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read_arrow(body):
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    windows = {}
    samples = table["samples"].combine_chunks()
    ends, values = samples.offsets.to_numpy(), samples.values.to_numpy()
    columns = (table[name].to_pylist() for name in ("window", "channel", "rate_hz"))
    for k, (number, name, rate) in enumerate(zip(*columns, strict=True)):
        windows.setdefault(number, {})[name] = (rate, values[ends[k] : ends[k + 1]])
    return list(windows.values())


def write_npz(windows):
    arrays = {f"{k}/{name}": values for k, window in enumerate(windows) for name, values in window.channels.items()}
    rates = {f"{k}/{name}/rate_hz": rate for k, window in enumerate(windows) for name, rate in window.rates_hz.items()}
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **arrays, **rates)
    return sink.getvalue()


def read_npz(body):
    windows = {}
    with np.load(io.BytesIO(body), allow_pickle=False) as found:
        for key in found.files:
            number, name, *rate = key.split("/")
            if not rate:
                windows.setdefault(number, {})[name] = (float(found[f"{key}/rate_hz"]), found[key])
    return list(windows.values())


#: Form -> writer, reader, the server's own name for it.
FORMS = {
    "JSON": (write_json_form, read_json_form, "json"),
    "MessagePack": (write_msgpack, read_msgpack, "binary"),
    "Arrow IPC": (write_arrow, read_arrow, None),
    "npz": (write_npz, read_npz, None),
}


def milliseconds(work, repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def measure(device: str, n_windows: int, repeats: int) -> list[dict]:
    windows = simulate(device, n_windows)
    rows = []
    for form, (write, read, served) in FORMS.items():
        body = write(windows)
        for window, back in zip(windows, read(body), strict=True):
            for name, values in window.channels.items():
                rate, samples = back[name]
                assert rate == window.rates_hz[name] and np.array_equal(samples, values)
        rows.append(
            {
                "windows": f"{n_windows} {device}",
                "form": form,
                "KB": len(body) / 1000,
                "write_ms": milliseconds(lambda write=write: write(windows), repeats),
                "read_ms": milliseconds(lambda read=read, body=body: read(body), repeats),
                "checked_ms": served and milliseconds(lambda b=body, s=served: wire.read_windows(b, s), repeats),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with threadpool_limits(1):
        rows = [row for case in (("wrist", 1), ("chest", 1), ("wrist", 64)) for row in measure(*case, repeats)]
    table = Table("windows", "form", "KB", "write, ms", "read, ms", "read and checked, ms")
    for row in rows:
        figures = [row["KB"], row["write_ms"], row["read_ms"]]
        checked = f"{row['checked_ms']:.2f}" if row["checked_ms"] else ""
        table.add_row(row["windows"], row["form"], *(f"{figure:,.2f}" for figure in figures), checked)
    Console().print(table)
    write_json(project_root() / "outputs" / "bench" / "wire.json", rows)


if __name__ == "__main__":
    main()
