"""Which folder a run uses, and which checkpoint is meant."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch

from gcvideo.errors import InputError
from gcvideo.tracking.run import new_run_folder

_NAMES = ("last", "best")


def find_checkpoint(ckpt_path: str | None, run_dir: str | None) -> str | None:
    """The file that ``--ckpt_path`` means: ``last`` and ``best`` are those of the run folder.

    Raises:
        InputError: if there is no such file, or it is not a checkpoint of a gcvideo run.
    """
    if ckpt_path is None:
        return None
    if ckpt_path in _NAMES and not Path(ckpt_path).exists():
        if run_dir is None:
            raise InputError(f"--ckpt_path {ckpt_path} needs the run folder: add --run_dir=DIR", exit_code=2)
        path = Path(run_dir).expanduser() / f"{ckpt_path}.ckpt"
    else:
        path = Path(ckpt_path).expanduser()
    if not path.is_file():
        raise InputError(f"checkpoint {path}: no such file; a run leaves last.ckpt and best.ckpt in its folder")
    _check_readable(path)
    return str(path)


def choose_folder(run_dir: str | None, ckpt_path: str | None, name: str) -> Path:
    """The run folder: the one named, else the checkpoint's, else a new ``runs/NAME-TIME``.

    Raises:
        InputError: if it cannot be made, or holds a run that would be overwritten.
    """
    if run_dir is None:
        folder = Path(ckpt_path).parent if ckpt_path else new_run_folder(name)
    else:
        folder = Path(run_dir).expanduser()
        if ckpt_path is None and any((folder / f"{kept}.ckpt").exists() for kept in _NAMES):
            raise InputError(
                f"run folder {folder} holds a run already: continue it with --ckpt_path last, or name another --run_dir"
            )
    _check_writable(folder)
    return folder


def how_to_continue(folder: Path) -> str:
    """What to type after an interruption."""
    if not (folder / "last.ckpt").exists():
        return "interrupted before the first epoch was done; nothing to continue from"
    again = f"gcvideo fit --config {folder}/config.yaml --run_dir {folder} --ckpt_path last"
    return f"interrupted; continue from the last finished epoch with: {again}"


def _check_readable(path: Path) -> None:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"checkpoint {path} cannot be read: {reason[:120]}; name another one, such as best.ckpt"
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint or "global_step" not in checkpoint:
        raise InputError(f"checkpoint {path}: not one of a gcvideo run (it has no state_dict and global_step)")


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(
            f"run folder {folder}: {existing} is a file, not a folder; name another one with --run_dir=DIR"
        )
    if not os.access(existing, os.W_OK):
        raise InputError(f"run folder {folder}: {existing} cannot be written to; name another one with --run_dir=DIR")
