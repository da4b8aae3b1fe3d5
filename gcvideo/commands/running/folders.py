"""Which folder a run uses, and which checkpoint is meant."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch import distributed

from gcvideo.commands.running.checkpoints import KEPT, find_file, find_last
from gcvideo.errors import InputError
from gcvideo.safe_load import load_safely
from gcvideo.tracking.checkpoint_io import LAST, PREVIOUS
from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.tracking.run import new_run_folder

_NAMES = ("last", "best")


def find_checkpoint(ckpt_path: str | None, run_dir: str | None) -> str | None:
    """The file that ``--ckpt_path`` means: ``last`` and ``best`` are those of the run folder.

    Where the last checkpoint is damaged, the one before it stands in, and a line says so.

    Raises:
        InputError: if there is no such file, it is damaged, or it is not a checkpoint of a gcvideo run.
    """
    if ckpt_path is None:
        return None
    is_name = ckpt_path in _NAMES and not Path(ckpt_path).exists()
    if is_name and run_dir is None:
        raise InputError(f"--ckpt_path {ckpt_path} needs the run folder: add --run_dir=DIR", exit_code=2)
    path = (Path(str(run_dir)) / f"{ckpt_path}.ckpt" if is_name else Path(ckpt_path)).expanduser()
    return str(find_last(path) if is_name and path.name == LAST else find_file(path))


def choose_folder(run_dir: str | None, ckpt_path: str | None, name: str) -> Path:
    """The run folder: the one named, else the checkpoint's, else a new ``runs/NAME-TIME``.

    Raises:
        InputError: if it cannot be made, or holds a run that would be overwritten.
    """
    if run_dir == "":
        raise InputError("--run_dir is empty (a shell variable that is not set?); name the folder", exit_code=2)
    if run_dir is None:
        folder = Path(ckpt_path).parent if ckpt_path else new_run_folder(name)
    else:
        folder = Path(run_dir).expanduser()
        if ckpt_path is None:
            _check_holds_no_run(folder)
    _check_writable(folder)
    return folder


def quoted(path: Path) -> str:
    """A path as it is typed in a shell."""
    return shlex.quote(str(path))


def how_to_continue(folder: Path) -> str:
    """What to type after an interruption."""
    return f"interrupted; {to_go_on(folder)}"


def can_go_on(folder: Path) -> bool:
    """Whether a folder holds a checkpoint that ``--ckpt_path last`` may take."""
    return any((folder / name).is_file() for name in (LAST, PREVIOUS))


def to_go_on(folder: Path) -> str:
    """What to do after a run has ended before its time."""
    if not can_go_on(folder):
        return "nothing is saved yet to continue from"
    if distributed.is_torchelastic_launched() or SLURMEnvironment.detect():
        return f"start the same job again with --run_dir {quoted(folder)} --ckpt_path last"
    return f"continue with: {to_continue(folder)}"


def to_continue(folder: Path) -> str:
    """The command that continues the run of a folder."""
    return f"gcvideo fit --config {quoted(folder / 'config.yaml')} --run_dir {quoted(folder)} --ckpt_path last"


def data_state_in(path: str | Path) -> dict[str, Any] | None:
    """What a checkpoint knows of its videos: ``classes`` and ``preprocessing``; none where it does not say."""
    states = load_safely(Path(path), "checkpoint", verify=False).values()  # it was, when it was found
    return next((state for state in states if isinstance(state, dict) and "classes" in state), None)


def _check_holds_no_run(folder: Path) -> None:
    """A run's record is never written over."""
    if any((folder / kept).exists() for kept in KEPT):
        raise InputError(
            f"run folder {folder} holds a run already: continue it with --ckpt_path last, or name another --run_dir"
        )
    if any(row["step"] > 0 for row in read_metrics(folder)):  # a run saves after its first step
        raise InputError(
            f"run folder {folder} holds the record of a run that left no checkpoint: delete it, "
            "or name another --run_dir"
        )


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(
            f"run folder {folder}: {existing} is a file, not a folder; name another one with --run_dir=DIR"
        )
    if not os.access(existing, os.W_OK):
        raise InputError(f"run folder {folder}: {existing} cannot be written to; name another one with --run_dir=DIR")
