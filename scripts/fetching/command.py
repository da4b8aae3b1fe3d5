"""What the scripts share as commands: their options, and one line instead of a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gcvideo.errors import InputError, plain
from scripts.fetching.space import EXIT_CODE_NO_ROOM, free_bytes, is_no_room, readable


def add_options(parser: argparse.ArgumentParser, *, mirror: str, jobs: int) -> None:
    """Adds the options of every script; ``mirror`` and ``jobs`` are the defaults."""
    parser.add_argument("--out", type=_folder, required=True, metavar="DIR", help="where the data set is laid out")
    parser.add_argument("--mirror", default=mirror, metavar="URL", help="where the files are (default: %(default)s)")
    parser.add_argument("--jobs", type=positive, default=jobs, help="archives at a time (default: %(default)s)")
    parser.add_argument("--digests", type=Path, metavar="FILE", help="SHA-256 digests to compare with")
    parser.add_argument("--keep", action="store_true", help="keep the archives after they are unpacked")
    parser.add_argument("--force", action="store_true", help="begin even if the disk seems too small")
    parser.add_argument("--dry_run", action="store_true", help="say what would be fetched; write nothing")


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, arguments: Sequence[str]) -> int:
    """Runs a script.

    Returns:
        0 when it went well, 1 when it failed, 2 when it was called wrongly, 75 when the disk is full, 130 when it was
        interrupted.
    """
    options = parser.parse_args(arguments)
    name = Path(parser.prog).name
    try:
        main(options)
    except InputError as error:
        return _say(f"{name}: error: {error}", error.exit_code)
    except KeyboardInterrupt:
        return _say(f"{name}: interrupted; the same command goes on where it stopped", 130)
    except OSError as error:
        if is_no_room(error):
            free = readable(free_bytes(options.out))
            return _say(
                f"{name}: error: no room is left in {options.out} ({free} free); make room and run the same command "
                "again: it goes on where it stopped",
                EXIT_CODE_NO_ROOM,
            )
        if error.filename is None:
            raise
        return _say(f"{name}: error: {os.fsdecode(error.filename)}: {error.strerror}", 1)
    return 0


def _say(line: str, exit_code: int) -> int:
    print(plain(line), file=sys.stderr)
    return exit_code


def _folder(text: str) -> Path:
    return Path(text).expanduser()


def positive(text: str) -> int:
    """A count of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value
