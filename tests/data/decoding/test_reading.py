from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gcvideo.data.checks import check_reader
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.decoding.reading import ClipReader, Reading, right_readers_of, why_not
from gcvideo.errors import InputError
from tests.conftest import frame_numbers, video_record, write_variable_rate

INDICES = np.array([[0, 3], [39, 17]])
posix = pytest.mark.skipif(os.name != "posix", reason="a guard needs Linux or macOS")


@pytest.fixture
def guarded() -> Iterator[ClipReader]:
    reader = ClipReader(Reading(guard="all"))
    with closing(reader.process):
        yield reader


def test_first_right_reader_reads_and_nothing_is_said(numbered_video: Path) -> None:
    frames, line = ClipReader(Reading()).read(video_record(numbered_video), INDICES)
    assert frame_numbers(frames) == [0, 3, 39, 17]
    assert line == ""


def test_fallback_gives_the_right_frames_and_says_why(numbered_video: Path) -> None:
    """The reader of pictures cannot read a file."""
    record = video_record(numbered_video, readers="pictures:seek pyav:seek")
    frames, line = ClipReader(Reading()).read(record, INDICES)
    assert frame_numbers(frames) == [0, 3, 39, 17]
    assert line == f"{numbered_video}: no such file, or not a regular one (read by pyav:seek instead)"


def test_frames_of_a_part_are_counted_from_its_first(numbered_video: Path) -> None:
    record = video_record(numbered_video, start=0.4, end=0.8, first_frame=10, num_frames=10)
    assert frame_numbers(ClipReader(Reading()).read(record, np.array([0, 9]))[0]) == [10, 19]


def test_failure_of_all_is_that_of_the_best(numbered_video: Path) -> None:
    record = video_record(numbered_video, num_frames=50)
    with pytest.raises(DecodeError, match=rf"^{numbered_video}: ends before frame 45; index the data again"):
        ClipReader(Reading()).read(record, np.array([45]))


def test_forward_decode_is_the_last_resort_of_every_video(numbered_video: Path) -> None:
    assert right_readers_of(video_record(numbered_video, readers="pyav:seek"), "auto") == ["pyav:seek", "pyav:forward"]
    pictures = video_record(numbered_video, codec="pictures", readers="pictures:seek")
    assert right_readers_of(pictures, "auto") == ["pictures:seek"]


def test_reader_that_is_insisted_on_and_not_right_is_refused_with_the_cure(numbered_video: Path) -> None:
    wrong = video_record(numbered_video, readers="pyav:seek")
    cure = "use --data.reading.reader=auto, or encode the videos anew with: gcvideo prepare"
    with pytest.raises(DecodeError, match="decord does not give its frames rightly here") as error:
        ClipReader(Reading(reader="decord")).read(wrong, INDICES)
    assert str(error.value).endswith(cure)
    assert why_not(wrong, "decord") == str(error.value)
    assert why_not(wrong, "pyav") == ""
    with pytest.raises(InputError, match=f"1 of 2 videos cannot be read so; the first: .*{cure}"):
        check_reader([video_record(numbered_video, readers="decord:seek pyav:seek"), wrong], "decord")


@posix
def test_guard_all_decodes_in_a_process_of_its_own(numbered_video: Path, guarded: ClipReader) -> None:
    assert guarded.process.pid is None
    frames, _ = guarded.read(video_record(numbered_video), INDICES)
    assert frame_numbers(frames) == [0, 3, 39, 17]
    pid = guarded.process.pid
    assert pid not in (None, os.getpid())
    os.kill(pid or 0, 0)  # raises where there is no such process
    guarded.read(video_record(numbered_video), INDICES)
    assert guarded.process.pid == pid


@posix
def test_guard_damaged_is_for_the_damaged_alone(numbered_video: Path) -> None:
    reader = ClipReader(Reading())
    with closing(reader.process):
        reader.read(video_record(numbered_video), INDICES)
        assert reader.process.pid is None
        reader.read(video_record(numbered_video, damage="one picture repeated"), INDICES)
        assert reader.process.pid is not None


def test_guard_none_starts_no_process(numbered_video: Path) -> None:
    reader = ClipReader(Reading(guard="none"))
    reader.read(video_record(numbered_video, damage="one picture repeated"), INDICES)
    assert reader.process.pid is None


def test_what_a_decoder_raises_is_the_failure_of_the_video(tmp_path: Path) -> None:
    """Pillow warns of a picture of 100 megapixels, which is an error in these tests and none of ours."""
    from PIL import Image

    Image.new("1", (10_000, 10_000)).save(tmp_path / "img_1.png")
    record = video_record(tmp_path, codec="pictures", readers="pictures:seek", num_frames=1)
    with pytest.raises(DecodeError, match=rf"^{tmp_path}: DecompressionBombWarning: "):
        ClipReader(Reading(guard="none")).read(record, np.array([0]))


@pytest.mark.parametrize("damage", ["", "1 of 30 frames do not decode"])
def test_times_are_those_of_the_part(tmp_path: Path, damage: str) -> None:
    """From the packets, and for a damaged file from what decodes."""
    path = write_variable_rate(tmp_path / "vfr.mp4", [100] * 10 + [20] * 20)
    record = video_record(path, is_vfr=True, first_frame=8, num_frames=4, damage=damage)
    assert ClipReader(Reading()).times(record).round(6).tolist() == [0, 0.1, 0.2, 0.22]


@pytest.mark.parametrize("damage", ["", "1 of 30 frames do not decode"])
def test_times_of_a_file_that_has_changed_are_a_failure_of_the_video(tmp_path: Path, damage: str) -> None:
    path = write_variable_rate(tmp_path / "vfr.mp4", [100] * 10)
    with pytest.raises(DecodeError, match=rf"^{path}: has changed since it was indexed"):
        ClipReader(Reading()).times(video_record(path, num_frames=30, damage=damage))
    path.write_text("<html>not found</html>")
    with pytest.raises(DecodeError, match=rf"^{path}: .*Invalid data"):
        ClipReader(Reading()).times(video_record(path, num_frames=10, damage=damage))
    path.unlink()
    with pytest.raises(DecodeError, match=rf"^{path}: no such file"):
        ClipReader(Reading()).times(video_record(path, num_frames=10, damage=damage))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"deadline_s": 0}, r"reading.deadline_s is 0; expected seconds above 0"),
        ({"memory_gb": 0.1}, r"reading.memory_gb is 0.1; expected 0.5"),
        ({"max_failed": 1.5}, r"reading.max_failed is 1.5; expected a share, 0 to 1"),
    ],
)
def test_values_out_of_their_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reading(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["", "1 of 30 frames do not decode"])
def test_other_file_in_the_place_of_an_indexed_one_is_refused(numbered_video: Path, damage: str) -> None:
    """What was measured holds for the file that was measured."""
    record = video_record(numbered_video, num_bytes=numbered_video.stat().st_size, damage=damage)
    reader = ClipReader(Reading())
    assert frame_numbers(reader.read(record, np.array([3]))[0]) == [3]
    numbered_video.write_bytes(numbered_video.read_bytes() + b"more")
    for read in (lambda: reader.read(record, np.array([3])), lambda: reader.times(record)):
        with pytest.raises(
            DecodeError, match=rf"^{numbered_video}: has changed since it was indexed; run gcvideo index"
        ):
            read()


def test_times_of_a_guarded_video_come_from_the_process_of_its_own(guarded: ClipReader, tmp_path: Path) -> None:
    path = write_variable_rate(tmp_path / "vfr.mp4", [100] * 3 + [20] * 7)
    times = guarded.times(video_record(path, num_frames=10))
    assert guarded.process.pid is not None
    assert times.round(3).tolist() == [0.0, 0.1, 0.2, 0.3, 0.32, 0.34, 0.36, 0.38, 0.4, 0.42]
    guarded.process.close()
    assert guarded.times(video_record(path, num_frames=10)).tolist() == times.tolist()
    assert guarded.process.pid is None  # they are remembered


@posix
def test_guarded_video_that_needs_more_memory_than_allowed_fails_alone(numbered_video: Path) -> None:
    reader = ClipReader(Reading(guard="all", memory_gb=0.6))
    record = video_record(numbered_video)
    with closing(reader.process):
        with pytest.raises(DecodeError, match=r"take more than the 614 MiB of memory"):
            reader.read(record, np.zeros(100_000, np.int64))
        assert frame_numbers(reader.read(record, np.array([7]))[0]) == [7]
