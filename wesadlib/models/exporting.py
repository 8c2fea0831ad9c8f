"""Networks in a form that needs no torch: traced from it, written as one graph for OpenVINO.

Why OpenVINO, by ``python benchmarks/engines.py`` on one core, width 16, milliseconds for so many windows:

=====================  ====  ====  ====
engine                 1     8     64
=====================  ====  ====  ====
torch, eager           0.87  2.3   14.3
torch, traced, frozen  0.62  1.6   11.4
OpenVINO               0.28  1.2   9.4
ONNX Runtime           0.18  1.1   9.1
=====================  ====  ====  ====

All give the same probabilities to 1e-8; torch, eager, normalises for itself. The last two are as quick beside the
milliseconds that the rest of an answer takes; OpenVINO reads the traced network itself, ONNX Runtime would need another
package to write it.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wesadlib.artefacts import write_json
from wesadlib.models import EXPORTED, MODEL_FILE, Model
from wesadlib.models.exported import GRAPH_FILE
from wesadlib.models.levels import RobustScale
from wesadlib.models.mean import Mean
from wesadlib.models.network import ResNet1D
from wesadlib.models.resnet import ResNet

if TYPE_CHECKING:
    import openvino


def export(model: Model, folder: str | Path) -> None:
    """Write the form of a fitted model that answers without torch; :func:`wesadlib.models.load` reads it.

    A mean's networks are written in that form beside its other members, which are written as they are saved, as is any
    other model.

    Parameters
    ----------
    model : Model
        Fitted.
    folder : path
        Where.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Mean):
        model.save(folder, export)
    elif isinstance(model, ResNet):
        _export_network(model, folder)
    else:
        model.save(folder)


def _export_network(model: ResNet, folder: Path) -> None:
    import openvino

    openvino.save_model(convert(model), folder / GRAPH_FILE, compress_to_fp16=False)
    network = model.network_
    description = {
        "model": EXPORTED,
        "name": model.name,
        "classes": model.classes,
        "channels": model.channels_,
        "samples": model.samples_,
        "features": list(model.feature_names_),
        "profile_size": model.profile_size,
        "noise": network.normalisation.noise.tolist(),
        "logarithmic": network.normalisation.logarithmic.tolist(),
        "levels": network.levels,
        "scale": _describe(network.scale),
        "rest_scale": _describe(network.rest_scale),
    }
    write_json(folder / MODEL_FILE, description)


def _describe(scale: RobustScale) -> dict[str, list[float]]:
    return {"median": scale.median.tolist(), "spread": scale.spread.tolist()}


class Deciding(nn.Module):
    """All of a network that costs time: its convolutions and its head.

    What comes before them is left to the caller. Graphs are made faster by multiplying constants out, and the distance
    of a value from a median, over a spread that is small beside both, would lose its digits.
    """

    def __init__(self, network: ResNet1D):
        super().__init__()
        self.network = network

    def forward(
        self, normal: Tensor, measures: Tensor | None = None, pooled_at_rest: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits ``(window, state)`` and pooled feature maps ``(window, map)``; arguments as of `ResNet1D.decide`."""
        pooled = self.network.embed(normal)
        measures = pooled[:, :0] if measures is None else measures
        return self.network.decide(pooled, measures, pooled_at_rest), pooled


def trace(model: ResNet) -> tuple[torch.jit.ScriptModule, list[tuple[int, ...]]]:
    """Trace the part of a fitted network that costs time.

    Returns
    -------
    ScriptModule
        Frozen; takes normalised signals, measures where the network has any, and feature maps at rest where it sees
        them.
    list of tuple of int
        Shape of each of these for one window.
    """
    measures = len(model.network_.scale.median)
    widths = (measures * (1 + model.rested_), (model.profile_size - measures) * model.rested_)
    shapes = [(len(model.channels_), model.samples_), *((width,) for width in widths if width)]
    with warnings.catch_warnings(), torch.no_grad():
        # Superseded by torch.export, which takes twenty times as long.
        warnings.simplefilter("ignore", DeprecationWarning)
        example = tuple(torch.zeros(2, *shape) for shape in shapes)
        traced = torch.jit.trace(Deciding(model.network_).eval(), example, check_trace=False)
        return torch.jit.freeze(traced), shapes


def convert(model: ResNet) -> "openvino.Model":
    """The part of a fitted network that costs time, for any number of windows, as OpenVINO's own operations."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frozen, shapes = trace(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        decoder = TorchScriptPythonDecoder(frozen)
    # Not by `openvino.convert_model`, which tells its maker's server of each use.
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    for put in graph.inputs:
        put.get_node().set_element_type(openvino.Type.f32)
    graph.reshape({number: [-1, *shape] for number, shape in enumerate(shapes)})
    return graph
