"""What a window's way through the network costs with each engine: ``python benchmarks/engines.py``.

Normalisation stays with torch for all of them; what differs is who computes the convolutions, on one thread. The
difference is the largest, over the bench's windows, from the eager network in what the convolutions give. Of ONNX
Runtime it is told where it is installed, with ``onnx`` to write the network for it: neither is needed otherwise.
"""

import argparse
import io
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import Tensor
from workload import choose_windows, make_bundle

from wesadlib.artefacts import project_root, write_json
from wesadlib.models.engines import Embedding, Reader, make_reader
from wesadlib.models.network import ResNet1D

SIZES = (1, 8, 64)


def with_normalisation(network: ResNet1D, embed: Callable[[Tensor], Tensor]) -> Reader:
    def read(signals: Tensor) -> tuple[Tensor, Tensor]:
        normal, levels = network.normalisation(signals)
        return embed(normal), levels

    return read


def make_frozen(network: ResNet1D, example: Tensor) -> Reader:
    traced = torch.jit.trace(Embedding(network).eval(), example, check_trace=False)
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return with_normalisation(network, frozen)


def make_onnxruntime(network: ResNet1D, example: Tensor) -> Reader:
    import onnxruntime

    written = io.BytesIO()
    axes = {"normal": {0: "window"}, "pooled": {0: "window"}}
    names = {"input_names": ["normal"], "output_names": ["pooled"], "dynamic_axes": axes}
    torch.onnx.export(Embedding(network).eval(), (example,), written, dynamo=False, **names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(written.getvalue(), options, providers=["CPUExecutionProvider"])
    return with_normalisation(
        network, lambda normal: torch.from_numpy(session.run(None, {"normal": normal.numpy()})[0])
    )


def best_ms(read: Reader, signals: Tensor, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        read(signals)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    bundle = make_bundle(project_root() / "outputs" / "bench" / "bundle")
    network = bundle.model.network_.eval()
    _, plain = choose_windows(bundle)
    windows = np.stack([np.stack(list(window.channels.values())) for window in plain]).astype(np.float32)
    signals = torch.from_numpy(np.tile(windows, (64 // len(windows), 1, 1)))
    shape = tuple(signals.shape[1:])
    found = []
    torch.set_num_threads(1)
    with torch.inference_mode(), threadpool_limits(1):
        example = network.normalisation(signals[:2])[0]
        engines = {engine: make_reader(network, shape, engine) for engine in ("eager", "openvino")}
        engines["frozen"] = make_frozen(network, example)
        if find_spec("onnxruntime") and find_spec("onnx"):
            engines["onnxruntime"] = make_onnxruntime(network, example)
        expected = engines["eager"](signals)[0]
        for engine, read in engines.items():
            difference = float((read(signals)[0] - expected).abs().max())
            times = {f"batch{size}_ms": best_ms(read, signals[:size], repeats) for size in SIZES}
            found.append({"engine": engine, **times, "difference": difference})
    table = Table("engine", *(f"{size} windows, ms" for size in SIZES), "difference")
    for row in found:
        times = [f"{row[f'batch{size}_ms']:.2f}" for size in SIZES]
        table.add_row(row["engine"], *times, f"{row['difference']:.0e}")
    Console().print(table)
    path = write_json(project_root() / "outputs" / "bench" / "engines.json", found)
    Console().print(f"written to {path}")


if __name__ == "__main__":
    main()
