"""The Open Inference Protocol (KServe's version 2, over HTTP), for clients that others wrote; over the same call.

Inputs are the model's channels, each a tensor (window, sample) at its native rate; outputs are `probabilities`
(window, state), NaN where a window is rejected, `state`, empty there, `status` and `abstained` (window).
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from wesadlib import __version__
from wesadlib.bundle import Answer
from wesadlib.serving.schemas import MAX_SAMPLE, MAX_WINDOWS, refer
from wesadlib.serving.service import REST_HEADER, Service
from wesadlib.serving.wire import Samples, require_few

_DTYPES = {"FP32": "<f4", "FP64": "<f8"}
_OUTPUTS = {"probabilities": "FP64", "state": "BYTES", "status": "BYTES", "abstained": "BOOL"}
_LENGTH = "Inference-Header-Content-Length"
_EXAMPLE = {
    "inputs": [{"name": "wrist_temp", "datatype": "FP32", "shape": [1, 4], "data": [33.1, 33.2, 33.2, 33.1]}],
    "outputs": [{"name": "state"}],
}

#: Where a path has one it is a string, and where it has none there is none.
Version = Annotated[str | None, WithJsonSchema({"type": "string"})]


class RequestedOutput(BaseModel):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class Tensor(RequestedOutput):
    """A named tensor; its numbers stand in `data`, or after the JSON where `binary_data_size` says how many bytes."""

    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=8)]
    datatype: str
    data: list[Any] | None = None


class InferenceRequest(BaseModel):
    """One tensor a channel; `parameters` may hold `rest`, from `POST /rest`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: Annotated[list[Tensor], Field(max_length=64)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=64)] | None = None


class InferenceResponse(BaseModel):
    """What is said of each window."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class ModelMetadata(BaseModel):
    """The served model; in a shape -1 stands for any number of windows."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


class InferenceError(BaseModel):
    """An error, in a sentence."""

    error: str


def inference_router(service: Service) -> APIRouter:
    """Make the routes."""
    statuses = (400, 401, 403, 404, 408, 409, 413, 415, 429, 499, 500, 503)
    router = APIRouter(prefix="/v2", responses={status: {"model": InferenceError} for status in statuses})

    def require_model(name: str, version: str | None) -> dict[str, Any]:
        config = service.bundle.config
        if name != config["model"]:
            raise HTTPException(404, f"There is no model of this name here; this server has `{config['model']}`.")
        if version not in (None, config["version"]):
            raise HTTPException(404, f"There is no such version of this model here, but {config['version']}.")
        return config

    @router.get("", name="v2_server")
    async def server() -> dict[str, Any]:
        """Describe the server."""
        return {"name": "wesadlib", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/health/live", name="v2_live", openapi_extra={"security": []})
    async def live() -> dict[str, bool]:
        """Say that the server answers."""
        return {"live": True}

    @router.get("/health/ready", name="v2_ready", openapi_extra={"security": []})
    async def ready() -> dict[str, bool]:
        """Say that the model has answered its own example."""
        service.require_ready()
        return {"ready": True}

    async def metadata(name: str, version: Version = None) -> ModelMetadata:
        """Describe the model: a tensor a channel, at its native rate."""
        return describe_model(require_model(name, version))

    async def model_ready(name: str, version: Version = None) -> dict[str, bool]:
        """Say that the model has answered its own example."""
        require_model(name, version)
        return await ready()

    async def infer(
        request: Request,
        name: str,
        version: Version = None,
        length: Annotated[int | None, Header(alias=_LENGTH, ge=0)] = None,
        wesad_rest: Annotated[str | None, Header(alias=REST_HEADER)] = None,
    ) -> Response:
        """Answer windows: a tensor (window, sample) a channel, as JSON or with the binary extension."""
        config = require_model(name, version)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "A request is sent uncompressed.")
        asked, windows = await asyncio.to_thread(read_request, await request.body(), length, config)
        rest = asked.parameters.get("rest", wesad_rest)
        if not isinstance(rest, str | None):
            raise HTTPException(400, "parameters.rest: a token from `POST /rest` is needed.")
        answers = [result.answer for result in await service.answer(windows, rest=rest)]
        if faults := [answer for answer in answers if not isinstance(answer, Answer)]:
            raise HTTPException(400, "; ".join(f"{name}: {detail}" for name, detail in faults[0].items()) + ".")
        return write_response(asked, answers, config)

    binary = {"schema": {"type": "string", "format": "binary"}}
    contents = {"application/json": {"schema": refer(InferenceRequest)}, "application/octet-stream": binary}
    described = {
        "responses": {200: {"model": InferenceResponse, "content": {"application/octet-stream": binary}}},
        "openapi_extra": {"requestBody": {"required": True, "content": contents}},
    }
    for path, suffix in (("/models/{name}", ""), ("/models/{name}/versions/{version}", "_version")):
        router.get(path, name=f"v2_model{suffix}")(metadata)
        router.get(f"{path}/ready", name=f"v2_model_ready{suffix}")(model_ready)
        router.post(f"{path}/infer", name=f"v2_infer{suffix}", **described)(infer)
    return router


def describe_model(config: dict[str, Any]) -> ModelMetadata:
    """Describe a bundle's model by its configuration."""
    shapes = {"probabilities": [-1, len(config["states"])]}
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [-1, round(channel["rate_hz"] * config["window_s"])]}
        for name, channel in config["channels"].items()
    ]
    outputs = [{"name": name, "datatype": kind, "shape": shapes.get(name, [-1])} for name, kind in _OUTPUTS.items()]
    named = {"name": config["model"], "versions": [config["version"]], "platform": "wesadlib"}
    return ModelMetadata(**named, inputs=inputs, outputs=outputs)


def read_request(body: bytes, length: int | None, config: dict[str, Any]) -> tuple[InferenceRequest, list[Samples]]:
    """Read a request, and its tensors as windows; raises HTTPException 400 with a sentence where they are none."""
    header, binary = (body, b"") if length is None else (body[:length], body[length:])
    require_few(header)
    try:
        request = InferenceRequest.model_validate_json(header)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the request"
        raise HTTPException(400, f"{place}: {first['msg']}.") from None
    rates_hz = {name: float(channel["rate_hz"]) for name, channel in config["channels"].items()}
    if sorted(tensor.name for tensor in request.inputs) != sorted(rates_hz):
        raise HTTPException(400, f"inputs: this model has {', '.join(rates_hz)}, each once.")
    for output in request.outputs or []:
        if output.name not in _OUTPUTS or "classification" in output.parameters:
            raise HTTPException(400, f"outputs: this model has {', '.join(_OUTPUTS)}, and no classification of them.")
    channels = {}
    for tensor in request.inputs:
        data, size = tensor.data, tensor.parameters.get("binary_data_size")
        if isinstance(size, int):
            data, binary = (binary[:size], binary[size:]) if 0 <= size <= len(binary) else (None, binary)
        channels[tensor.name] = _read_tensor(tensor, data)
    if binary:
        raise HTTPException(400, f"{len(binary)} bytes come after the last tensor.")
    rows = {len(values) for values in channels.values()}
    if len(rows) != 1:
        raise HTTPException(400, "inputs: all tensors have the same number of windows as their first dimension.")
    if max(rows) > MAX_WINDOWS:
        raise HTTPException(400, f"A request has at most {MAX_WINDOWS} windows.")
    windows = [{name: values[row] for name, values in channels.items()} for row in range(*rows)]
    return request, [Samples(window, rates_hz) for window in windows]


def _read_tensor(tensor: Tensor, data: bytes | list | None) -> np.ndarray:
    dtype, size, fault = _DTYPES.get(tensor.datatype), math.prod(tensor.shape), ""
    values = np.empty(0, object)
    with suppress(ValueError, OverflowError):
        values = np.frombuffer(data, dtype) if isinstance(data, bytes) else np.asarray(data)
    if dtype is None:
        fault = f"the datatype is one of {', '.join(_DTYPES)}"
    elif len(tensor.shape) != 2:
        fault = "the shape is [windows, samples]"
    elif values.dtype.kind not in "fiu" or not (np.abs(values) <= MAX_SAMPLE).all():
        fault = f"the data are finite numbers of at most {MAX_SAMPLE:g} either way, in JSON or as {tensor.datatype}"
    elif values.size != size:
        fault = f"the shape says {size} numbers, the data hold {values.size}"
    if fault:
        raise HTTPException(400, f"{tensor.name}: {fault}.")
    return values.astype(dtype, copy=False).reshape(tensor.shape)


def write_response(request: InferenceRequest, answers: Sequence[Answer], config: dict[str, Any]) -> Response:
    """Write answers, in JSON or, as far as the request asks for that, with the binary extension."""
    states, rows = config["states"], len(answers)
    unknown = dict.fromkeys(states, math.nan)
    values = {
        "probabilities": [(answer.probabilities or unknown)[state] for answer in answers for state in states],
        "state": [answer.state or "" for answer in answers],
        "status": [answer.status for answer in answers],
        "abstained": [answer.abstained for answer in answers],
    }
    everything = bool(request.parameters.get("binary_data_output"))
    outputs, parts = [], []
    for output in request.outputs or [RequestedOutput(name=name) for name in _OUTPUTS]:
        shape = [rows, len(states)] if output.name == "probabilities" else [rows]
        tensor = {"name": output.name, "datatype": _OUTPUTS[output.name], "shape": shape}
        if output.parameters.get("binary_data", everything):
            parts.append(_to_bytes(values[output.name], tensor["datatype"]))
            outputs.append(tensor | {"parameters": {"binary_data_size": len(parts[-1])}})
        else:
            outputs.append(tensor | {"data": values[output.name]})
    answer = {"model_name": config["model"], "model_version": config["version"], "outputs": outputs}
    header = to_json(answer | ({} if request.id is None else {"id": request.id}), inf_nan_mode="null")
    if not parts:
        return Response(header, media_type="application/json")
    headers = {_LENGTH: str(len(header))}
    return Response(b"".join([header, *parts]), media_type="application/octet-stream", headers=headers)


def _to_bytes(values: Sequence[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        return b"".join(len(text).to_bytes(4, "little") + text for value in values for text in [value.encode()])
    return np.array(values, "<f8" if datatype == "FP64" else "?").tobytes()
