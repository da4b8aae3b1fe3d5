"""How much memory a run holds: what was allocated on a GPU, what this process holds of the machine's."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import torch

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_gb(device: torch.device) -> float:
    """Gigabytes (10^9 bytes): the most that was allocated at once on a GPU, or what this process holds now.

    On a processor the loader workers, processes of their own, are not counted. Reading it waits for nothing.
    """
    held = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_bytes()
    return held / 1e9


def resident_bytes() -> int:
    """What this process holds of the machine's memory now; the most it ever held where the system tells no more."""
    found = _status("VmRSS")
    return peak_resident_bytes() if found is None else found


def peak_resident_bytes() -> int:
    """The most that this process has held at once, since it began or since ``forget_peak``."""
    found = _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there and kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if found is None else found


def forget_peak() -> None:
    """Lets the peak begin anew where the system can (Linux); elsewhere it stays that of the whole process."""
    try:
        _FORGET.write_text("5")
    except OSError:
        return


def free_bytes() -> int | None:
    """What the machine, or the container around this process, can still give; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return min([free, *_container_rest()])


def num_processors() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _container_rest() -> list[int]:
    """What a memory limit of the control group leaves; nothing where there is none."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return []
    return [max(0, int(limit) - int(used))] if limit.isdecimal() else []


def _status(name: str) -> int | None:
    """Bytes of a line such as ``VmRSS:  1234 kB``."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
