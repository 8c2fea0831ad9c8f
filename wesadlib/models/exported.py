"""A network's exported form: one graph that OpenVINO computes, without torch; :mod:`.exporting` writes it."""

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from wesadlib.errors import InputError
from wesadlib.models import MODEL_FILE
from wesadlib.models.looking import BATCH, NetworkPredictor, Run
from wesadlib.models.normalising import normalise

if TYPE_CHECKING:
    import openvino

#: The graph; its values lie beside it in a file of the same name that ends in ``.bin``.
GRAPH_FILE = "graph.xml"


class _Scale:
    """What :class:`wesadlib.models.levels.RobustScale` does."""

    def __init__(self, median: Sequence[float], spread: Sequence[float]):
        self._median, self._spread = np.array(median, float), np.array(spread, float)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.arcsinh((values - self._median) / self._spread).astype(np.float32)


class ExportedNetwork:
    """A fitted network that predicts, and can neither be fitted nor saved.

    Parameters
    ----------
    saved : mapping
        Its description, as :func:`wesadlib.models.exporting.export` writes it.
    graph : openvino.Model
        Of what :func:`wesadlib.models.exporting.trace` traces.

    Attributes
    ----------
    name, classes, rested_
        As of the model that was exported: see :class:`wesadlib.models.Model`.
    channels_, samples_, feature_names_, profile_size
        See :class:`wesadlib.models.looking.Network`.
    """

    def __init__(self, saved: Mapping[str, Any], graph: "openvino.Model"):
        self.name, self.classes = str(saved["name"]), list(saved["classes"])
        self.channels_, self.samples_ = list(saved["channels"]), int(saved["samples"])
        self.feature_names_, self.profile_size = list(saved["features"]), int(saved["profile_size"])
        self._noise = np.array(saved["noise"], np.float32)
        self._logarithmic = np.array(saved["logarithmic"], bool)
        self._levels = bool(saved["levels"])
        self._scale, self._rest_scale = _Scale(**saved["scale"]), _Scale(**saved["rest_scale"])
        self._graph = graph

    @property
    def rested_(self) -> bool:
        """Whether the model was fitted with windows at rest."""
        return self.profile_size > 0

    def predictor(
        self, channels: Sequence[str] | None, feature_names: Sequence[str] | None, *, threads: int = 1
    ) -> NetworkPredictor:
        """Predict from plain arrays, any number of callers at a time: see :meth:`wesadlib.models.Model.predictor`."""
        return NetworkPredictor(self, channels, feature_names, self._compile(threads))

    def _compile(self, threads: int) -> Run:
        import openvino

        options = {
            "INFERENCE_NUM_THREADS": threads,
            # One for each caller that asks while others do: it computes in their threads.
            "NUM_STREAMS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            # Two replicas would be pinned to the same core.
            "ENABLE_CPU_PINNING": False,
        }
        # One that knows how many windows there are takes less time for them.
        graphs = {windows: self._of(windows) for windows in (1, BATCH)} | {0: self._graph}
        compiled = {windows: openvino.Core().compile_model(graph, "CPU", options) for windows, graph in graphs.items()}
        own = threading.local()

        def run(signals: np.ndarray, features: np.ndarray, profile: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            if not hasattr(own, "requests"):
                own.requests = {windows: graph.create_infer_request() for windows, graph in compiled.items()}
            request = own.requests.get(len(signals), own.requests[0])
            normal, levels = normalise(signals, self._noise, self._logarithmic)
            measures = self._scale(np.concatenate([levels, features], axis=1) if self._levels else features)
            given = [normal, *self._compare(measures, profile)]
            # Kept until the end: the request only looks at them.
            given = [np.ascontiguousarray(part) for part in given if part.shape[1]]
            for number, part in enumerate(given):
                request.set_input_tensor(number, openvino.Tensor(part, shared_memory=True))
            request.infer()
            logits, pooled = (request.get_output_tensor(number).data.copy() for number in range(2))
            return logits, np.concatenate([measures, pooled], axis=1)

        return run

    def _of(self, windows: int) -> "openvino.Model":
        """The graph for so many windows and no other number of them."""
        graph = self._graph.clone()
        graph.reshape({number: [windows, *list(put.partial_shape)[1:]] for number, put in enumerate(graph.inputs)})
        return graph

    def _compare(self, measures: np.ndarray, profile: np.ndarray | None) -> list[np.ndarray]:
        """Measures as :meth:`wesadlib.models.network.ResNet1D.compare` gives them, and pooled feature maps at rest."""
        if profile is None:
            return [np.nan_to_num(measures)]
        measures_at_rest, pooled_at_rest = np.split(profile, [measures.shape[1]], axis=1)
        distance = self._rest_scale(measures - measures_at_rest)
        return [np.nan_to_num(np.concatenate([measures, distance], axis=1)), pooled_at_rest]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :func:`wesadlib.models.exporting.export` wrote of a network.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        import openvino

        folder = Path(folder)
        try:
            saved = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            return cls(saved, openvino.Core().read_model(folder / GRAPH_FILE))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):
            raise InputError(f"{folder}: not an exported network; export the model again.") from None
