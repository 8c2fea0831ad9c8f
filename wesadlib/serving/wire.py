"""The forms in which windows and answers travel: JSON, and MessagePack for whoever sends much.

A window is ``{"channels": {name: {"rate_hz": 64.0, "samples": ...}}}`` in both, a batch ``{"windows": [window, ...]}``.
In JSON the samples are numbers; in MessagePack they are the bytes of an array beside their type,
``{"rate_hz": 64.0, "dtype": "<f4", "samples": b"..."}``, so that nothing is parsed number by number.

Why MessagePack, by ``python benchmarks/wire.py`` on one core, milliseconds from bytes to named arrays:

=================  ======  ===========  =========  =====
single precision   JSON    MessagePack  Arrow IPC  npz
=================  ======  ===========  =========  =====
one wrist window   0.18    0.005        0.02       0.39
one chest window   8.6     0.03         0.05       0.76
64 wrist windows   20      0.33         0.23       23
=================  ======  ===========  =========  =====

A wrist window has 198 KB in JSON and 41 to 44 KB in the others. Arrow is as quick, but its clients need a library of
tens of megabytes, and its bodies, like those of npz, may be compressed, so that few bytes ask for much memory; npz is
hardly read outside Python. MessagePack has a small library in every language that devices are programmed in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgpack
import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from wesadlib.errors import InputError
from wesadlib.serving.parsing import BodyError, Form, Repeated, read, read_packed
from wesadlib.serving.schemas import (
    MAX_SAMPLE,
    MAX_WINDOWS,
    PackedBatch,
    PackedSamples,
    PackedWindow,
    ProblemItem,
    Window,
)

M = TypeVar("M", bound=BaseModel)

#: Form -> content type.
CONTENT_TYPES: dict[str, str] = {"json": "application/json", "binary": "application/vnd.msgpack"}

_MODELS: dict[str, type[BaseModel]] = {"json": Window, "binary": PackedWindow}
_MOST_ITEMS = 20
_NO_WINDOW = "This is not one window in the form that /openapi.json describes."


class Samples(NamedTuple):
    """One window as :meth:`wesadlib.bundle.Bundle.predict_window` takes it."""

    channels: dict[str, np.ndarray]
    rates_hz: dict[str, float]


def check_form(form: str) -> None:
    """Raise :class:`InputError` where `form` is not one of :data:`CONTENT_TYPES`."""
    if form not in CONTENT_TYPES:
        raise InputError(f"form {form!r} is unknown; it is one of {', '.join(CONTENT_TYPES)}.")


def write(value: Any, form: Form) -> bytes:
    """Write what consists of mappings, lists, numbers, text and bytes."""
    return to_json(value) if form == "json" else msgpack.packb(value)


def write_window(channels: Mapping[str, Any], rates_hz: Mapping[str, float], form: Form) -> bytes:
    """Write one window.

    Parameters
    ----------
    channels : mapping of str to array (time)
        Samples at their native rates.
    rates_hz : mapping of str to float
        Sampling rate of each.
    form : "json" or "binary"
        Single precision stays single in the binary form; everything else is sent in double.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        When the form is unknown, or a channel has no rate.
    """
    check_form(form)
    return write(_describe(channels, rates_hz, form), form)


def write_windows(windows: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]], form: Form) -> bytes:
    """Write a batch of (channels, rates_hz), each as :func:`write_window` does."""
    check_form(form)
    return write({"windows": [_describe(*window, form) for window in windows]}, form)


def _describe(channels: Mapping[str, Any], rates_hz: Mapping[str, float], form: Form) -> dict[str, Any]:
    if absent := [name for name in channels if name not in rates_hz]:
        raise InputError(f"{absent[0]}: a rate in Hz is needed.")
    return {"channels": {name: _channel(values, rates_hz[name], form) for name, values in channels.items()}}


def _channel(values: Any, rate_hz: float, form: Form) -> dict[str, Any]:
    if form == "json":
        return {"rate_hz": float(rate_hz), "samples": np.asarray(values, float).tolist()}
    values = np.asarray(values)
    dtype = "<f4" if values.dtype == np.float32 else "<f8"
    return {"rate_hz": float(rate_hz), "dtype": dtype, "samples": values.astype(dtype).tobytes()}


def read_window(body: bytes, form: Form) -> Samples:
    """Read one window.

    Raises
    ------
    BodyError
        When it is not one; names the fields at fault.
    """
    packed = _read_valid(body, form, PackedWindow)
    return _to_samples(read(body, form), form) if packed is None else _from_packed(packed)


def read_windows(body: bytes, form: Form, most: int = MAX_WINDOWS) -> list[Samples | BodyError]:
    """Read a batch; a window that is not one is an error in its place.

    Parameters
    ----------
    body : bytes
    form : "json" or "binary"
    most : int
        How many windows it may hold, at most :data:`MAX_WINDOWS`.

    Raises
    ------
    BodyError
        When the body is no batch, or of more windows.
    """
    packed = _read_valid(body, form, PackedBatch)
    if packed is not None and len(packed.windows) <= most:
        return [_or_error(_from_packed, window) for window in packed.windows]
    batch = read(body, form)
    if not isinstance(batch, dict) or list(batch) != ["windows"] or not isinstance(batch["windows"], list):
        detail = "a list of windows is needed, once and with nothing beside it"
        item = ProblemItem(name="windows", detail=detail)
        raise BodyError("This body is not a batch in the form that /openapi.json describes.", [item])
    if len(batch["windows"]) > most:
        raise BodyError(f"A batch has at most {most} windows.", status=413)
    return [_or_error(_to_samples, window, form) for window in batch["windows"]]


def validate(value: Any, model: type[M], what: str) -> M:
    """Check what was read against a model.

    Raises
    ------
    BodyError
        With `what` as its sentence, and the fields at fault.
    """
    if items := _repeated(value):
        raise BodyError(what, items[:_MOST_ITEMS])
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # What was sent is not repeated: it may be long, it may be NaN, and it is a person's.
        items = [ProblemItem(name=_place(entry["loc"]), detail=entry["msg"]) for entry in error.errors()]
        raise BodyError(what, items[:_MOST_ITEMS]) from None


def unpack(channels: Mapping[str, PackedSamples], what: str) -> dict[str, np.ndarray]:
    """Turn bytes into arrays.

    Raises
    ------
    BodyError
        With `what` as its sentence, where a sample is no finite number.
    """
    arrays = {name: np.frombuffer(channel.samples, channel.dtype) for name, channel in channels.items()}
    # Squares that sum up to less than its own hold none that is too large, and neither NaN nor infinity.
    together = np.concatenate([*arrays.values()]) if arrays else np.empty(0)
    with np.errstate(over="ignore", invalid="ignore"):
        if together @ together < 0.5 * MAX_SAMPLE**2:
            return arrays
    if items := [item for name, values in arrays.items() if (item := _no_number(name, values))]:
        raise BodyError(what, items[:_MOST_ITEMS])
    return arrays


def _read_valid(body: bytes, form: Form, model: type[M]) -> M | None:
    """What is read at once where all of it is as it should be; None where it must be looked at piece by piece."""
    try:
        return model.model_validate(read_packed(body, form))
    except ValueError:
        return None


def _or_error(read_one: Callable[..., Samples], *arguments: Any) -> Samples | BodyError:
    try:
        return read_one(*arguments)
    except BodyError as error:
        return error


def _to_samples(window: Any, form: Form) -> Samples:
    valid = validate(window, _MODELS[form], _NO_WINDOW)
    if form == "binary":
        return _from_packed(valid)
    channels = valid.channels.items()
    return Samples({name: np.array(channel.samples, float) for name, channel in channels}, _rates(valid))


def _from_packed(window: PackedWindow) -> Samples:
    return Samples(unpack(window.channels, _NO_WINDOW), _rates(window))


def _rates(window: Window | PackedWindow) -> dict[str, float]:
    return {name: channel.rate_hz for name, channel in window.channels.items()}


def _repeated(value: Any, place: tuple[str, ...] = ()) -> list[ProblemItem]:
    if isinstance(value, Repeated):
        return [ProblemItem(name=_place((*place, name)), detail="given twice") for name in value.names]
    if isinstance(value, dict):
        return [item for name, part in value.items() for item in _repeated(part, (*place, name))]
    return []


def _no_number(name: str, values: np.ndarray) -> ProblemItem | None:
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~(np.abs(values) <= MAX_SAMPLE))
    if not len(wrong):
        return None
    detail = f"a sample is a finite number of at most {MAX_SAMPLE:g} either way"
    return ProblemItem(name=_place(("channels", name, "samples", wrong[0])), detail=detail)


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part)[:100] for part in location) or "body"
