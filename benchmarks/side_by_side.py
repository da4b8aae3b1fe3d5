"""What the benchmarks share: works that take turns, their quartiles, peak memory, and mmaction2 from a checkout."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], object]
WARM_UP = 2  # turns that are not counted


def take_turns(works: Mapping[str, Work], runs: int, before: Work = lambda: None) -> dict[str, list[float]]:
    """Milliseconds of every run of each work; a run of the same place in each list belongs to the same turn.

    The order rotates: each turn begins with the next work. What is to be done ``before`` each run is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for turn in range(WARM_UP + runs):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            before()
            took = milliseconds(works[name])
            if turn >= WARM_UP:
                times[name].append(took)
    return times


def milliseconds(work: Work) -> float:
    """Of one run by the clock; a GPU begins idle and has finished."""
    _wait()
    began = time.perf_counter()
    work()
    _wait()
    return 1000 * (time.perf_counter() - began)


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each work."""
    return {name: statistics.median(values) for name, values in times.items()}


def quartiles(values: Sequence[float], form: str) -> str:
    """The first and the third, as ``1.2 - 1.4``; never outside of the values."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return f"{low:{form}} - {high:{form}}"


def peak_mib(work: Work) -> float:
    """MiB by which a work raises, at its highest, what this process holds: resident memory, or a GPU's that torch took.

    The resident memory is Linux's for this program; ``getrusage`` would begin with the highest of the parent.
    """
    if torch.cuda.is_initialized():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system, and is not had for nothing
    before = _resident_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest begins here
    work()
    return (_resident_kib("VmHWM") - before) / 1024


def in_fresh_process(script: str, *arguments: object) -> float:
    """Runs a script in a process of its own, and gives the number that it prints."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return float(done.stdout)


@cache
def mmaction2_folder() -> Path | None:
    """The checkout that the variable MMACTION2 names; None, and a line that says so, where it is not set."""
    if not os.environ.get("MMACTION2"):
        print("MMACTION2 names no checkout of mmaction2: it is left out", file=sys.stderr)
        return None
    folder = Path(os.environ["MMACTION2"]).expanduser()
    if not (folder / "mmaction").is_dir():
        raise SystemExit(f"MMACTION2 is {folder}, where no folder mmaction is; name a checkout of mmaction2")
    return folder


def from_mmaction2(module: str) -> Any:
    """A module of the checkout; a line on stderr and None where there is none."""
    folder = mmaction2_folder()
    if folder is None:
        return None
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.import_module("mmcv").__version__ = "2.1.0"  # it refuses 2.2, in which nothing it uses here has changed
    sys.modules.setdefault("importlib_metadata", importlib.metadata)  # the name that it had before Python 3.8
    with warnings.catch_warnings(action="ignore"):
        return importlib.import_module(module)


def _resident_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _wait() -> None:
    """A GPU works on after it was told what to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
