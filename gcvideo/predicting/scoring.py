"""Videos through the network, on one device or several processes; by the loader and the scores of validation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

from gcvideo.data.decoding.reading import Reading
from gcvideo.data.evaluation_loader import evaluation_loader
from gcvideo.data.preprocessing import Views
from gcvideo.evaluation.scores import VideoScores
from gcvideo.predicting.arrived import Arrived
from gcvideo.predicting.ranks import work_on_ranks
from gcvideo.predicting.remarks import without_remarks
from gcvideo.predicting.saved_model import SavedModel
from gcvideo.predicting.stopping import StopRequest
from gcvideo.predicting.videos_bar import VideosBar
from gcvideo.records import VideoRecord


@dataclass(frozen=True)
class Scoring:
    """How videos are scored.

    Attributes:
        views: what of each is looked at.
        batch_size: views that the network gets at a time, on each device.
        num_workers: processes that decode, for each device; 0 decodes in the one that asks.
        reading: which decoders.
        shows_progress: whether a bar is shown.
        what: is scored, as the bar calls it.
    """

    views: Views
    batch_size: int = 8
    num_workers: int = 0
    reading: Reading = Reading()  # noqa: RUF009 (frozen)
    shows_progress: bool = False
    what: str = "videos"


@dataclass
class Scores:
    """What came of it.

    Attributes:
        probabilities: by the position of the video, (K,) each; of those of which every view was scored.
        failures: by the position of the video, why it, or some of its clips, could not be read.
        is_whole: False where an end was asked for before all was done.
    """

    probabilities: dict[int, Tensor] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    is_whole: bool = True


def score_videos(
    saved: SavedModel, records: list[VideoRecord], scoring: Scoring, fabric: Fabric, stop: StopRequest | None = None
) -> Scores:
    """Scores every video once, on all processes of ``fabric`` together.

    Args:
        saved: the network.
        records: the videos, as the index made them.
        scoring: how.
        fabric: the devices and the precision.
        stop: asks for an end, in its own ``heard``; what is done by then is given.

    Raises:
        InputError: if the network's scores are no numbers.
    """
    if not records:
        return Scores()
    stop = stop or StopRequest()
    if stop.event.is_set():  # before any process is started
        return Scores(is_whole=False)
    if fabric.world_size == 1:
        return _score(fabric, saved, records, scoring, stop.event)
    return Scores(**work_on_ranks(fabric, _score_on_rank, (saved, records, scoring), stop.event))


def _score_on_rank(
    fabric: Fabric, saved: SavedModel, records: list[VideoRecord], scoring: Scoring, stop: Any
) -> dict[str, Any]:
    return vars(_score(fabric, saved, records, scoring, stop))


def _score(fabric: Fabric, saved: SavedModel, records: list[VideoRecord], scoring: Scoring, stop: Any) -> Scores:
    loader = evaluation_loader(
        records,
        saved.preprocessing,
        scoring.views,
        batch_size=scoring.batch_size,
        num_workers=scoring.num_workers,
        reading=scoring.reading,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    network = fabric.to_device(saved.network)
    seen, scores, is_whole = Arrived(), VideoScores(saved.view_average), True
    with ExitStack() as stack:
        stack.enter_context(without_remarks())
        stack.enter_context(torch.inference_mode())
        step = stack.enter_context(_progress(len(records), scoring, fabric))
        for batch in loader:
            if _is_wanted(stop, fabric):
                is_whole = False
                break
            with fabric.autocast():
                logits = network(batch.clips.flatten(0, 1).to(fabric.device))
            scores.update(batch, logits)
            step(seen.add(batch) * fabric.world_size)
    return _scores(scores, seen.of_all_ranks(fabric), scoring.views.count, is_whole=is_whole)


def _scores(scores: VideoScores, seen: Arrived, num_views: int, *, is_whole: bool) -> Scores:
    """Only videos of which all views came; an end that was asked for may have come between those of one."""
    if not seen.readable:
        return Scores({}, seen.failures, is_whole)
    evaluation = scores.compute()
    rows = zip(evaluation.video_indices.tolist(), evaluation.probabilities, strict=True)
    done = {video: row.clone() for video, row in rows if seen.views[video] >= num_views}
    return Scores(done, seen.failures, is_whole)


def _is_wanted(stop: Any, fabric: Fabric) -> bool:
    """Whether one of the processes was asked to end: all do, or the others would wait for it."""
    wanted = bool(stop.is_set())
    if fabric.world_size == 1:
        return wanted
    votes = fabric.all_reduce(torch.tensor(float(wanted), device=fabric.device), reduce_op="sum")
    return bool(cast(Tensor, votes) > 0)


def _progress(total: int, scoring: Scoring, fabric: Fabric) -> AbstractContextManager[Callable[[int], None]]:
    if not (scoring.shows_progress and fabric.is_global_zero):
        return nullcontext(lambda count: None)
    return VideosBar(total, scoring.what)
