"""Real runs of several processes: started, watched, and ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORCHRUN = ROOT / "scripts" / "launch" / "torchrun.sh"
LIMIT_S = 120  # for any of them; one that hangs is ended and fails its test


@contextmanager
def running(command: list[str], log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that writes to ``log``; whatever of it is left at the end is killed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, **variables}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=log.parent, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            for number in [process.pid, *descendants(process.pid)]:
                _kill(number)
            process.wait()


def run_to_the_end(command: list[str], log: Path, **variables: str) -> int:
    """The exit code.

    Raises:
        subprocess.TimeoutExpired: if it hangs.
    """
    with running(command, log, **variables) as process:
        return process.wait(LIMIT_S)


def fit_command(*options: str) -> list[str]:
    """``gcvideo fit`` of this checkout."""
    return [sys.executable, "-m", "gcvideo", "fit", *options]


def until(is_true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Waits for what a run is to reach.

    Raises:
        TimeoutError: if it does not, or ends before.
    """
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"not reached; exit code {process.poll()}")
        time.sleep(0.1)


def descendants(number: int) -> list[int]:
    """The processes that a process has started, and those that these have started."""
    parents = _parents()
    found = [child for child, parent in parents.items() if parent == number]
    return found + [late for child in found for late in descendants(child)]


def seconds_until_gone(numbers: list[int], limit_s: float) -> Mapping[int, float]:
    """After how long each of these processes had ended; those that have not are missing."""
    began, gone = time.monotonic(), dict[int, float]()
    while len(gone) < len(numbers) and time.monotonic() - began < limit_s:
        for number in numbers:
            if not _is_alive(number):
                gone.setdefault(number, time.monotonic() - began)
        time.sleep(0.1)
    return gone


def has_stopped(number: int) -> bool:
    """Whether SIGSTOP holds a process, all of it."""
    threads = Path(f"/proc/{number}/task").glob("[0-9]*/stat")
    return all(_fields(thread)[0] == "T" for thread in threads)


def _parents() -> dict[int, int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(_fields(path)[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents


def _is_alive(number: int) -> bool:
    try:
        return _fields(Path(f"/proc/{number}/stat"))[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _fields(path: Path) -> list[str]:
    """What stands behind the name of a process, which may hold anything: its state, its parent, ..."""
    return path.read_text(errors="replace").rpartition(")")[2].split()


def _kill(number: int) -> None:
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return
