"""The one exception that means: the user can mend this."""


class InputError(ValueError):
    """A mistake in what the user gave: a path, a value, a file.

    The message names the thing and the cure; the command line prints it alone, without a traceback.

    Args:
        message: one line.
        exit_code: 1 for a job that failed, 2 for a wrong call.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
