"""Errors that the command line tells in a sentence, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Something the user gave (a path, a file, a parameter, a name) cannot be used.

    The message is one sentence that names what is at fault and says what is allowed or what to do. The command line
    prints it without a traceback and exits with status 1.
    """


class BookError(RuntimeError):
    """A chapter failed, or the book could not be rendered; the message says where, and which file has all of it."""


class ServerError(RuntimeError):
    """A server did not come up, or ended by itself; the message holds its last lines."""


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Within, a package that is not installed is an :class:`InputError` with the command that installs `extra`.

    `purpose` is what begins the sentence, such as ``wesad serve``.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "wesadlib":
            raise
        raise InputError(
            f"{purpose} needs {error.name}, which is not installed: run "
            f"`pip install -c requirements.lock '.[{extra}]'` in the checkout."
        ) from None
