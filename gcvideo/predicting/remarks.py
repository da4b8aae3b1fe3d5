"""Remarks of libraries that a user can do nothing about."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_REMARKS = (
    ".*`torch.jit.script` is deprecated.*",  # fvcore scripts a function when it is imported
    "The `srun` command is available",  # Lightning's, on every login node
    ".*'pin_memory' argument is set as true.*",  # where there is no GPU
)


@contextmanager
def without_remarks() -> Iterator[None]:
    """In this block they are not shown; what else is shown, or is an error, stays as it is."""
    with warnings.catch_warnings():
        for message in _REMARKS:
            warnings.filterwarnings("ignore", message)
        yield
