"""A test of which some views are missing says so; one that is cut short by an option does not."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer

from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.manifest import read_manifest, write_manifest
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.records import Evaluation
from gcvideo.training.task import ActionRecognition
from tests.conftest import read_class_folders, write_class_folders


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of 12 frames to test on; of the second it says that there are 40."""
    root = write_class_folders(tmp_path_factory.mktemp("cut"), {"train/a": 1, "train/b": 1, "test/a": 1, "test/b": 1})
    path = root / "manifest.csv"
    index_videos(read_class_folders(root), path, num_workers=1)
    found = read_manifest(path)
    records = [replace(r, num_frames=40) if r.split == "test" and r.label == 1 else r for r in found.records]
    write_manifest(replace(found, records=tuple(records)), path)
    return path


def _test(manifest: Path, **options: Any) -> tuple[Evaluation, dict[str, Any]]:
    data = VideoFolder(
        manifest=str(manifest), num_frames=2, frame_stride=1, crop_px=32, num_test_clips=4, num_test_crops=2,
        batch_size=2, num_workers=0,
    )  # fmt: skip
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", **quiet, **options)  # type: ignore[arg-type]
    task = ActionRecognition(SlowOnly(width=8), 2)
    trainer.test(task, datamodule=data, verbose=False)
    assert task.evaluation is not None
    return task.evaluation, dict(trainer.callback_metrics)


def test_video_with_lost_clips_is_scored_named_and_counted(manifest: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gcvideo"):
        evaluation, numbers = _test(manifest)
    assert (len(evaluation.labels), evaluation.num_views, evaluation.failures) == (2, 10, ())
    (line,) = evaluation.incomplete
    assert "ends before frame" in line
    assert line.endswith("(2 of 8 views are scored)")
    assert numbers["test/incomplete"] == 1
    assert [record.message for record in caplog.records if "not scored in all views" in record.message] == [
        f"1 video(s) are not scored in all views: {line}"
    ]


def test_views_that_were_not_asked_for_are_not_missed(manifest: Path) -> None:
    evaluation, numbers = _test(manifest, limit_test_batches=3)
    assert (evaluation.num_views, evaluation.incomplete) == (6, ())
    assert "test/incomplete" not in numbers
