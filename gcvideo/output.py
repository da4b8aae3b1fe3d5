"""Where a command prints to may go away while it works: a pager that is closed, ``head``, a terminal.

What is said then has no reader, and the work goes on: a training ends with its files and the code it deserves.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = (errno.EPIPE, errno.EIO)  # a pipe without a reader, a terminal that was closed


class LastingFile(io.FileIO):
    """An open file that becomes the null device where nothing takes what is written.

    Below all that writes: prints, logging, moving bars. The descriptor itself is replaced, so that processes started
    later have the null device, too.
    """

    def write(self, data: ReadableBuffer, /) -> int:
        """Gives the number of bytes; all of them where there is no reader any more."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _GONE:
                raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return super().write(data)


def outlast_readers() -> None:
    """Makes the two standard streams such files; one that was closed before the start is the null device at once."""
    _fill_closed()
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1), _lasting(sys.stderr, 2)


def _lasting(stream: TextIO | None, descriptor: int) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return open(descriptor, "w", encoding="utf-8", errors="replace", closefd=False)
    stream.flush()
    file = LastingFile(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        file if stream.write_through else io.BufferedWriter(file),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _fill_closed() -> None:
    """Else the first file that is opened would take the number, and what libraries print would go into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
