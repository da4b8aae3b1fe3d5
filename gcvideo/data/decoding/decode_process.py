"""The near end of ``decode_server.py``: one subprocess that decodes, started, asked and ended by its owner."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from typing import IO, Any

import numpy as np

from gcvideo.data.decoding.decode import Frames
from gcvideo.data.decoding.decode_server import LENGTH, pack
from gcvideo.errors import plain

_START_SECONDS = 60.0  # imports from a slow disk; no clip is to blame for them
_REAP_SECONDS = 2.0  # a process that waits for a dead disk cannot even be killed; it is left behind
_SLICE_SECONDS = 1.0
_NOISE_BYTES = 4096
# Without the last two glibc gives the memory of each clip back: 1,300 page faults and 3 ms beside 14 ms of decoding
# (8 frames of 340x256, PyAV; with them one fault).
_VARIABLES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class DecodeProcess:
    """A subprocess, the socket to it, the file in memory that both see, and the end of what it said to a terminal.

    Args:
        max_bytes: address space that it may use; None for no limit.
    """

    def __init__(self, max_bytes: int | None) -> None:
        self.owner = os.getpid()
        self._said = b""
        with ExitStack() as opened:
            self._socket, theirs = (opened.enter_context(end) for end in socket.socketpair())
            self._shared = opened.enter_context(_file_in_memory())
            numbers = [str(number) for number in (self.owner, self._shared.fileno(), max_bytes or 0)]
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-P", "-m", "gcvideo.data.decoding.decode_server", *numbers],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[self._shared.fileno()],
                env=_environment(),
            )
            assert self._process.stdout is not None
            self._terminal = opened.enter_context(self._process.stdout)
            theirs.close()
            self._opened = opened.pop_all()
        self._socket.setblocking(False)
        os.set_blocking(self._terminal.fileno(), False)

    @classmethod
    def start(cls, max_bytes: int | None) -> DecodeProcess:
        """One that has made its imports.

        Raises:
            RuntimeError: with what it said last, if it ends before or takes a minute.
        """
        process = cls(max_bytes)
        try:
            process._receive_within(_START_SECONDS)
        except TimeoutError:
            process.close()
            raise RuntimeError(f"the process that decodes does not start within {_START_SECONDS:g} s") from None
        except ConnectionError:
            cause = process.cause_of_death()
            process.close()
            raise RuntimeError(f"{cause} before it began") from None
        except BaseException:
            process.close()
            raise
        return process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def is_ours(self) -> bool:
        """Whether this process started it; a fork has a copy of this object and must leave its pipes alone."""
        return self.owner == os.getpid()

    def is_alive(self) -> bool:
        """Whether it can be asked by this process."""
        return self.is_ours() and self._process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Sends a request and gives its answer.

        Raises:
            TimeoutError: if the answer is not there in time.
            ConnectionError: if the subprocess ends.
        """
        self._said = b""
        return self._receive_within(seconds, pack(request))

    def frames(self, shape: list[int]) -> Frames:
        """Copies frames out of the shared file, which the next answer writes over."""
        frames = np.empty(shape, np.uint8)
        rest, offset = frames.reshape(-1).data, 0
        while offset < frames.nbytes:  # one call reads 2 GiB at most
            num_bytes = os.preadv(self._shared.fileno(), [rest[offset:]], offset)
            assert num_bytes > 0, "the shared file ends before its frames"
            offset += num_bytes
        return frames

    def cause_of_death(self) -> str:
        """How it ended, with the last line it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        self._listen()
        code = self._process.returncode
        ended = f"exit code {code}" if code is None or code >= 0 else _signal_name(-code)
        said = self._last_line()
        return f"the process that decodes ended with {ended}" + (f" ({said})" if said else "")

    def close(self) -> None:
        """Kills and reaps it, where it is this process's; closes this process's ends."""
        if self.is_ours():
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAP_SECONDS)
        else:
            self._process.returncode = 0  # Popen would look for a child that another process has
        self._opened.close()

    def _receive_within(self, seconds: float, unsent: bytes = b"") -> dict[str, Any]:
        answer, left = b"", seconds
        while not _is_whole(answer):
            if left <= 0:
                raise TimeoutError
            before = time.monotonic()
            can_read, can_write = self._wait(bool(unsent), min(left, _SLICE_SECONDS))
            if can_write:
                unsent = unsent[self._socket.send(unsent) :]
            if can_read:
                answer += self._receive()
            left -= min(time.monotonic() - before, _SLICE_SECONDS)  # not the hour that a laptop was closed
        message: dict[str, Any] = json.loads(answer[LENGTH.size :])
        return message

    def _wait(self, is_writing: bool, seconds: float) -> tuple[bool, bool]:
        """Waits, and says whether the socket can be read and written; keeps the terminal empty."""
        poll = select.poll()  # not a kept selector: a fork would share it
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if is_writing else 0))
        poll.register(self._terminal, select.POLLIN)
        events = dict(poll.poll(1000 * seconds))
        if self._terminal.fileno() in events:
            self._listen()
        event = events.get(self._socket.fileno(), 0)
        return bool(event & ~select.POLLOUT), bool(event & select.POLLOUT)

    def _receive(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionResetError
        return received

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            self._said = (self._said + os.read(self._terminal.fileno(), 65536))[-_NOISE_BYTES:]

    def _last_line(self) -> str:
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        return plain(lines[-1])[:200] if lines else ""


def _file_in_memory() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("gcvideo-frames"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _environment() -> dict[str, str]:
    """This process's, with the path that it imports from."""
    return os.environ | _VARIABLES | {"PYTHONPATH": os.pathsep.join(sys.path)}


def _is_whole(message: bytes) -> bool:
    size = LENGTH.size
    return len(message) >= size and len(message) >= size + LENGTH.unpack(message[:size])[0]


def _signal_name(number: int) -> str:
    names = {known.value: known.name for known in signal.Signals}
    return "SIGKILL, perhaps for want of memory" if number == signal.SIGKILL else names.get(number, f"signal {number}")
