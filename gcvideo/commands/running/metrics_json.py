"""metrics.json: the numbers of a run folder's checkpoints, each beside the checkpoint that it is of.

One object; ``val`` and ``test`` are the numbers of ``best.ckpt`` (of the network at hand where a fit kept no best).
Those of another checkpoint stand apart: ``val of last.ckpt``, and so do those of other videos than the checkpoint's
training named: ``test of best.ckpt on /other/videos``. Each entry names the ``checkpoint`` (null: none was kept), its
``step`` (optimizer steps done) and its ``epoch`` (from 1), the ``data`` (folder or manifest) and whether these are the
training's (``own_data``). What holds no longer is dropped: entries of a
checkpoint file that has been written anew since, and after a fit all that are not of the checkpoint it ends with; their
files (``results``, see result_folders.py) go with them.

Of an entry: ``top1``, ``top5``, ``mean_class_top1`` of ``videos``, ``clip_top1``, ``clip_top5`` and ``loss`` of their
views; ``intervals``, ``ece``, ``temperature``, ``ece_after_temperature``, ``most_confused`` and ``worst``, as
``gcvideo/evaluation/report.py`` says; ``failed``, ``incomplete`` and ``not_measured`` count the videos that no score
is of, those with fewer views than asked for, and those that a limit left out; ``undecodable`` counts those of the split
that the index left out, null where that is not known. What has no value is null.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer

from gcvideo.commands.running.result_folders import remove_results, results_folder
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.data.indexing.index import cached_manifest_path
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
        data: folder or manifest of the videos.
        own_data: whether the training of the checkpoint named these.
    """

    checkpoint: str | None
    step: int
    epoch: int
    data: str
    own_data: bool = True


def measured_by(trainer: Trainer, folder: Path, data: VideoDataModule, *, by_fit: bool) -> Origin:
    """What the last evaluation of a trainer was of.

    Args:
        trainer: after it.
        folder: the run folder.
        data: the videos.
        by_fit: whether a fit ends with it.
    """
    source = os.path.abspath(data.source)
    if trainer.state.fn == "fit" or not trainer.ckpt_path:
        epoch = min(trainer.current_epoch + 1, trainer.max_epochs or 1)
        return Origin(None, trainer.global_step, epoch, source)
    path = Path(str(trainer.ckpt_path))
    state = load_safely(path, "checkpoint", verify=False)  # it was, when it was found
    is_here = path.resolve().parent == folder.resolve()
    name, learned = path.name if is_here else str(path.resolve()), _list_of((state.get("config") or {}).get("data"))
    own = by_fit or learned in (None, os.path.realpath(_verified_list(data)))
    return Origin(name, int(state["global_step"]), int(state["epoch"]) + 1, source, own)


def key_of(split: str, measured: Origin) -> str:
    """Where the numbers of a split stand in the file."""
    if measured.own_data:
        return split if measured.checkpoint in (None, BEST) else f"{split} of {measured.checkpoint}"
    return f"{split} of {measured.checkpoint} on {measured.data}"


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
        remove_results(_folder_of(earlier[key], folder, key.partition(" of ")[0]))


def read_numbers(folder: Path, split: str, measured: Origin) -> dict[str, Any] | None:
    """The entry of a split; None where there is none."""
    path = folder / FILE_NAME
    entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return entries.get(key_of(split, measured))


def _folder_of(entry: dict[str, Any], folder: Path, split: str) -> Path:
    other = None if entry.get("own_data", True) else entry.get("data")
    return results_folder(folder, split, entry.get("checkpoint"), other)


def _verified_list(data: VideoDataModule) -> Path:
    return Path(data.manifest_file).expanduser() if data.manifest_file else data.manifest_path()


def _list_of(data: Any) -> str | None:
    """The manifest of the videos that a checkpoint's configuration names; a folder's is in the cache."""
    options = data.get("init_args") if isinstance(data, dict) else None
    if not isinstance(options, dict) or not (options.get("manifest") or options.get("root")):
        return None
    if options.get("manifest"):
        return os.path.realpath(Path(options["manifest"]).expanduser())
    return os.path.realpath(cached_manifest_path(Path(options["root"]).expanduser()))


def _holds(entry: dict[str, Any], new: dict[str, Any], *, by_fit: bool) -> bool:
    is_same_file = entry.get("checkpoint") == new["checkpoint"]
    return entry.get("step") == new["step"] if is_same_file else not by_fit and "checkpoint" in entry
