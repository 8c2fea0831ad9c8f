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


def _no_bytes() -> bytes:
    # How protocol 2 stores the bytes of an empty array.
    return b""


# Objects rather than import paths: numpy's old paths warn when they are imported, and one day will be gone.
_PERMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode_latin1,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): getattr(home, name)
        for core in ("core", "_core")
        for module, home, names in (
            ("multiarray", multiarray, ("_reconstruct", "scalar")),
            ("numeric", numeric, ("_frombuffer",)),
        )
        for name in names
    },
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _PERMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


class _Refused(Exception):
    pass


def load_arrays(path: str | Path) -> Any:
    """Load a pickle of plain containers, strings, numbers and numpy arrays.

    Parameters
    ----------
    path : path
        A pickle of any protocol, written by Python 2 or 3 and by any numpy.

    Returns
    -------
    object
        What was pickled.

    Raises
    ------
    InputError
        When the file is missing, truncated or no pickle, or names anything but what numpy arrays are rebuilt
        from; the name is in the message, and nothing of it has run.
    """
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
