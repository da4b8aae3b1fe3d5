"""A work on several processes, each with a device of its own, that an end which is asked for finds at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from gcvideo.data.pools import begin_as_a_worker, hear_the_parent_alone
from gcvideo.errors import InputError
from gcvideo.predicting.devices import hush_lightning

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_S = 0.1
_WORK, _FOUND = "work.pt", "found.pt"


def work_on_ranks(fabric: Fabric, work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], stop: Any) -> Any:
    """Starts the processes of ``fabric``, and gives what the work returns on the first of them.

    Args:
        fabric: of several processes that are started for it.
        work: a function of a module, called with the fabric of its process, the arguments and ``stop``.
        arguments: go through a file: a pipe would be full before the process at its other end has begun to read.
        stop: an event that the work asks; the processes themselves hear neither Ctrl-C nor SIGTERM.

    Raises:
        InputError: if the temporary folder has no room, or the work raised one.
    """
    with tempfile.TemporaryDirectory(prefix="gcvideo-") as name:
        folder = Path(name)
        try:
            torch.save((work, arguments), folder / _WORK)
        except (OSError, RuntimeError) as error:  # torch's own of a full disk is a RuntimeError
            raise InputError(
                f"the temporary folder {folder.parent} cannot be written to; name one with room in TMPDIR"
            ) from error
        with _quiet_start():
            _call_unheard(partial(fabric.launch, _OnRank(folder, stop)))
        found: dict[str, Any] = torch.load(folder / _FOUND, weights_only=True)
    if "error" in found:
        raise InputError(found["error"])
    return found


class _OnRank:
    """What a process that is started does; the first of them leaves what came of it in the folder."""

    def __init__(self, folder: Path, stop: Any) -> None:
        self._folder, self._stop, self._parent = folder, stop, os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In the new process, before Lightning sets it up, which speaks and waits for the other processes."""
        self.__dict__.update(state)
        hush_lightning()
        begin_as_a_worker(self._parent)
        hear_the_parent_alone(self._parent)

    def __call__(self, fabric: Fabric) -> None:
        # no stranger's file: this process's parent has just written it, where no other user may write
        work, arguments = torch.load(self._folder / _WORK, weights_only=False, mmap=True)
        try:
            found = work(fabric, *arguments, self._stop)
        except InputError as error:
            found = {"error": str(error)}
        if fabric.is_global_zero:
            torch.save(found, self._folder / _FOUND)
        fabric.barrier()


def _call_unheard(function: Callable[[], Any]) -> None:
    """Calls it in a thread with Ctrl-C and SIGTERM blocked, as they are then from the start in processes it starts.

    A process that such a signal ends while it imports torch would leave this one waiting for it for ever. The thread
    that waits here hears them as before.
    """
    errors: list[BaseException] = []

    def call() -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="start-of-ranks", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:  # a second Ctrl-C
        while thread.is_alive():
            for process in multiprocessing.active_children():
                process.kill()
            thread.join(_LOOK_S)
        raise
    for error in errors:
        raise error


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Processes that start here do not repeat what fvcore is told when it is imported."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore::FutureWarning:torch.jit._script")))
    try:
        yield
    finally:
        os.environ.pop("PYTHONWARNINGS") if before is None else os.environ.update(PYTHONWARNINGS=before)
