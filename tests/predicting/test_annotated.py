from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gcvideo.data.decoding.decode import forward
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.data.encode import write_video
from gcvideo.predicting.annotated import annotate_video
from gcvideo.predicting.drawing import labels_overlay, lay_over
from gcvideo.predicting.prediction import Prediction
from tests.conftest import write_variable_rate

WHOLE = Prediction("x", ("run", "jump"), (0.9, 0.1), (0.1, 0.9), "", 0.0, 2.0)


def _grey(path: Path, height: int, width: int, frames: int = 6) -> Path:
    write_video(path, np.full((frames, height, width, 3), 120, dtype=np.uint8), fps=25)
    return path


def _shown(path: Path) -> list[tuple[float, np.ndarray]]:
    to_rgb = RgbFilter()
    frames = list(forward(path))
    return [(float(frame.time or 0) - float(frames[0].time or 0), to_rgb(frame)) for frame in frames]


def test_labels_are_drawn_on_every_frame_at_its_own_time(tmp_path: Path) -> None:
    video = write_variable_rate(tmp_path / "vfr.mp4", [20, 500, 20, 60, 20])
    assert annotate_video(video, tmp_path / "out" / "vfr.mp4", [WHOLE]) == ""
    before, after = _shown(video), _shown(tmp_path / "out" / "vfr.mp4")
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=1e-3)
    for (_, plain), (_, drawn) in zip(before, after, strict=True):
        larger = plain.repeat(5, 0).repeat(5, 1)  # 64 x 48 is too small for letters
        assert drawn.shape == larger.shape
        changed = np.abs(drawn.astype(int) - larger).max(axis=2) > 20
        assert changed[:120].mean() > 0.02
        assert changed[130:].mean() < 0.002
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vfr.mp4"]


def test_labels_change_from_window_to_window(tmp_path: Path) -> None:
    video = _grey(tmp_path / "v.mp4", 240, 320, frames=50)
    windows = [
        Prediction("x", ("run",), (1.0,), (0.0, 1.0), "", 0.0, 1.0),
        Prediction("x", ("a far longer name",), (1.0,), (1.0, 0.0), "", 1.0, 2.0),
    ]
    assert annotate_video(video, tmp_path / "out.mp4", windows) == ""
    pictures = [picture for _, picture in _shown(tmp_path / "out.mp4")]
    covered = [
        int((np.abs(picture.astype(int) - 120).max(axis=(0, 2)) > 20).nonzero()[0].max()) for picture in pictures
    ]
    assert max(covered[:24]) + 50 < min(covered[26:])


@pytest.mark.parametrize(("height", "width"), [(30, 40), (128, 170), (480, 64), (2160, 3840)])
def test_letters_are_large_enough_and_leave_the_picture_to_be_seen(height: int, width: int) -> None:
    factor = 8 if height == 30 else 1  # as it is drawn on
    height, width = height * factor, width * factor
    labels, probabilities = ["run"] * 5, [0.2] * 5
    overlay = labels_overlay((width, height), labels, probabilities)
    assert overlay.shape[0] >= 13
    assert overlay.shape[0] >= height / 40
    assert overlay.shape[0] <= 0.5 * height + 10
    assert overlay.shape[1] <= width
    picture = np.full((height, width, 3), 120, dtype=np.uint8)
    drawn = lay_over(picture, overlay)
    assert drawn.max() > 230
    assert (drawn[overlay.shape[0] :] == 120).all()


def test_long_or_foreign_name_is_cut_and_drawn() -> None:
    assert labels_overlay((160, 120), ["Ä" * 300, "跳\nb"], [0.5, 0.5]).shape[1] <= 160


def test_video_of_odd_size_and_one_frame_is_written(tmp_path: Path) -> None:
    video = _grey(tmp_path / "one.mp4", 130, 170, frames=1)
    assert annotate_video(video, tmp_path / "out.mp4", [WHOLE]) == ""
    ((_, picture),) = _shown(tmp_path / "out.mp4")
    assert picture.shape == (130, 170, 3)


def test_what_cannot_be_drawn_is_a_reason_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"<html>")
    (tmp_path / "file").touch()
    assert "Invalid data" in annotate_video(tmp_path / "bad.mp4", tmp_path / "out.mp4", [WHOLE])
    assert annotate_video(_grey(tmp_path / "v.mp4", 64, 64), tmp_path / "file" / "out.mp4", [WHOLE])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mp4", "file", "v.mp4"]
