"""The one exception that means: the user can mend this."""

from __future__ import annotations

import unicodedata


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


def is_control(character: str) -> bool:
    """Whether a character moves a terminal, ends a line, or stands for bytes that are no text."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def plain(text: str) -> str:
    """A text whose control characters (a file name may hold any) are written out, so that a terminal does not obey."""
    return "".join(ascii(c)[1:-1] if is_control(c) and c not in "\n\t" else c for c in text)
