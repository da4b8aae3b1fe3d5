"""What ``gcvideo predict`` makes of videos that are predicted: them with their labels, pictures of their windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gcvideo.data.progress import counted_progress
from gcvideo.errors import InputError
from gcvideo.predicting.annotated import annotate_video
from gcvideo.predicting.prediction import Prediction, Unpredicted
from gcvideo.predicting.timeline import draw_timeline, write_segments
from gcvideo.predicting.written import MadeFiles


def make_files(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    *,
    annotated: Mapping[str, Path],
    timelines: Mapping[str, Path],
) -> tuple[MadeFiles, list[Unpredicted]]:
    """Makes all that can be made.

    Args:
        predictions: of videos or their windows, those of a video by their time.
        classes: K names.
        annotated: for each video an mp4; empty where none is wanted.
        timelines: for each video a PNG, beside which a CSV goes; empty where none is wanted.

    Returns:
        What was made, and of which videos something was not.
    """
    by_path: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        by_path.setdefault(prediction.path, []).append(prediction)
    undrawn = _annotate(by_path, annotated) if annotated else {}
    unshown = {path: _draw(timelines[path], found, classes) for path, found in by_path.items()} if timelines else {}
    made = MadeFiles(_whole(annotated, undrawn), _whole(timelines, unshown))
    failed = [Unpredicted(path, f"is predicted, and cannot be drawn on: {why}") for path, why in undrawn.items() if why]
    failed += [Unpredicted(path, f"is predicted, but its timeline {why}") for path, why in unshown.items() if why]
    return made, failed


def _whole(files: Mapping[str, Path], reasons: Mapping[str, str]) -> dict[str, Path]:
    return {path: files[path] for path, reason in reasons.items() if not reason}


def _annotate(by_path: Mapping[str, list[Prediction]], annotated: Mapping[str, Path]) -> dict[str, str]:
    """For each video why it could not be made; empty where it was."""
    reasons: dict[str, str] = {}
    with counted_progress("drawing on videos") as (on_start, on_video):
        on_start(len(by_path))
        for path, predictions in by_path.items():
            reasons[path] = annotate_video(Path(path), annotated[path], predictions)
            on_video()
    return reasons


def _draw(picture: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> str:
    try:
        draw_timeline(picture, predictions, classes)
        write_segments(picture.with_suffix(".csv"), predictions, classes)
    except InputError as error:
        return str(error)
    return ""
