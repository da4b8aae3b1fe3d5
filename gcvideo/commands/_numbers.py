"""Numbers on the command line."""

from __future__ import annotations

import argparse


def whole(text: str) -> int:
    """A number from 0 on.

    Raises:
        argparse.ArgumentTypeError: if it is none; the option is named by the parser.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected 0 or more")
    return int(text)
