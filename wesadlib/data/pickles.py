"""The data set's pickles, read without running code that may be in them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

from wesadlib.errors import InputError


def _encode_latin1(text: str, encoding: str) -> bytes:
    # How protocol 2 stores an array's bytes when Python 3 writes it; the original would look up any codec.
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


# Objects rather than import paths: numpy's old paths warn when they are imported, and one day will be gone.
_PERMITTED: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": _encode_latin1,
    # How protocol 2 stores the bytes of an empty array.
    "__builtin__.bytes": lambda: b"",
    "numpy.ma.MaskedArray": np.ma.MaskedArray,
    "numpy.ma.core.MaskedArray": np.ma.MaskedArray,
    "numpy.ma.core._mareconstruct": np.ma.core._mareconstruct,
}
for _core in ("numpy.core", "numpy._core"):
    _PERMITTED[f"{_core}.multiarray._reconstruct"] = multiarray._reconstruct
    _PERMITTED[f"{_core}.multiarray.scalar"] = multiarray.scalar
    _PERMITTED[f"{_core}.numeric._frombuffer"] = numeric._frombuffer


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _PERMITTED:
            raise _Refused(f"{module}.{name}")
        return _PERMITTED[f"{module}.{name}"]


class _Refused(Exception):
    pass


def load_arrays(path: str | Path) -> Any:
    """Load a pickle of plain values and numpy arrays; what names anything else is refused before any of it has run."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            return _ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: copy it there, or leave the subject out of `subjects`.") from None
    except _Refused as refused:
        raise InputError(
            f"{path} was refused: it names `{refused}`, and a recording's pickle may hold numpy arrays only; "
            "download it again from the data set's own source."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    # A damaged pickle fails in whatever its next bytes happen to mean: no list of exceptions is complete.
    except Exception as error:
        raise InputError(
            f"{path} is truncated or no pickle ({type(error).__name__}: {' '.join(str(error).split())}): "
            "copy or download it again."
        ) from None


def save_arrays(path: str | Path, content: Any) -> None:
    """Pickle plain containers, strings, numbers and numpy arrays, so that :func:`load_arrays` reads them."""
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol=4)
