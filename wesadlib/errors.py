"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Something the user gave (a path, a file, a parameter, a name) cannot be used.

    The message is one sentence that names what is at fault and says what is allowed or what to do. The command line
    prints it without a traceback and exits with status 1.
    """
