"""Which of a run's checkpoints are whole, and which one stands in for one that is not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from gcvideo.errors import InputError
from gcvideo.safe_load import UnreadableFile, check_digest, load_safely
from gcvideo.tracking.checkpoint_io import BEST, LAST, PREVIOUS

log = logging.getLogger(__name__)

KEPT = (LAST, PREVIOUS, BEST)
_NEEDED = {"state_dict": dict, "global_step": int, "pytorch-lightning_version": str, "callbacks": dict}


def find_file(path: Path) -> Path:
    """A checkpoint that was named, if it is whole.

    Raises:
        InputError: if it is not there, damaged, or not of a gcvideo run; whole ones beside it are named.
    """
    if not path.is_file():
        raise InputError(f"checkpoint {path}: no such file; a run leaves {LAST} and {BEST} in its folder")
    try:
        _read(path)
    except UnreadableFile as error:
        beside = _whole_beside(path)
        if not beside:
            raise
        names = ", ".join(beside)
        raise InputError(f"checkpoint {path} {error.reason}; whole beside it: {names}; name one of them") from error
    return path


def find_last(last: Path) -> Path:
    """``last.ckpt``, or ``previous.ckpt`` where the last is damaged or missing; a line says so, and what that costs.

    Raises:
        InputError: if neither is whole; it says what is wrong with them, and whether the best one is whole.
    """
    previous = last.with_name(PREVIOUS)
    if not last.is_file() and not previous.is_file():
        return find_file(last)
    if (of_last := _flaw(last)) is None:
        return last
    if (of_previous := _flaw(previous)) is None:
        _say_what_stands_in(last, of_last, previous)
        return previous
    best = next((name for name in _whole_beside(last) if name.startswith(BEST)), None)
    cure = f"{best} is whole, but another point in time: --ckpt_path best goes on from there" if best else "start anew"
    raise InputError(
        f"no checkpoint to continue from in {last.parent}: {LAST} {of_last}; {PREVIOUS} {of_previous}; {cure}"
    )


def _flaw(path: Path) -> str | None:
    """What is wrong with a checkpoint, if anything.

    Raises:
        UnreadableFile: if it is as it was written and cannot be read all the same: no damage, but a file that no run
            writes, which may have been put there.
    """
    if not path.is_file():
        return "is missing"
    is_as_written = False
    try:
        is_as_written = check_digest(path, "checkpoint")
        _read(path, verify=False)
    except UnreadableFile as error:
        if is_as_written:
            raise
        return error.reason
    return None


@rank_zero_only
def _say_what_stands_in(last: Path, reason: str, previous: Path) -> None:
    step = _read(previous, verify=False)["global_step"]
    log.warning(
        f"checkpoint {last} {reason}; {PREVIOUS} stands in for it: what was trained after its step {step} is lost"
    )


def _whole_beside(path: Path) -> list[str]:
    """The run's other checkpoints in that folder that are whole, with their steps."""
    found = []
    for name in KEPT if path.name in KEPT else ():
        try:
            if name != path.name and path.with_name(name).is_file():
                found.append(f"{name} (step {_read(path.with_name(name))['global_step']})")
        except UnreadableFile:
            continue
    return found


def _read(path: Path, *, verify: bool = True) -> dict[str, Any]:
    checkpoint = load_safely(path, "checkpoint", verify=verify)
    for name, kind in _NEEDED.items():
        if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(name), kind):
            raise UnreadableFile("checkpoint", path, f"is not one of a gcvideo run (it has no {name})")
    return dict(checkpoint)
