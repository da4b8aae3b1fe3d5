"""From named files to predictions, in the order in which they were named; none is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.fabric import Fabric

from gcvideo.data.progress import counted_progress
from gcvideo.predicting.prediction import Outcome, Prediction, Unpredicted, named
from gcvideo.predicting.probed import NOT_REACHED, Windows, probe_files
from gcvideo.predicting.saved_model import SavedModel
from gcvideo.predicting.scoring import Scores, Scoring, score_videos
from gcvideo.predicting.stopping import StopRequest
from gcvideo.records import VideoRecord


@dataclass(frozen=True)
class Outcomes:
    """What became of each file, or of each part of it.

    Attributes:
        all: in the order of the files, parts by their time.
        is_whole: False where an end was asked for before all was done.
    """

    all: tuple[Outcome, ...]
    is_whole: bool = True

    @property
    def done(self) -> list[Prediction]:
        """What could be predicted."""
        return [outcome for outcome in self.all if isinstance(outcome, Prediction)]

    @property
    def failed(self) -> list[Unpredicted]:
        """What could not."""
        return [outcome for outcome in self.all if isinstance(outcome, Unpredicted)]


def predict_files(
    saved: SavedModel,
    paths: Sequence[Path],
    scoring: Scoring,
    fabric: Fabric,
    *,
    top: int = 5,
    windows: Windows | None = None,
    stop: StopRequest | None = None,
) -> Outcomes:
    """Looks at every file, then predicts those that can be read.

    Args:
        saved: the network.
        paths: of videos.
        scoring: how.
        fabric: on which devices.
        top: how many of the best classes are named.
        windows: predicts parts of each video, not the whole.
        stop: asks for an end.

    Raises:
        InputError: if the network's scores are no numbers.
    """
    stop = stop or StopRequest()
    with stop.heard():
        probed = _probed(paths, windows, stop, shows_progress=scoring.shows_progress)
        records = [record for record in probed if isinstance(record, VideoRecord)]
        scores = score_videos(saved, records, scoring, fabric, stop)
    scored = iter([_outcome(number, record, scores, saved, top) for number, record in enumerate(records)])
    outcomes = tuple(next(scored) if isinstance(record, VideoRecord) else record for record in probed)
    return Outcomes(outcomes, scores.is_whole and not stop.event.is_set())


def _probed(
    paths: Sequence[Path], windows: Windows | None, stop: StopRequest, *, shows_progress: bool
) -> list[VideoRecord | Unpredicted]:
    if not shows_progress:
        return probe_files(paths, windows, is_over=stop.event.is_set)
    with counted_progress("looking at files") as (on_start, on_video):
        on_start(len(paths))
        return probe_files(paths, windows, on_video=on_video, is_over=stop.event.is_set)


def _outcome(number: int, record: VideoRecord, scores: Scores, saved: SavedModel, top: int) -> Outcome:
    failure = _without_path(scores.failures.get(number, ""), record.path)
    if number not in scores.probabilities:
        return Unpredicted(record.path, failure or NOT_REACHED, record.start, record.end)
    return named(
        scores.probabilities[number],
        saved.classes,
        top,
        path=record.path,
        damage="; ".join(filter(None, (record.damage, failure))),
        start=record.start,
        end=record.end,
    )


def _without_path(failure: str, path: str) -> str:
    return failure.removeprefix(f"{path}: ")
