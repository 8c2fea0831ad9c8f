"""Bodies of both forms to plain values, with what is garbled, too large or given twice found before it does harm."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgpack
from pydantic_core import from_json

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
        return _read_json(body) if form == "json" else _read_msgpack(body)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        if "max_array_len" in str(error):
            detail = f"In MessagePack a list has at most {MAX_WINDOWS} entries: a batch its windows; samples are bytes."
            raise BodyError(detail, status=413) from None
        name = "JSON" if form == "json" else "MessagePack"
        # MessagePack's own words for a body that is cut short: "Unpack failed: incomplete input".
        problem = ProblemItem(name="body", detail=str(error) or type(error).__name__)
        raise BodyError(f"This body is not whole and valid {name}.", [problem]) from None


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
    # The quick reader keeps the last of two fields of one name.
    if count_texts(body) == _names(value):
        return value
    return json.loads(body, object_pairs_hook=_pairs)


def count_texts(body: bytes) -> int:
    """How many texts there are, which occur as names only in what is valid."""
    return sum(1 for _ in _TEXT.finditer(body))


def _names(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    # Samples are not walked through: where there is more in a list than windows, the slow reader decides.
    if isinstance(value, list) and len(value) <= MAX_WINDOWS:
        return sum(map(_names, value))
    return 0


def _read_msgpack(body: bytes) -> Any:
    # Lengths are checked before anything is set aside for them: a few bytes can announce four billion.
    return msgpack.unpackb(
        body,
        object_pairs_hook=_pairs,
        max_array_len=MAX_WINDOWS,
        max_map_len=MAX_WINDOWS,
        max_str_len=10_000,
        max_bin_len=8 * MAX_SAMPLES,
        max_ext_len=0,
    )
