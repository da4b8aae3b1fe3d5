"""metrics.json: the numbers of a run folder's checkpoints, each beside the checkpoint that it is of.

One object; ``val`` and ``test`` are the numbers of ``best.ckpt`` (of the network at hand where a fit kept no best).
Those of another checkpoint stand apart: ``val of last.ckpt``. Each entry names the ``checkpoint`` (null: none was
kept), its ``step`` (optimizer steps done) and its ``epoch`` (from 1). What holds no longer is dropped: entries of a
checkpoint file that has been written anew since, and after a fit all that are not of the checkpoint it ends with; their
files (``results``, see result_folders.py) go with them.

Of an entry: ``top1``, ``top5``, ``mean_class_top1`` of ``videos``, ``clip_top1``, ``clip_top5`` and ``loss`` of their
views; ``intervals``, ``ece``, ``temperature``, ``ece_after_temperature``, ``most_confused`` and ``worst``, as
``gcvideo/evaluation/report.py`` says; ``failed``, ``incomplete`` and ``not_measured`` count the videos that no score
is of, those with fewer views than asked for, and those that a limit left out. What has no value is null.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer

from gcvideo.commands.running.result_folders import remove_results, results_folder
from gcvideo.safe_load import load_safely
from gcvideo.tracking.checkpoint_io import BEST
from gcvideo.tracking.whole_files import write_whole

FILE_NAME = "metrics.json"


@dataclass(frozen=True)
class Origin:
    """What numbers are of.

    Attributes:
        checkpoint: name of a file in the run folder, or the path of another one; None for the network at hand.
        step: optimizer steps it has done.
        epoch: in which, from 1.
    """

    checkpoint: str | None
    step: int
    epoch: int


def measured_by(trainer: Trainer, folder: Path) -> Origin:
    """What the last evaluation of a trainer was of; ``folder`` is the run folder."""
    if trainer.state.fn == "fit" or not trainer.ckpt_path:
        return Origin(None, trainer.global_step, min(trainer.current_epoch + 1, trainer.max_epochs or 1))
    path = Path(str(trainer.ckpt_path))
    state = load_safely(path, "checkpoint", verify=False)  # it was, when it was found
    is_here = path.resolve().parent == folder.resolve()
    return Origin(path.name if is_here else str(path.resolve()), int(state["global_step"]), int(state["epoch"]) + 1)


def key_of(split: str, measured: Origin) -> str:
    """Where the numbers of a split stand in the file."""
    return split if measured.checkpoint in (None, BEST) else f"{split} of {measured.checkpoint}"


def write_numbers(folder: Path, split: str, measured: Origin, numbers: dict[str, Any], *, by_fit: bool) -> None:
    """Adds an entry and drops those that hold no longer, with their files.

    Args:
        folder: the run folder.
        split: val or test.
        measured: what the numbers are of.
        numbers: of the evaluation.
        by_fit: whether a fit ends with them.
    """
    path, new = folder / FILE_NAME, asdict(measured)
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = {key: entry for key, entry in earlier.items() if _holds(entry, new, by_fit=by_fit)}
    entries = kept | {key_of(split, measured): new | numbers}
    write_whole(path, json.dumps(entries, indent=2, allow_nan=False) + "\n")
    for key in earlier.keys() - entries.keys():
        remove_results(results_folder(folder, key.partition(" of ")[0], earlier[key].get("checkpoint")))


def read_numbers(folder: Path, split: str, measured: Origin) -> dict[str, Any] | None:
    """The entry of a split; None where there is none."""
    path = folder / FILE_NAME
    entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return entries.get(key_of(split, measured))


def _holds(entry: dict[str, Any], new: dict[str, Any], *, by_fit: bool) -> bool:
    is_same_file = entry.get("checkpoint") == new["checkpoint"]
    return entry.get("step") == new["step"] if is_same_file else not by_fit and "checkpoint" in entry
