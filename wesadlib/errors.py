"""Errors that the command line tells in a sentence, without a traceback."""


class InputError(ValueError):
    """Something the user gave (a path, a file, a parameter, a name) cannot be used.

    The message is one sentence that names what is at fault and says what is allowed or what to do. The command line
    prints it without a traceback and exits with status 1.
    """


class BookError(RuntimeError):
    """A chapter failed, or the book could not be rendered.

    The message names the chapter or the page, the cell's source or the warnings, and where the partial notebook or the
    log is.
    """


class ServerError(RuntimeError):
    """A server did not come up, or ended by itself; the message holds its last lines."""
