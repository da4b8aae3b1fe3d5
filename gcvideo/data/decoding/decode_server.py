"""The process behind ``data/decoding/deadline.py``: decodes what it is asked for until whoever started it is gone.

    python -m gcvideo.data.decoding.decode_server PARENT SHARED MAX_BYTES

PARENT is the process it may not outlive, SHARED the descriptor of a file in memory that frames are written to,
MAX_BYTES the address space it may use (0: all). Requests and answers go over standard input, which is a socket:
the length of a JSON text in four bytes, then the text. It imports no torch, so that it starts quickly.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np

from gcvideo.data.decoding.decode import DecodeError, Frames, read_frames
from gcvideo.data.decoding.readers.pyav import shown_times

LENGTH = struct.Struct("!I")

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
# What tells a run to stop or to save reaches every process of its group; this one goes on until its parent ends.
_LEFT_TO_THE_PARENT = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


def pack(message: dict[str, Any]) -> bytes:
    """A message as it goes over the wire."""
    text = json.dumps(message).encode("ascii")
    return LENGTH.pack(len(text)) + text


def main(arguments: list[str]) -> None:
    """Says that it is ready, then answers each request with the shape of its frames or with what went wrong."""
    parent, shared, max_bytes = (int(argument) for argument in arguments)
    for name in _LEFT_TO_THE_PARENT:
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    _end_with(parent)
    if max_bytes:
        _limit_memory(max_bytes)
    with open(0, "rb", closefd=False) as requests, suppress(ConnectionError):  # nobody waits any more
        _send({"ready": True})
        while (request := _receive(requests)) is not None:
            _send(_answer(request, shared, max_bytes))


def _end_with(parent: int) -> None:
    """Lets Linux end this process with its parent, even in a decoder that hangs; elsewhere the closed socket does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        sys.exit(0)


def _limit_memory(max_bytes: int) -> None:
    import resource  # not on Windows, where this file is imported but not run

    resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))


def _receive(requests: BinaryIO) -> dict[str, Any] | None:
    """The next request; None where there will be no more."""
    length = requests.read(LENGTH.size)
    text = requests.read(*LENGTH.unpack(length)) if len(length) == LENGTH.size else b""
    request: dict[str, Any] | None = json.loads(text) if text else None
    return request


def _send(message: dict[str, Any]) -> None:
    unsent = pack(message)
    while unsent:
        unsent = unsent[os.write(0, unsent) :]


def _answer(request: dict[str, Any], shared: int, max_bytes: int) -> dict[str, Any]:
    path = request["path"]
    try:
        if "is_damaged" in request:
            frames = shown_times(path, is_damaged=request["is_damaged"])[:, None].view(np.uint8)
        else:
            frames = read_frames(path, np.array(request["indices"], np.int64), request["reader"])
        _write(frames, shared)
    except DecodeError as error:
        no_memory = max_bytes and isinstance(error.__cause__, MemoryError)
        return {"error": _too_large(path, max_bytes) if no_memory else str(error)}
    except MemoryError:
        return {"error": _too_large(path, max_bytes)}
    except Exception as error:  # a video must not end a run, whatever a decoder makes of it
        return {"error": f"{path}: {type(error).__name__}: {error}"}
    return {"shape": frames.shape}


def _write(frames: Frames, shared: int) -> None:
    """Writes frames to the start of the shared file, which grows where it must."""
    rest, offset = np.ascontiguousarray(frames).reshape(-1).data, 0
    while offset < frames.nbytes:  # one call writes 2 GiB at most
        offset += os.pwrite(shared, rest[offset:], offset)


def _too_large(path: str, max_bytes: int) -> str:
    allowed = f"the {max_bytes / 2**20:.0f} MiB of memory that it may" if max_bytes else "the memory there is to"
    return f"{path}: its frames take more than {allowed} use; leave the file out, or make it smaller"


if __name__ == "__main__":
    main(sys.argv[1:])
