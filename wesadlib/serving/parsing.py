"""Bodies of both forms to plain values, with what is garbled, too large or given twice found before it does harm."""

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgpack
import numpy as np
from pydantic_core import from_json
from simdjson import Array, Object, Parser

from wesadlib.errors import InputError
from wesadlib.serving.schemas import MAX_SAMPLES, MAX_WINDOWS, ProblemItem

Form = Literal["json", "binary"]

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class BodyError(InputError):
    """A body, or one window of it, is not what its form asks for.

    Attributes
    ----------
    items : list of ProblemItem
        What is wrong, field by field.
    status : int
        HTTP status that says the same.
    """

    def __init__(self, message: str, items: Sequence[ProblemItem] = (), status: int = 422):
        super().__init__(message)
        self.items = list(items)
        self.status = status


def read(body: bytes, form: Form) -> Any:
    """Read any body; an object that names a field twice comes back as :class:`Repeated`.

    Raises
    ------
    BodyError
        When the body is cut short, garbled, or larger in number or depth than the form allows.
    """
    try:
        return _read_json(body) if form == "json" else _unpack(body, _pairs)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        if "max_array_len" in str(error):
            detail = f"In MessagePack a list has at most {MAX_WINDOWS} entries: a batch its windows; samples are bytes."
            raise BodyError(detail, status=413) from None
        name = "JSON" if form == "json" else "MessagePack"
        # MessagePack's own words for a body that is cut short: "Unpack failed: incomplete input".
        problem = ProblemItem(name="body", detail=str(error) or type(error).__name__)
        raise BodyError(f"This body is not whole and valid {name}.", [problem]) from None


def read_packed(body: bytes, form: Form) -> Any:
    """Read a body of windows, the samples of each channel as bytes, where nothing about it is out of the ordinary.

    Other than by :func:`read`, no number of it becomes an object. What is read may still be no windows.

    Raises
    ------
    ValueError
        When something is; :func:`read` finds out what.
    """
    try:
        return _pack(body) if form == "json" else _unpack(body, _once)
    except (TypeError, RuntimeError, msgpack.UnpackException) as error:
        raise ValueError(str(error)) from None


class Repeated(NamedTuple):
    """Stands for an object that names a field twice, of which a reader would see one only."""

    names: list[str]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return Repeated([str(name) for name, times in Counter(name for name, _ in pairs).items() if times > 1])


def _read_json(body: bytes) -> Any:
    value = from_json(body)
    # The quick reader keeps the last of two fields of one name; texts occur as names only in what is valid.
    if sum(1 for _ in _TEXT.finditer(body)) == _names(value):
        return value
    return json.loads(body, object_pairs_hook=_pairs)


def _names(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    # Samples are not walked through: where there is more in a list than windows, the slow reader decides.
    if isinstance(value, list) and len(value) <= MAX_WINDOWS:
        return sum(map(_names, value))
    return 0


def _pack(body: bytes) -> dict[str, Any]:
    if body.startswith(BOM_UTF8):
        raise ValueError("a mark before the text")
    fields = _fields(Parser().parse(body))
    windows = [fields]
    if "windows" in fields:
        windows = fields["windows"] = [_fields(window) for window in _list(fields["windows"])]
    for window in windows:
        if "channels" not in window:
            raise ValueError("a window has channels")
        channels = _fields(window["channels"])
        window["channels"] = {name: _pack_channel(_fields(channel)) for name, channel in channels.items()}
    # Of lists in lists the numbers come as if they were in one.
    lists = sum(len(window["channels"]) for window in windows) + ("windows" in fields)
    if np.count_nonzero(np.frombuffer(body, np.uint8) == ord("[")) != lists:
        raise ValueError("a list where there should be none")
    return fields


def _pack_channel(fields: dict[str, Any]) -> dict[str, Any]:
    if sorted(fields) != ["rate_hz", "samples"]:
        raise ValueError("a channel has a rate and samples")
    samples = _list(fields["samples"])
    return {"rate_hz": fields["rate_hz"], "dtype": "<f8", "samples": bytes(samples.as_buffer(of_type="d"))}


def _list(value: Any) -> Array:
    if isinstance(value, Array):
        return value
    raise ValueError("a list is needed")


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, Object):
        raise ValueError("an object is needed")
    names = list(value)
    # Such a name is looked up by what stands before that.
    if any("\0" in name for name in names):
        raise ValueError("a name with a NUL")
    return _once([(name, value[name]) for name in names])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is given twice")
    return found


def _unpack(body: bytes, pairs: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    # Lengths are checked before anything is set aside for them: a few bytes can announce four billion.
    return msgpack.unpackb(
        body,
        object_pairs_hook=pairs,
        max_array_len=MAX_WINDOWS,
        max_map_len=MAX_WINDOWS,
        max_str_len=10_000,
        max_bin_len=8 * MAX_SAMPLES,
        max_ext_len=0,
    )
