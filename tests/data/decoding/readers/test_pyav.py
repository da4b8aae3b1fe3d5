from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from gcvideo.data.decoding import decode
from gcvideo.data.decoding.decode import frames_of
from gcvideo.data.decoding.readers import pyav
from gcvideo.data.encode import write_video

NUM_FRAMES = 120


@pytest.fixture(params=[1, 4, 32, 250])
def film(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """A moving texture, with B-frames where the groups are long enough, and its GOP."""
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    frames = np.stack([picture[k : k + 48, k : k + 64] for k in range(NUM_FRAMES)])
    write_video(tmp_path / "film.mp4", frames, fps=25, gop=request.param)
    return tmp_path / "film.mp4", request.param


def test_random_access_gives_the_pixels_of_a_full_decode(film: tuple[Path, int]) -> None:
    whole = pyav.read(str(film[0]), np.arange(NUM_FRAMES), "forward")
    generator = np.random.default_rng(1)
    for stride in (1, 2, 3, 8, 11, 40):
        for start in generator.integers(0, NUM_FRAMES - 2 * stride, 5).tolist():
            wanted = np.arange(start, NUM_FRAMES, stride)[:8]
            assert np.array_equal(pyav.read(str(film[0]), wanted, "seek"), whole[wanted]), wanted


def test_frames_between_key_frames_on_the_way_are_not_decoded(
    film: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, gop = film
    decoded: list[av.VideoFrame] = []

    def counted(packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        decoded.extend(found := frames_of(packet))
        return found

    monkeypatch.setattr(decode, "frames_of", counted)
    pyav.read(str(path), np.arange(32, 96, 8), "seek")
    assert len(decoded) <= {1: 8, 4: 8, 32: 2 * 25, 250: 89}[gop]


def test_time_stamps_rise_though_packets_are_stored_in_another_order(film: tuple[Path, int]) -> None:
    stamps = pyav.time_stamps(str(film[0]))
    assert len(stamps) == NUM_FRAMES
    assert (np.diff(stamps) == stamps[1]).all()
