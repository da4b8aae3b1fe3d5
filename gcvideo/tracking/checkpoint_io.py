"""How checkpoints come to the disk: whole or not at all, with their digest, and the last one with its predecessor."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from lightning import Trainer
from lightning.fabric.plugins import CheckpointIO, TorchCheckpointIO
from lightning.fabric.utilities.types import _PATH
from lightning.pytorch.utilities import rank_zero_only

from gcvideo.errors import InputError
from gcvideo.safe_load import END_BYTES, END_SIGNATURE, UnreadableFile, check_digest, digest_comment
from gcvideo.tracking.whole_files import beside, free_space, is_full, megabytes, remove_leftovers, sync_folder

log = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
TEMPORARY_FAILURE = 75  # EX_TEMPFAIL of sysexits.h: the same command may go well later


class NotSaved(InputError):
    """A checkpoint that could not be written; the one of before is still there."""


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's way to read and write checkpoints, made so that none is ever lost.

    A checkpoint is written beside its place, and is on the disk before it takes it: a kill or a full disk leaves the
    one of before. It carries the SHA-256 of its content (see safe_load.py), which is compared when it is read. When
    ``last.ckpt`` is written, the one of before becomes ``previous.ckpt``.
    """

    def __init__(self) -> None:
        self._own: set[Path] = set()  # written by this process, so known to be whole

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Writes a checkpoint; what a killed process left half-written in its folder is removed.

        Raises:
            NotSaved: if it cannot be written, with exit code 75 where the disk is full. Nothing has changed then.
            TypeError: if there are ``storage_options``.
        """
        if storage_options is not None:
            raise TypeError(f"storage_options are {storage_options!r}; expected none, as a run folder is a local one")
        target = Path(path)
        written = _NewFile(beside(target))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target.parent)
            self._write(checkpoint, written, target)
        except OSError as error:
            raise _not_saved(target, error, written.num_bytes) from error

    def load_checkpoint(
        self, path: _PATH, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Reads a checkpoint, to the processor where nothing else is said; nothing that stands in it is ever run.

        Raises:
            UnreadableFile: if its digest differs.
        """
        check_digest(Path(path), "checkpoint")
        return super().load_checkpoint(path, cast(Any, map_location or "cpu"), weights_only=True)

    def _write(self, checkpoint: dict[str, Any], written: _NewFile, target: Path) -> None:
        try:
            written.save(checkpoint)
            self._put(written.path, target)
        finally:
            written.path.unlink(missing_ok=True)  # it has another name by now if all went well

    def _put(self, written: Path, target: Path) -> None:
        """Gives the new file its name, and the old last one that of its predecessor."""
        aside = self._set_aside(target) if target.name == LAST else None
        written.replace(target)  # first, so that previous.ckpt is never the only whole one that is replaced
        if aside is not None:
            aside.replace(target.with_name(PREVIOUS))
        sync_folder(target.parent)
        self._own.add(target)

    def _set_aside(self, last: Path) -> Path | None:
        """A second name of the last checkpoint, if it is whole; without links it becomes ``previous.ckpt`` at once."""
        if not last.is_file() or not (last in self._own or is_whole(last)):
            return None
        aside = beside(last.with_name(PREVIOUS))
        try:
            aside.hardlink_to(last)
        except OSError:
            last.replace(last.with_name(PREVIOUS))
            return None
        return aside


def with_checkpoint_io(plugins: Any) -> list[Any]:
    """A trainer's plugins (one, several or none) with ours, where they hold no other way to write checkpoints."""
    wanted = plugins if isinstance(plugins, list) else [] if plugins is None else [plugins]
    has_one = any(isinstance(plugin, CheckpointIO) for plugin in wanted)
    return list(wanted) if has_one else [*wanted, SafeCheckpointIO()]


def is_whole(path: Path) -> bool:
    """Whether a file is there and its digest, if it has one, right; of one that is damaged a line says so."""
    try:
        return path.is_file() and check_digest(path, "checkpoint") is not None
    except UnreadableFile as error:
        rank_zero_only(log.warning)(f"checkpoint {path} {error.reason}; it does not count, and will be written anew")
        return False


class RunTrainer(Trainer):
    """Lightning's trainer; where the first process cannot save, all stop, and none waits for it."""

    def save_checkpoint(
        self, filepath: _PATH, weights_only: bool | None = None, storage_options: Any | None = None
    ) -> None:
        """Saves; called on every process, of which the first one writes.

        Raises:
            NotSaved: on every process, if the first one could not write.
        """
        failure: NotSaved | None = None
        try:
            super().save_checkpoint(filepath, weights_only, storage_options)
        except NotSaved as error:
            failure = error
            self.strategy.barrier("Trainer.save_checkpoint")  # where the others are
        failure = self.strategy.broadcast(failure)
        if failure is not None:
            self.strategy.barrier("NotSaved")  # until all know it; only then may the first one end
            raise failure


class _NewFile:
    """A file that ``torch.save`` writes, digested on the way.

    After a failure it only counts: torch answers an error of the file with one of its own that says nothing, and how
    much would have been needed is worth knowing.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.num_bytes = path, 0
        self._digest, self._failure = hashlib.sha256(), cast(OSError | None, None)

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Writes the checkpoint and its digest, and waits until they are on the disk."""
        with self.path.open("xb+", buffering=0) as self._file:
            torch.save(checkpoint, cast(Any, self))
            if self._failure is None:
                self._add_digest()
            if self._failure is not None:
                raise self._failure
            os.fsync(self._file.fileno())

    def write(self, content: bytes | memoryview) -> int:
        """Takes what torch writes, one piece after the other."""
        self._digest.update(content)
        rest = whole = memoryview(content).cast("B")
        self.num_bytes += len(whole)
        try:
            while rest and self._failure is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failure = error
        return len(whole)

    def flush(self) -> None:
        """Nothing: no piece is held back."""

    def _add_digest(self) -> None:
        number = self._file.fileno()
        end = os.pread(number, END_BYTES, self.num_bytes - END_BYTES)
        if not (end.startswith(END_SIGNATURE) and end.endswith(b"\0\0")):
            return  # another format than today's; such a file stays as torch wrote it
        comment = digest_comment(self._digest.hexdigest())
        length = len(comment).to_bytes(2, "little")
        os.pwrite(number, length, self.num_bytes - len(length))
        self.write(comment)


def _not_saved(target: Path, error: OSError, num_bytes: int) -> NotSaved:
    if not is_full(error):
        return NotSaved(f"checkpoint {target} cannot be written: {error.strerror or error}")
    quota = " (a quota is used up)" if error.errno == errno.EDQUOT else ""
    sizes = f"{megabytes(num_bytes)} needed, {free_space(target.parent)}{quota}"
    return NotSaved(f"checkpoint {target} cannot be written: the disk is full ({sizes})", TEMPORARY_FAILURE)
