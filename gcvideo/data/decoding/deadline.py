"""Reads frames in a process that can be killed, so that a decoder that hangs or crashes costs one clip.

A loader worker is daemonic and may not fork, so this is a plain subprocess (``decode_server.py``). It is started
at the first read by the process that reads, and replaced after a hang or a crash.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import DecodeError, Frames
from gcvideo.data.decoding.decode_process import DecodeProcess
from gcvideo.errors import InputError


class DeadlineReader:
    """Reads frames as ``read_frames`` does, in a subprocess, each clip within a deadline.

    It may be forked and pickled: each process that reads starts a subprocess of its own, which ends with it.
    One thread at a time may read. On Linux a subprocess also ends with the thread that started it; the next
    read starts another.

    Args:
        seconds: time for one clip, above 0. The start of the subprocess does not count, nor does time in which
            this process was stopped or the machine slept.
        max_bytes: address space of the subprocess (0.4 GB are its libraries); None for no limit.

    Raises:
        InputError: if ``seconds`` or ``max_bytes`` is not above 0.
    """

    def __init__(self, seconds: float, *, max_bytes: int | None = None) -> None:
        if not seconds > 0:
            raise InputError(f"a deadline per clip must be above 0 seconds, got {seconds:g}")
        if max_bytes is not None and max_bytes <= 0:
            raise InputError(f"a limit of memory must be above 0 bytes, got {max_bytes}")
        self.seconds, self.max_bytes = seconds, max_bytes
        self._process: DecodeProcess | None = None

    @property
    def pid(self) -> int | None:
        """The subprocess that this process has started; None before the first read and after a failure."""
        return self._process.pid if self._process is not None and self._process.is_ours() else None

    def read(self, path: str | Path, indices: NDArray[np.int64], reader: str) -> Frames:
        """The frames at ``indices``, as ``read_frames`` of decode.py gives them; the array is the caller's.

        Raises:
            DecodeError: if ``read_frames`` raises it, the deadline passes, or the subprocess dies.
            RuntimeError: if the subprocess does not start.
            InputError: on Windows.
        """
        return self._ask({"path": str(path), "indices": indices.tolist(), "reader": reader})

    def times(self, path: str | Path, *, is_damaged: bool) -> NDArray[np.float64]:
        """When each frame is shown, as ``shown_times`` of readers/pyav.py gives it: seconds, ``float64 (frames,)``.

        Raises:
            DecodeError: as ``read``.
        """
        times: NDArray[np.float64] = self._ask({"path": str(path), "is_damaged": is_damaged}).view(np.float64)[:, 0]
        return times

    def _ask(self, request: dict[str, Any]) -> Frames:
        path, process = request["path"], self._running()
        try:
            answer = process.ask(request, self.seconds)
            if "error" not in answer:
                return process.frames(answer["shape"])
        except TimeoutError:
            self.close()
            cure = "leave it out, or give it longer with --data.reading.deadline_s"
            raise DecodeError(f"{path}: does not decode within {self.seconds:g} s; {cure}") from None
        except ConnectionError:
            cause = process.cause_of_death()
            self.close()
            raise DecodeError(f"{path}: {cause}; leave the file out, or encode it anew") from None
        except BaseException:  # an interrupt: the answer to this clip must not be taken for that to the next
            self.close()
            raise
        raise DecodeError(answer["error"])

    def close(self) -> None:
        """Ends the subprocess; another read starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _running(self) -> DecodeProcess:
        """The subprocess of this process; one that died idle, or was started by the parent of a fork, is left."""
        if self._process is not None and not self._process.is_alive():
            self.close()
        if self._process is None:
            if os.name != "posix":
                raise InputError("a deadline per clip needs Linux or macOS; use --data.reading.guard=none")
            self._process = DecodeProcess.start(self.max_bytes)
        return self._process

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    def __del__(self) -> None:
        with suppress(AttributeError):  # the constructor raised
            self.close()
