"""Which folder a run uses, and which checkpoint is meant."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from gcvideo.errors import InputError
from gcvideo.safe_load import load_safely
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
        if ckpt_path is None:
            _check_holds_no_run(folder)
    _check_writable(folder)
    return folder


def quoted(path: Path) -> str:
    """A path as it is typed in a shell."""
    return shlex.quote(str(path))


def how_to_continue(folder: Path) -> str:
    """What to type after an interruption."""
    if not (folder / "last.ckpt").exists():
        return "interrupted before the first epoch was done; nothing to continue from"
    again = f"gcvideo fit --config {quoted(folder / 'config.yaml')} --run_dir {quoted(folder)} --ckpt_path last"
    return f"interrupted; continue from the last finished epoch with: {again}"


def classes_in(path: str | Path) -> list[str] | None:
    """The classes that a checkpoint learned; none where it does not say."""
    states = load_safely(Path(path), "checkpoint").values()
    return next((list(s["classes"]) for s in states if isinstance(s, dict) and set(s) == {"classes"}), None)


def _check_holds_no_run(folder: Path) -> None:
    """A run's record is never written over."""
    if any((folder / f"{kept}.ckpt").exists() for kept in _NAMES):
        raise InputError(
            f"run folder {folder} holds a run already: continue it with --ckpt_path last, or name another --run_dir"
        )
    record = folder / "metrics.jsonl"
    if record.is_file() and record.stat().st_size > 0:
        raise InputError(
            f"run folder {folder} holds the record of a run that left no checkpoint: delete it, "
            "or name another --run_dir"
        )


def _check_readable(path: Path) -> None:
    checkpoint = load_safely(path, "checkpoint")
    needed = {"state_dict": dict, "global_step": int, "pytorch-lightning_version": str, "callbacks": dict}
    for name, kind in needed.items():
        if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(name), kind):
            raise InputError(f"checkpoint {path}: not one of a gcvideo run (it has no {name})")


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(
            f"run folder {folder}: {existing} is a file, not a folder; name another one with --run_dir=DIR"
        )
    if not os.access(existing, os.W_OK):
        raise InputError(f"run folder {folder}: {existing} cannot be written to; name another one with --run_dir=DIR")
