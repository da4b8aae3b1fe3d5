"""Where an exported file goes; it gets its name when it is whole and was checked, and so do those beside it."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gcvideo.errors import InputError


def destination(checkpoint: Path, suffix: str, out: str | None) -> Path:
    """The file to write.

    Args:
        checkpoint: gives its name where ``out`` does not.
        suffix: of the format.
        out: a file with that suffix, or a folder, which is made; None is the folder of the checkpoint.

    Raises:
        InputError: if it cannot be a file of this format.
    """
    if out is None:
        return checkpoint.with_suffix(suffix)
    path = Path(out).expanduser()
    if path.is_dir() or not path.suffix:
        return path / f"{checkpoint.stem}{suffix}"
    if path.suffix != suffix:
        raise InputError(f"--out {out}: expected a folder, or a file that ends with {suffix}", exit_code=2)
    return path


def check_free(files: list[Path], *, force: bool) -> None:
    """Makes the folder of the files, and sees that none of them is overwritten unasked.

    Raises:
        InputError: if the folder cannot be made, or one of them exists.
    """
    folder = files[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be a folder: {error.strerror}; name another one") from error
    for file in files:
        if file.is_dir():
            raise InputError(f"{file} is a folder; name another file with --out")
        if file.exists() and not force:
            raise InputError(f"{file} exists; --force overwrites it, --out names another file")


@contextmanager
def appearing(files: list[Path]) -> Iterator[Path]:
    """A hidden folder to write files of these names into; at the end they take their places, the first one last.

    After an error, Ctrl-C or SIGTERM nothing is left, and what was there before stays.

    Raises:
        InputError: if the disk is full, or may not be written.
    """
    with _sigterm_unwinds():
        try:
            hidden = Path(tempfile.mkdtemp(prefix=".export-", dir=files[0].parent))
        except OSError as error:
            raise InputError(f"{files[0].parent} cannot be written: {error.strerror}; name another folder") from error
        try:
            yield hidden
            for file in reversed(files):
                (hidden / file.name).replace(file)
        except OSError as error:
            raise InputError(f"{files[0]} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM becomes an exit that removes what is unfinished; in the main thread, where Python hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what a shell says of SIGTERM
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
