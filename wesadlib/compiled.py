"""Loops over samples, compiled for the processor: what one pass over a window can tell takes no array for each step.

Compiled functions take and return arrays and plain numbers, treat each row by itself, so that a window gives the same
numbers alone as among others, and let other threads work meanwhile. What was compiled is kept beside the source, or in
the user's own cache where that cannot be written to.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be taken in the processor's order; NaN and infinities keep their meaning.
_MATHEMATICS = {"reassoc", "contract", "nsz", "arcp"}
_PREFIX = "compiled-"


def compiled(function: F) -> F:
    """Compile a function when it is first called with arguments of such types."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_MATHEMATICS)(function)


def cache_folder(package: Path) -> Path:
    """Where what is compiled of a package is kept: another folder for each state of the modules that have such loops.

    Compiled functions hold what they call, from whichever module; the compiler looks at a function's own alone.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"wesadlib.compiled" in source:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + source + b"\0")
    return package / "__pycache__" / f"{_PREFIX}{digest.hexdigest()[:16]}"


def _keep_compiled(package: Path) -> None:
    folder = cache_folder(package)
    if not folder.exists():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.glob(f"{_PREFIX}*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    numba.config.CACHE_DIR = str(folder)


if "NUMBA_CACHE_DIR" not in os.environ:
    _keep_compiled(Path(__file__).parent)
