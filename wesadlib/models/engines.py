"""What runs the network's work: torch as it stands, or a form of it compiled for the processor.

Why OpenVINO, by ``python benchmarks/engines.py`` on one core, width 16, milliseconds for so many windows:

=====================  ====  ====  ====
engine                 1     8     64
=====================  ====  ====  ====
torch, eager           0.72  2.0   12.0
torch, traced, frozen  0.61  1.7   12.1
OpenVINO               0.26  1.2   10.1
ONNX Runtime           0.21  1.2   9.6
=====================  ====  ====  ====

All give the same feature maps to 1e-7. The last two are as quick beside the milliseconds that the rest of an answer
takes; OpenVINO reads the traced network itself, ONNX Runtime would need another package to write it.
"""

import threading
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from wesadlib.models.predictor import check_engine

#: Most windows at a time, so that feature maps stay in the processor's cache.
BATCH = 64

#: Signals ``(window, channel, time)`` to pooled feature maps ``(window, map)`` and levels ``(window, level)``.
Reader = Callable[[Tensor], tuple[Tensor, Tensor]]


def make_reader(network: nn.Module, shape: tuple[int, int], engine: str = "eager", threads: int = 1) -> Reader:
    """Make what does a network's `read`, on the CPU and by any number of callers at a time.

    Parameters
    ----------
    network : ResNet1D
        Trained; what is compiled no longer follows it.
    shape : pair of int
        Channels and samples of a window.
    engine : str
        One of :data:`wesadlib.models.predictor.ENGINES`.
    threads : int
        How many threads compute.

    Raises
    ------
    InputError
        When the engine is unknown.
    """
    check_engine(engine)
    read = _compile(network, shape, threads) if engine == "openvino" else _eager(network, threads)

    def in_batches(signals: Tensor) -> tuple[Tensor, Tensor]:
        if len(signals) <= BATCH:
            return read(signals)
        pooled, levels = zip(*map(read, signals.split(BATCH)), strict=True)
        return torch.cat(pooled), torch.cat(levels)

    return in_batches


def _eager(network: nn.Module, threads: int) -> Reader:
    def read(signals: Tensor) -> tuple[Tensor, Tensor]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return network.read(signals)
        finally:
            torch.set_num_threads(before)

    return read


class Embedding(nn.Module):
    """The convolutions alone: normalisation stays with torch, whose sums over a window lose fewer digits."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, normal: Tensor) -> Tensor:
        """Pooled feature maps ``(window, map)`` of normalised signals ``(window, channel, time)``."""
        return self.network.embed(normal)


def _compile(network: nn.Module, shape: tuple[int, int], threads: int) -> Reader:
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), torch.no_grad():
        # Superseded by torch.export, which takes twenty times as long.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(Embedding(network).eval(), torch.zeros(2, *shape), check_trace=False)
        decoder = TorchScriptPythonDecoder(torch.jit.freeze(traced))
    # Not by `openvino.convert_model`, which tells its maker's server of each use.
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.input(0).get_node().set_element_type(openvino.Type.f32)
    model.reshape([-1, *shape])
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        # Two replicas would be pinned to the same core.
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    lock = threading.Lock()

    def read(signals: Tensor) -> tuple[Tensor, Tensor]:
        normal, levels = network.normalisation(signals)
        with lock:
            (pooled,) = request.infer(normal.numpy(), share_inputs=True, share_outputs=False).values()
        return torch.from_numpy(pooled), levels

    return read
