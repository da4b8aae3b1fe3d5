"""The work of ``gcvideo predict``: checks before it begins, predictions, what is printed and written of them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from gcvideo.commands._predicting_printed import print_failures, print_table
from gcvideo.data.progress import counted_progress
from gcvideo.errors import plain
from gcvideo.predicting.annotated import annotate_video
from gcvideo.predicting.devices import make_fabric
from gcvideo.predicting.output_names import check_folder, output_paths
from gcvideo.predicting.predict import Outcomes, predict_files
from gcvideo.predicting.prediction import Prediction, Unpredicted, check_top
from gcvideo.predicting.probed import Windows
from gcvideo.predicting.saved_model import SavedModel, load_model
from gcvideo.predicting.scoring import Scoring
from gcvideo.predicting.segments import merged
from gcvideo.predicting.stopping import StopRequest
from gcvideo.predicting.timeline import draw_timeline, write_segments
from gcvideo.predicting.video_files import find_videos
from gcvideo.predicting.views import parse_views
from gcvideo.predicting.written import check_out, write_outcomes

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
    scoring = Scoring(views, options.batch_size, workers, shows_progress=True, what=what)
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
    """
    if prepared.out is not None:
        write_outcomes(prepared.out, outcomes.all, _about(prepared), top=prepared.top)
    is_windowed = prepared.windows is not None
    shown = merged(outcomes.done, prepared.saved.classes) if is_windowed else outcomes.done  # or too many lines
    print_table(shown, is_windowed=is_windowed)
    written = [prepared.out] if prepared.out is not None else []
    failed: list[Unpredicted] = list(outcomes.failed)
    if outcomes.is_whole:
        failed += _annotate(prepared, outcomes)
        _draw(prepared, outcomes)
        written += [path.parent for paths in (prepared.annotated, prepared.timelines) for path in [*paths.values()][:1]]
    for path in written:
        print(plain(f"wrote {path}"))
    return print_failures(failed, len(prepared.paths), is_windowed=is_windowed)


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


def _annotate(prepared: Work, outcomes: Outcomes) -> list[Unpredicted]:
    """Videos that could be predicted, but not be drawn on."""
    failed: list[Unpredicted] = []
    if not prepared.annotated:
        return failed
    with counted_progress("drawing on videos") as (on_start, on_video):
        by_path = _by_path(outcomes.done)
        on_start(len(by_path))
        for path, predictions in by_path.items():
            reason = annotate_video(Path(path), prepared.annotated[path], predictions)
            failed += [Unpredicted(path, f"is predicted, and cannot be drawn on: {reason}")] if reason else []
            on_video()
    return failed


def _draw(prepared: Work, outcomes: Outcomes) -> None:
    for path, predictions in _by_path(outcomes.done).items() if prepared.timelines else ():
        picture = prepared.timelines[path]
        draw_timeline(picture, predictions, prepared.saved.classes)
        write_segments(picture.with_suffix(".csv"), predictions, prepared.saved.classes)


def _by_path(predictions: list[Prediction]) -> dict[str, list[Prediction]]:
    found: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        found.setdefault(prediction.path, []).append(prediction)
    return found
