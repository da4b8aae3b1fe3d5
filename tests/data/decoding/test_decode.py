from __future__ import annotations

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest

from gcvideo.data.decoding.decode import DecodeError, is_installed, read_frames
from gcvideo.data.indexing.probe import probe_video
from tests.conftest import frame_numbers

readers = pytest.mark.parametrize(
    "reader",
    [
        reader
        for reader in ("decord:seek", "decord:forward", "pyav:seek", "pyav:forward", "torchcodec:seek")
        if is_installed(reader.split(":")[0])
    ],
)


@readers
def test_readers_give_the_frames_asked_for(numbered_video: Path, reader: str) -> None:
    indices = np.array([[39, 0, 17], [17, 3, 38]])
    frames = read_frames(numbered_video, indices, reader)
    assert frames.shape == (2, 3, 48, 64, 3)
    assert frame_numbers(frames) == indices.reshape(-1).tolist()


@readers
def test_reading_past_the_end_names_the_file(numbered_video: Path, reader: str) -> None:
    with pytest.raises(DecodeError, match=re.escape(str(numbered_video))):
        read_frames(numbered_video, np.array([40]), reader)


@readers
def test_a_page_under_a_video_name_names_the_file(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "page.mp4"
    path.write_text("<html>not found</html>")
    with pytest.raises(DecodeError, match=re.escape(str(path))):
        read_frames(path, np.array([0]), reader)


def test_probe_counts_the_frames_and_trusts_decord_with_a_plain_file(numbered_video: Path) -> None:
    probe = probe_video(numbered_video)
    assert (len(probe.times), probe.fps, probe.width, probe.height, probe.codec) == (40, 25.0, 64, 48, "h264")
    assert (probe.duration, probe.is_vfr, probe.damage) == (1.6, False, "")
    right = [f"{name}:seek" for name in ("decord", "torchcodec", "pyav") if is_installed(name)]
    assert probe.readers.split() == right


def test_probe_says_why_a_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "page.mp4"
    path.write_text("<html>not found</html>")
    with pytest.raises(DecodeError, match="Invalid data found"):
        probe_video(path)


def _rows(readme: Path) -> dict[str, int]:
    """File name and frame count of each row of the zoo's table."""
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|){3} (\d+) \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(count) for name, count in rows}


@pytest.mark.long
def test_zoo_is_counted_as_ffmpeg_counts_it(shared_data: Path) -> None:
    expected = _rows(shared_data / "zoo" / "README.md")
    assert len(expected) == 49  # 43 playable, 6 damaged ones with frames
    found = {name: len(probe_video(shared_data / "zoo" / name).times) for name in expected}
    assert found == expected


def test_zoo_files_without_a_frame_are_refused(shared_data: Path) -> None:
    names = {path.name for path in (shared_data / "zoo").iterdir() if path.suffix != ".md"}
    hopeless = names - set(_rows(shared_data / "zoo" / "README.md"))
    assert len(hopeless) == 4
    for name in hopeless:
        with pytest.raises(DecodeError):
            probe_video(shared_data / "zoo" / name)


def test_rotated_phone_video_is_upright(shared_data: Path) -> None:
    path = shared_data / "zoo" / "rotate90_phone.mp4"
    with av.open(str(path)) as container:
        assert container.streams.video[0].width == 256
    assert read_frames(path, np.array([0]), "pyav:seek").shape == (1, 256, 144, 3)


def test_pipe_in_place_of_a_video_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(DecodeError, match=r"a.mp4: no such file, or not a regular one"):
        read_frames(tmp_path / "a.mp4", np.array([0]), "pyav:seek")


def test_playlist_that_names_other_files_is_not_followed(numbered_video: Path, tmp_path: Path) -> None:
    playlist = tmp_path / "list.ts"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{numbered_video}\n#EXT-X-ENDLIST\n")
    with pytest.raises(DecodeError):
        probe_video(playlist)
