"""Where the files of a measurement are: each has a folder below RUN/results, and the last one is shown in RUN, too.

``results/val`` and ``results/test`` are of ``best.ckpt`` (of the network at hand where a fit kept no best),
``results/val_of_last.ckpt`` of another file of the run folder, ``results/test_of_best.ckpt_on_NAME-HASH`` of other
videos than those the checkpoint's training named. So a validation never takes the place of a test: what stands in the
run folder itself is of the last measurement, as the titles of the pictures and the metadata of ``predictions.parquet``
say, and the folder of the test has what it had.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from gcvideo.errors import InputError
from gcvideo.tracking.whole_files import beside, naming

RESULTS = "results"
PREDICTIONS = "predictions.parquet"
FILES = (
    *(PREDICTIONS, "predictions.csv", "per_class.csv"),
    *("confusion_matrix.png", "per_class.png", "reliability.png"),
)
_SPLITS = ("test", "val")


def results_folder(folder: Path, split: str, checkpoint: str | None, other_data: str | None = None) -> Path:
    """Where the files of a measurement are.

    Args:
        folder: the run folder.
        split: val or test.
        checkpoint: a name in the run folder, or the path of a file elsewhere; None for the network at hand.
        other_data: folder or manifest of videos that are not those of the checkpoint's training; None where they are.
    """
    if checkpoint in (None, "best.ckpt") and other_data is None:
        return folder / RESULTS / split
    path = Path(str(checkpoint))
    on = f"_on_{Path(other_data).name[:50]}{_hashed(other_data)}" if other_data is not None else ""
    return folder / RESULTS / f"{split}_of_{path.name}{_hashed(str(path)) if path.is_absolute() else ''}{on}"


def _hashed(path: str) -> str:
    return f"-{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def show_in(folder: Path, results: Path) -> None:
    """Gives the files of a measurement a second name in the run folder; a copy where the disk has no such names."""
    for name in FILES:
        temporary = beside(folder / name)
        try:
            with naming(folder / name):
                try:
                    os.link(results / name, temporary)
                except OSError:
                    shutil.copyfile(results / name, temporary)
                temporary.replace(folder / name)
        finally:
            temporary.unlink(missing_ok=True)  # it stays where both names are of one file already


def remove_results(results: Path) -> None:
    """Removes the files of a measurement that holds no longer, and nothing else."""
    for name in FILES:
        (results / name).unlink(missing_ok=True)
    if results.is_dir() and not any(results.iterdir()):
        results.rmdir()


def find_predictions(path: Path, split: str | None) -> Path:
    """The table that an argument means: a file, a folder with one, or the one of a split in a run folder.

    Args:
        path: what the user gave.
        split: val, test or the name of another folder below results; None takes the folder's own, or the only one.

    Raises:
        InputError: if there is none, or several and it is not said which.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder", exit_code=2)
    if path.is_file():
        return path
    measured = measurements(path)
    if not measured:
        if (path / PREDICTIONS).is_file():
            return path / PREDICTIONS
        raise InputError(f"{path} has no {PREDICTIONS}; gcvideo test --ckpt_path RUN/best.ckpt leaves one in RUN")
    if split is None:
        split = next((name for name in _SPLITS if name in measured), measured[0])
    if split not in measured:
        raise InputError(f"{path} has no results of {split!r}, but of: {', '.join(measured)}", exit_code=2)
    return path / RESULTS / split / PREDICTIONS


def measurements(folder: Path) -> list[str]:
    """What was measured in a run folder: names of the folders below results, sorted."""
    return sorted(found.parent.name for found in (folder / RESULTS).glob(f"*/{PREDICTIONS}"))
