"""Reads a file that torch wrote, and runs nothing that stands in it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from gcvideo.errors import InputError


def load_safely(path: Path, what: str) -> Any:
    """The content of a file of weights and plain values, on the processor; large tensors are read when they are used.

    Args:
        path: an existing file.
        what: how the message calls it, such as ``checkpoint``.

    Raises:
        InputError: if it is empty, damaged, or holds anything else.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{what} {path} is empty; name another one")
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{what} {path} is damaged, or holds more than weights and plain values, which is not loaded as it could "
            "run code; name another one"
        ) from error
    except Exception as error:  # a damaged file is stumbled over in many ways
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{what} {path} cannot be read: {reason[:120]}; name another one") from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"
