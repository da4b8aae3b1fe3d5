"""What the index sees in a file beyond the number of its frames; that its verdict is right: tests/data/zoo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gcvideo.data.annotations import Entry
from gcvideo.data.decoding.decode import DecodeError, is_installed, read_frames
from gcvideo.data.encode import write_video
from gcvideo.data.indexing.header import read_header
from gcvideo.data.indexing.probe import probe_pictures, probe_video
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.records import VideoRecord
from tests.conftest import numbered_frames
from tests.data.zoo.corpus import ffmpeg


def _x264(path: Path, num_frames: int, *, open_gop: int) -> Path:
    groups = f"keyint=10:min-keyint=10:scenecut=0:open-gop={open_gop}:bframes=3:b-adapt=0"
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25", "-frames:v", str(num_frames)]
    coding = ["-c:v", "libx264", "-x264-params", groups, "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg(), "-v", "error", "-y", *source, *coding, str(path)], check=True)
    return path


@pytest.mark.skipif(not is_installed("decord"), reason="is about decord")
def test_decord_does_not_seek_in_a_file_whose_open_groups_come_late(tmp_path: Path) -> None:
    """300 frames in closed groups, then 100 in open ones: the pictures that are compared need not lie there."""
    _x264(tmp_path / "closed.mp4", 300, open_gop=0)
    _x264(tmp_path / "open.mp4", 100, open_gop=1)
    (tmp_path / "list.txt").write_text("file closed.mp4\nfile open.mp4\n")
    mixed = tmp_path / "mixed.mp4"
    copy = ["-f", "concat", "-i", str(tmp_path / "list.txt"), "-c", "copy", str(mixed)]
    subprocess.run([ffmpeg(), "-v", "error", *copy], check=True)
    assert not read_header(tmp_path / "closed.mp4").is_open
    assert read_header(mixed).is_open
    assert "decord:seek" not in probe_video(mixed).readers.split()
    assert "decord:seek" in probe_video(tmp_path / "closed.mp4").readers.split()


def test_video_that_freezes_after_its_first_frame_is_flagged(tmp_path: Path) -> None:
    frames = numbered_frames(20)
    frames[1:] = frames[1]
    write_video(tmp_path / "frozen.mp4", frames, fps=25)
    assert probe_video(tmp_path / "frozen.mp4").damage == "one picture repeated 19 times"
    frames[10:] = frames[0]
    write_video(tmp_path / "rest.mp4", frames, fps=25)
    assert probe_video(tmp_path / "rest.mp4").damage == ""


@pytest.mark.parametrize(("frames", "gop", "first"), [(40, 1, "pyav:seek"), (40, 40, "decord:seek")])
def test_pyav_goes_first_where_groups_are_short(tmp_path: Path, frames: int, gop: int, first: str) -> None:
    if not is_installed("decord"):
        pytest.skip("is about decord")
    write_video(tmp_path / "a.mp4", numbered_frames(frames), fps=25, gop=gop)
    assert probe_video(tmp_path / "a.mp4").readers.split()[0] == first


def _pictures(folder: Path, numbers: list[int], mode: str = "RGB") -> Path:
    folder.mkdir()
    for number in numbers:
        Image.new(mode, (20, 10), number).save(folder / f"{number:05d}.png")
    return folder


def test_numbers_that_are_missing_between_pictures_are_marked(tmp_path: Path) -> None:
    assert probe_pictures(_pictures(tmp_path / "all", [1, 2, 3, 4]), 10).damage == ""
    assert probe_pictures(_pictures(tmp_path / "every_second", [0, 2, 4, 6]), 10).damage == ""
    assert probe_pictures(_pictures(tmp_path / "gap", [1, 2, 6, 7]), 10).damage == (
        "3 numbers between its pictures are missing"
    )


def test_pictures_of_16_bits_keep_their_upper_8_and_of_32_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    ramp = np.arange(0, 65536, 256, dtype=np.uint16)[None]
    Image.fromarray(ramp).save(folder / "0.png")
    assert read_frames(folder, np.array([0]), "pictures:seek")[0, 0, :, 1].tolist() == list(range(256))
    Image.fromarray(ramp.astype(np.float32)).save(folder / "0.tif")
    (folder / "0.png").unlink()
    with pytest.raises(DecodeError, match=r"0.tif: 32 bits a pixel, whose range is not known"):
        read_frames(folder, np.array([0]), "pictures:seek")


def test_pictures_that_change_their_names_are_a_change(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "clip", [0, 1])
    for path in folder.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    os.utime(folder, ns=(10**18, 10**18))
    before = file_state(folder)
    (folder / "00001.png").rename(folder / "00002.png")
    assert file_state(folder) != before


def test_part_takes_the_frames_that_begin_in_it(numbered_video: Path) -> None:
    """40 frames at 25 a second; a part behind the end has none."""
    probe, state = probe_video(numbered_video), file_state(numbered_video)

    def part(start: float, end: float | None) -> VideoRecord | str:
        return record_of(Entry(numbered_video, 0, "train", start, end), probe, state)

    found = [part(0.4, 0.8), part(0.41, 0.8), part(1.2, None), part(1.2, 99)]
    assert [(r.first_frame, r.num_frames) for r in found if isinstance(r, VideoRecord)] == [
        (10, 10),
        (11, 9),
        (30, 10),
        (30, 10),
    ]
    assert part(1.6, 2) == "starts at 1.6 s, but the video ends at 1.6 s"
    assert part(0.01, 0.02) == "no frame between 0.01 and 0.02 s"
