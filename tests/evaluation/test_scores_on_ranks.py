"""Real processes, gloo, real videos: two and three ranks give what one does, in the same order."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from lightning import Trainer, seed_everything
from torch.multiprocessing.spawn import spawn

from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import index_videos
from gcvideo.evaluation.scores import VideoScores
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.records import Evaluation
from gcvideo.training.task import ActionRecognition
from tests.conftest import read_class_folders, write_class_folders
from tests.evaluation.test_view_averages import _clip

VIDEOS = 5  # of the test: not divisible by the number of ranks; one of them is gone


class _Measured(NamedTuple):
    val: Evaluation
    test: Evaluation


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexed; val has one video, fewer than ranks."""
    root = write_class_folders(
        tmp_path_factory.mktemp("ranks"), {"train/a": 1, "train/b": 1, "val/b": 1, "test/a": 2, "test/b": VIDEOS - 2}
    )
    index_videos(read_class_folders(root), root / "manifest.csv", num_workers=1)
    (root / "test" / "b" / "v_g01_c01.mp4").unlink()
    return root


@pytest.fixture(scope="module")
def alone(videos: Path) -> _Measured:
    return _measure(videos, 1)


def _data(root: Path) -> VideoFolder:
    return VideoFolder(
        manifest=str(root / "manifest.csv"), num_frames=4, frame_stride=2, crop_px=32,
        num_test_clips=3, num_test_crops=2, batch_size=4, num_workers=0,
    )  # fmt: skip


def _measure(root: Path, devices: int) -> _Measured:
    seed_everything(0)
    task = ActionRecognition(SlowOnly(width=8), 2)
    options: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "use_distributed_sampler": False}
    trainer = Trainer(accelerator="cpu", devices=devices, enable_model_summary=False, **options)
    data = _data(root)
    measured = []
    for measure in (trainer.validate, trainer.test):
        measure(task, datamodule=data, verbose=False)
        assert task.evaluation is not None
        measured.append(task.evaluation)
    return _Measured(*measured)


def _work(rank: int, world_size: int, root: str, folder: str, port: int) -> None:
    """As torchrun starts a process."""
    torch.set_num_threads(1)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": 0}
    os.environ.update({name: str(value) for name, value in {**places, **meeting}.items()})
    torch.save(tuple(map(vars, _measure(Path(root), world_size))), f"{folder}/{rank}.pt")
    torch.save(_message_of_a_view_scored_twice(), f"{folder}/message{rank}.pt")
    dist.destroy_process_group()


def _message_of_a_view_scored_twice() -> str:
    scores = VideoScores()
    scores.update(_clip(3, 0, [0, 1]), torch.zeros(2, 2))
    try:
        scores.compute()
    except ValueError as error:
        return str(error)
    return ""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("world_size", [pytest.param(2, marks=pytest.mark.sampled), 3])
def test_ranks_give_the_scores_of_one(videos: Path, alone: _Measured, tmp_path: Path, world_size: int) -> None:
    spawn(_work, (world_size, str(videos), str(tmp_path), _free_port()), nprocs=world_size)  # type: ignore[no-untyped-call]
    for rank in range(world_size):
        for values, expected in zip(torch.load(tmp_path / f"{rank}.pt"), alone, strict=True):
            _assert_same(Evaluation(**values), expected)
        assert "two processes have scored the same view of video 3" in torch.load(tmp_path / f"message{rank}.pt")


def _assert_same(found: Evaluation, expected: Evaluation) -> None:
    assert found.video_indices.tolist() == expected.video_indices.tolist()
    assert found.labels.tolist() == expected.labels.tolist()
    assert (found.probabilities - expected.probabilities).abs().max() <= 1e-6
    assert (found.num_views, found.clip_top1, found.clip_top5) == (expected.num_views, expected.clip_top1, 1.0)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert (found.failures, found.incomplete) == (expected.failures, expected.incomplete)


def test_what_one_process_measures_is_what_there_is(alone: _Measured) -> None:
    assert (alone.val.video_indices.tolist(), alone.val.num_views, alone.val.failures) == ([0], 1, ())
    assert (alone.test.video_indices.tolist(), alone.test.num_views) == ([0, 1, 2, 4], 24)
    assert len(alone.test.failures) == 1
    assert "v_g01_c01.mp4: no such file" in alone.test.failures[0]
    assert alone.val.incomplete == alone.test.incomplete == ()
    assert alone.test.probabilities[0, 0] != alone.test.probabilities[1, 0]
