"""What a window's way through the network costs with each engine: ``python benchmarks/engines.py``.

What differs is who computes the convolutions and the head, on one thread: torch normalises for itself, compiled loops
for the others. The difference is the largest of a probability, over the bench's windows, from the eager network's. Of
ONNX Runtime it is told where it is installed, with ``onnx`` to write the network for it: neither is needed otherwise.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from workload import choose_windows, make_bundle

from wesadlib import models
from wesadlib.artefacts import project_root, write_json
from wesadlib.models.exporting import Deciding, export, trace
from wesadlib.models.normalising import normalise
from wesadlib.models.resnet import ResNet

SIZES = (1, 8, 64)

#: Probabilities ``(window, state)`` of ``(window, channel, time)``.
Answer = Callable[[np.ndarray], np.ndarray]


def after_normalisation(model: ResNet, decide: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Answer:
    network = model.network_
    noise, logarithmic = network.normalisation.noise.numpy(), network.normalisation.logarithmic.numpy()

    def answer(signals: np.ndarray) -> np.ndarray:
        normal, levels = normalise(signals, noise, logarithmic)
        logits = decide(normal, network.compare(network.scale(torch.from_numpy(levels))).numpy())
        return torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()

    return answer


def make_frozen(model: ResNet) -> Answer:
    frozen = torch.jit.optimize_for_inference(trace(model)[0])
    return after_normalisation(model, lambda *given: frozen(*map(torch.from_numpy, given))[0].numpy())


def make_onnxruntime(model: ResNet) -> Answer:
    import onnxruntime

    written = io.BytesIO()
    names = ["normal", "measures"]
    example = tuple(torch.zeros(2, *shape) for shape in trace(model)[1])
    torch.onnx.export(
        Deciding(model.network_).eval(),
        example,
        written,
        dynamo=False,
        input_names=names,
        output_names=["logits", "pooled"],
        dynamic_axes={name: {0: "window"} for name in [*names, "logits", "pooled"]},
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(written.getvalue(), options, providers=["CPUExecutionProvider"])
    return after_normalisation(model, lambda *given: session.run(["logits"], dict(zip(names, given, strict=True)))[0])


def make_openvino(model: ResNet) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        export(model, folder)
        predictor = models.load(folder).predictor(model.channels_, None)
    return lambda signals: predictor(signals, None)


def best_ms(answer: Answer, signals: np.ndarray, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer(signals)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    bundle = make_bundle(project_root() / "outputs" / "bench" / "bundle")
    model = bundle.model
    _, plain = choose_windows(bundle)
    windows = np.stack([np.stack(list(window.channels.values())) for window in plain]).astype(np.float32)
    signals = np.tile(windows, (64 // len(windows), 1, 1))
    eager = model.predictor(model.channels_, None)
    found = []
    torch.set_num_threads(1)
    with torch.inference_mode(), threadpool_limits(1):
        engines: dict[str, Answer] = {"eager": lambda signals: eager(signals, None), "openvino": make_openvino(model)}
        engines["frozen"] = make_frozen(model)
        if find_spec("onnxruntime") and find_spec("onnx"):
            engines["onnxruntime"] = make_onnxruntime(model)
        expected = engines["eager"](signals)
        for engine, answer in engines.items():
            difference = float(np.abs(answer(signals) - expected).max())
            times = {f"batch{size}_ms": best_ms(answer, signals[:size], repeats) for size in SIZES}
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
