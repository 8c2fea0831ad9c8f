"""The two forms in which windows and answers travel: JSON, and MessagePack for whoever sends much.

A window is ``{"channels": {name: {"rate_hz": 64.0, "samples": ...}}}`` in both, a batch ``{"windows": [window, ...]}``.
In JSON the samples are numbers; in MessagePack they are the bytes of an array beside their type,
``{"rate_hz": 64.0, "dtype": "<f4", "samples": b"..."}``: a fifth of the size, and nothing is parsed number by number.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import msgpack
import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from wesadlib.errors import InputError
from wesadlib.serving.schemas import (
    MAX_CHANNELS,
    MAX_SAMPLE,
    MAX_SAMPLES,
    MAX_WINDOWS,
    PackedWindow,
    ProblemItem,
    Window,
)
from wesadlib.serving.stream_messages import End, PackedSamplesMessage, SamplesMessage, Start

Form = Literal["json", "binary"]
M = TypeVar("M", bound=BaseModel)

#: Form -> content type.
CONTENT_TYPES: dict[str, str] = {"json": "application/json", "binary": "application/vnd.msgpack"}

_NAMES = {"json": "JSON", "binary": "MessagePack"}
#: Names, and in JSON objects and lists besides, that the largest batch holds: of a channel six and its own.
_MOST_NAMES = MAX_WINDOWS * (2 + 7 * MAX_CHANNELS)
_MOST_ITEMS = 20
_TOO_MANY = f"A body has at most {MAX_WINDOWS} windows of {MAX_CHANNELS} channels."
_NO_WINDOW = "This is not one window in the form that /openapi.json describes."


class BodyError(InputError):
    """A body, or one window of it, is not what its form asks for; with what is wrong, field by field."""

    def __init__(self, message: str, items: Sequence[ProblemItem] = (), status: int = 422):
        super().__init__(message)
        self.items = list(items)[:_MOST_ITEMS]
        self.status = status


class Samples(NamedTuple):
    """One window as a bundle takes it."""

    channels: dict[str, np.ndarray]
    rates_hz: dict[str, float]


class Chunk(NamedTuple):
    """Samples of one channel of a stream: index of the first since the stream's start, and values (time,), float32."""

    first: int
    values: np.ndarray

    @property
    def stop(self) -> int:
        """Index after the last."""
        return self.first + len(self.values)

    def after(self, first: int) -> "Chunk":
        """What lies at an index or after."""
        begin = max(self.first, first)
        return Chunk(begin, self.values[begin - self.first :])


def read_window(body: bytes, form: Form) -> Samples:
    """Read one window; raises :class:`BodyError`, which names the fields at fault, where it is none."""
    return _to_samples(read(body, form), form)


def read_windows(body: bytes, form: Form) -> list[Samples | BodyError]:
    """Read a batch; a window that cannot be read is an error in its place."""
    batch = read(body, form)
    if not isinstance(batch, dict) or list(batch) != ["windows"] or not isinstance(batch["windows"], list):
        item = ProblemItem(name="windows", detail="a list of windows is needed, with nothing beside it")
        raise BodyError("This body is not a batch in the form that /openapi.json describes.", [item])
    if len(batch["windows"]) > MAX_WINDOWS:
        raise BodyError(f"A batch has at most {MAX_WINDOWS} windows.", status=413)
    return [attempt(lambda window=window: _to_samples(window, form), BodyError) for window in batch["windows"]]


def read(body: bytes, form: Form) -> Any:
    """Read any body to plain values; raises :class:`BodyError` where it is cut short, garbled or too large."""
    if form == "json":
        require_few(body)
    try:
        return from_json(body) if form == "json" else _unpack(body)
    except BodyError:
        raise
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        detail = str(error) or type(error).__name__
    if "ext_len" in detail:
        raise BodyError("This body holds a MessagePack extension type; samples are of type `bin`.")
    if "array_len" in detail:
        text = f"In MessagePack a list has at most {MAX_WINDOWS} entries: a batch its windows; samples are bytes."
        raise BodyError(text, status=413)
    # MessagePack's own words for a body that is cut short: "Unpack failed: incomplete input".
    raise BodyError(f"This body is not whole and valid {_NAMES[form]}.", [ProblemItem(name="body", detail=detail)])


def validate(value: Any, model: type[M], sentence: str) -> M:
    """Check what was read against a model; raises :class:`BodyError` with this sentence and the fields at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # What was sent is not repeated: it may be long, it may be NaN, and it is a person's.
        entries = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_ITEMS]
        items = [ProblemItem(name=_place(entry["loc"]), detail=entry["msg"]) for entry in entries]
        raise BodyError(sentence, items) from None


def to_arrays(channels: Mapping[str, Any], sentence: str, missing: bool = False) -> dict[str, np.ndarray]:
    """Samples as arrays; raises :class:`BodyError` with this sentence where bytes are cut or a sample is no number.

    What is `missing` may be NaN.
    """
    arrays, items = {}, []
    for name, channel in channels.items():
        try:
            packed = isinstance(channel.samples, bytes)
            values = np.frombuffer(channel.samples, channel.dtype) if packed else np.array(channel.samples, float)
        except ValueError:
            detail = f"{len(channel.samples)} bytes are no whole number of samples of {channel.dtype[-1]} bytes"
            items.append(ProblemItem(name=_place(("channels", name, "samples")), detail=detail))
            continue
        arrays[name], usable = values, (np.abs(values) <= MAX_SAMPLE) | (missing & np.isnan(values))
        if not usable.all():
            detail = f"a sample is a finite number of at most {MAX_SAMPLE:g} either way"
            items.append(ProblemItem(name=_place(("channels", name, "samples", usable.argmin())), detail=detail))
    if items:
        raise BodyError(sentence, items)
    return arrays


def read_message(body: bytes, form: Form) -> Start | End | dict[str, Chunk]:
    """Read a client's message over a stream, that of samples as channel name to chunk."""
    value = read(body, form)
    kind = value.get("type") if isinstance(value, dict) else None
    samples = SamplesMessage if form == "json" else PackedSamplesMessage
    models = {"start": Start, "samples": samples, "end": End}
    if not isinstance(kind, str) or kind not in models:
        raise BodyError("A message is an object whose `type` is start, samples or end.")
    sentence = f"This message of a stream is not as one of the type {kind} has to be."
    message = validate(value, models[kind], sentence)
    if kind != "samples":
        return message
    arrays = to_arrays(message.channels, sentence, missing=True)
    return {name: Chunk(message.channels[name].first, array.astype(np.float32)) for name, array in arrays.items()}


def write_samples(channels: Mapping[str, Chunk], form: Form) -> bytes:
    """Write a message of samples."""
    parts = {name: {"first": first} | _pack(values, form) for name, (first, values) in channels.items()}
    return write({"type": "samples", "channels": parts}, form)


def write(value: Any, form: Form) -> bytes:
    """Write what consists of mappings, lists, numbers, text and bytes."""
    return to_json(value, inf_nan_mode="null") if form == "json" else msgpack.packb(value)


def write_window(channels: Mapping[str, Any], rates_hz: Mapping[str, float], form: Form) -> bytes:
    """Write one window, each channel an array (time) with its rate; single precision stays single in binary."""
    return write(_describe(channels, rates_hz, form), form)


def write_windows(windows: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]], form: Form) -> bytes:
    """Write a batch of (channels, rates_hz), each as :func:`write_window` does."""
    return write({"windows": [_describe(*window, form) for window in windows]}, form)


def attempt(function: Callable[[], Any], kind: type[Exception] = Exception) -> Any:
    """Call a function; an error of this kind is returned, not raised."""
    try:
        return function()
    except kind as error:
        return error


def require_few(body: bytes) -> None:
    """Refuse JSON of more names, objects and lists than the largest batch has, before anything is made of them.

    Each costs a hundred times its bytes.
    """
    if sum(map(body.count, (b"{", b"[", b":"))) > _MOST_NAMES:
        raise BodyError(_TOO_MANY, status=413)


def _unpack(body: bytes) -> Any:
    left = _MOST_NAMES

    def count(kind: Callable[[list], Any], items: list) -> Any:
        nonlocal left
        left -= 1 + len(items)
        if left < 0:
            raise BodyError(_TOO_MANY, status=413)
        return kind(items)

    # Lengths are checked before anything is set aside for them: a few bytes can announce four billion.
    return msgpack.unpackb(
        body,
        object_pairs_hook=partial(count, dict),
        list_hook=partial(count, list),
        max_array_len=MAX_WINDOWS,
        max_map_len=MAX_WINDOWS,
        max_str_len=10_000,
        max_bin_len=8 * MAX_SAMPLES,
        max_ext_len=0,
    )


def _to_samples(window: Any, form: Form) -> Samples:
    valid = validate(window, Window if form == "json" else PackedWindow, _NO_WINDOW)
    rates_hz = {name: channel.rate_hz for name, channel in valid.channels.items()}
    return Samples(to_arrays(valid.channels, _NO_WINDOW), rates_hz)


def _describe(channels: Mapping[str, Any], rates_hz: Mapping[str, float], form: Form) -> dict[str, Any]:
    if form not in CONTENT_TYPES:
        raise InputError(f"form {form!r} is unknown; it is one of {', '.join(CONTENT_TYPES)}.")
    if absent := [name for name in channels if name not in rates_hz]:
        raise InputError(f"{absent[0]}: a rate in Hz is needed.")
    return {"channels": {name: {"rate_hz": float(rates_hz[name])} | _pack(channels[name], form) for name in channels}}


def _pack(values: Any, form: Form) -> dict[str, Any]:
    """Describe samples (time): a list in JSON, bytes and their type in binary."""
    if form == "json":
        return {"samples": np.asarray(values, float).tolist()}
    values = np.asarray(values)
    dtype = "<f4" if values.dtype == np.float32 else "<f8"
    return {"dtype": dtype, "samples": values.astype(dtype).tobytes()}


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part)[:100] for part in location) or "body"
