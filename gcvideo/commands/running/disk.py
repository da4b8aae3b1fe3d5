"""A disk that is full, wherever a run writes: one line, and an exit code that says: the same call may go well later."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from gcvideo.commands.running.folders import can_go_on, to_continue
from gcvideo.errors import InputError
from gcvideo.tracking.checkpoint_io import TEMPORARY_FAILURE, NotSaved
from gcvideo.tracking.run import RunTracker
from gcvideo.tracking.whole_files import free_space, is_full


@contextmanager
def explained_disk(tracker: RunTracker) -> Iterator[None]:
    """Turns the errors of a disk, full or failing, into one line of the first process; the others end with it."""
    try:
        yield
    except NotSaved as error:
        if getattr(rank_zero_only, "rank", 0):
            raise SystemExit(error.exit_code) from error
        raise InputError(f"{error}; {_what_to_do(tracker)}", error.exit_code) from error
    except OSError as error:
        if not is_full(error):
            raise
        what = f"{error.filename} cannot be written" if error.filename else "a file cannot be written"
        line = f"{what}: the disk is full ({_room(tracker.folder)}); {_what_to_do(tracker)}"
        raise InputError(line, TEMPORARY_FAILURE) from error


def _room(folder: Path) -> str:
    """The places that a run writes to; where the error does not name its file, the one without room is meant."""
    temporary = Path(tempfile.gettempdir())
    return ", ".join(f"{free_space(place)} in {place}" for place in (folder, temporary))


def _what_to_do(tracker: RunTracker) -> str:
    if tracker.job_type == "fit" and can_go_on(tracker.folder):
        return f"make room, then continue with: {to_continue(tracker.folder)}"
    return "make room, or name another place with --run_dir=DIR, then start again"
