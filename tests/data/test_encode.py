from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from gcvideo.data.encode import write_video
from tests.conftest import numbered_frames


def test_written_file_says_what_it_is(tmp_path: Path) -> None:
    write_video(tmp_path / "x.mp4", numbered_frames(7), fps=24, gop=3)
    with av.open(str(tmp_path / "x.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert float(stream.average_rate or 0) == 24
        assert stream.frames == 7
        assert sum(packet.is_keyframe for packet in container.demux(stream) if packet.size) == 3


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), r"expected uint8 \(T, H, W, 3\), got float32"),
        (np.zeros((2, 8, 8), np.uint8), r"got uint8 \(2, 8, 8\)"),
        (np.zeros((2, 7, 8, 3), np.uint8), "even height and width, got 7x8"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, frames: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "x.mp4", frames, fps=25)
