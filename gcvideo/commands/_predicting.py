"""The work of ``gcvideo predict``: checks before it begins, predictions, what is printed and written of them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from gcvideo.commands._predicting_made import make_files
from gcvideo.commands._predicting_printed import print_failures, print_table
from gcvideo.errors import InputError, plain
from gcvideo.predicting.devices import make_fabric
from gcvideo.predicting.output_names import check_folder, output_paths
from gcvideo.predicting.predict import Outcomes, predict_files
from gcvideo.predicting.prediction import Unpredicted, check_top
from gcvideo.predicting.probed import Windows
from gcvideo.predicting.saved_model import SavedModel, load_model
from gcvideo.predicting.scoring import Scoring
from gcvideo.predicting.segments import merged
from gcvideo.predicting.stopping import StopRequest
from gcvideo.predicting.video_files import find_videos
from gcvideo.predicting.views import parse_views
from gcvideo.predicting.written import MadeFiles, check_out, write_outcomes

_MOST_WORKERS = 4


@dataclass(frozen=True)
class Work:
    """What is to be done, checked.

    Attributes:
        saved: the network.
        paths: the files.
        scoring: how they are scored.
        fabric: on which devices.
        top: classes that are named.
        windows: parts of each video that are predicted; None for the whole.
        out: a CSV or JSON.
        annotated: for each file the video with its labels; empty where none is wanted.
        timelines: for each file the picture of its windows; empty where none is wanted.
    """

    saved: SavedModel
    paths: list[Path]
    scoring: Scoring
    fabric: Fabric
    top: int
    windows: Windows | None
    out: Path | None
    annotated: dict[str, Path]
    timelines: dict[str, Path]


def prepare(options: argparse.Namespace) -> Work:
    """Checks everything before the first video is opened.

    Raises:
        InputError: naming what cannot be.
    """
    check_top(options.top)
    out = Path(options.out).expanduser() if options.out else None
    if out is not None:
        check_out(out)
    windows = None
    if options.window is not None:
        stride = options.window / 2 if options.stride is None else options.stride
        windows = Windows(options.window, stride)
    paths = find_videos(options.video)
    annotated = _outputs(options.annotate, "--annotate", paths, ".mp4")
    timelines = _outputs(options.timeline, "--timeline", paths, ".png")
    saved = load_model(options.ckpt_path)
    views = parse_views(options.views, saved.preprocessing)
    fabric = make_fabric(options.accelerator, options.devices, options.precision or saved.precision)
    workers = _workers(len(paths), options.devices) if options.num_workers is None else options.num_workers
    what = "videos" if windows is None else "windows"
    scoring = Scoring(views, options.batch_size, workers, saved.reading, shows_progress=True, what=what)
    return Work(saved, paths, scoring, fabric, options.top, windows, out, annotated, timelines)


def work(prepared: Work) -> tuple[Outcomes, int]:
    """Predicts; also the number of the signal that ended it, 0 for none."""
    stop = StopRequest()
    outcomes = predict_files(
        prepared.saved,
        prepared.paths,
        prepared.scoring,
        prepared.fabric,
        top=prepared.top,
        windows=prepared.windows,
        stop=stop,
    )
    return outcomes, stop.number


def report(prepared: Work, outcomes: Outcomes) -> bool:
    """Prints and writes; the file first, which is what is missed most if something else fails.

    Returns:
        Whether anything failed.

    Raises:
        InputError: if the file cannot be written; all else is printed and written by then.
    """
    problem = _write(prepared, outcomes, MadeFiles())
    is_windowed = prepared.windows is not None
    shown = merged(outcomes.done, prepared.saved.classes) if is_windowed else outcomes.done  # or too many lines
    print_table(shown, is_windowed=is_windowed)
    failed: list[Unpredicted] = list(outcomes.failed)
    if outcomes.is_whole and (prepared.annotated or prepared.timelines):
        made, unmade = make_files(
            outcomes.done, prepared.saved.classes, annotated=prepared.annotated, timelines=prepared.timelines
        )
        failed += unmade
        problem = _write(prepared, outcomes, made)  # once more, with their names
        _print_written([path.parent for paths in (made.annotated, made.timelines) for path in [*paths.values()][:1]])
    _print_written([prepared.out] if prepared.out is not None and problem is None else [])
    has_failed = print_failures(failed, len(prepared.paths), is_windowed=is_windowed)
    if problem is not None:
        raise problem
    return has_failed


def _write(prepared: Work, outcomes: Outcomes, made: MadeFiles) -> InputError | None:
    """Why it cannot be."""
    if prepared.out is None:
        return None
    try:
        write_outcomes(prepared.out, outcomes.all, _about(prepared), top=prepared.top, made=made)
    except InputError as error:
        return error
    return None


def _print_written(paths: list[Path]) -> None:
    for path in paths:
        print(plain(f"wrote {path}"))


def _outputs(folder: str | None, option: str, paths: list[Path], ending: str) -> dict[str, Path]:
    if folder is None:
        return {}
    out = Path(folder).expanduser()
    check_folder(out, option)
    return output_paths(paths, out, ending, option)


def _workers(num_files: int, devices: int) -> int:
    """As many as help: a single file is read here."""
    share = (os.cpu_count() or 1) // max(1, devices)
    return 0 if num_files <= 2 else max(0, min(_MOST_WORKERS, share, num_files))


def _about(prepared: Work) -> dict[str, Any]:
    return {
        "checkpoint": str(prepared.saved.path),
        "views": prepared.saved.preprocessing.describe(prepared.scoring.views),
        "classes": list(prepared.saved.classes),
    }
