"""Every decoder that the index calls right against a full decode by ffmpeg's command line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.decoding.decode import DecodeError, is_installed, read_frames
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.indexing.probe import Probe, probe_video
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.records import VideoRecord
from tests.conftest import SHARED
from tests.data.zoo.corpus import NAMES, NUM_FRAMES, barcodes, make
from tests.data.zoo.reference import Comparison, accesses, compare, frames_by, reference_frames

# decord's FFmpeg interpolates the chroma of 10 bit and odd sizes otherwise; all else is equal in every pixel.
MEAN_LEVELS = {"decord": 2.0, "torchcodec": 0.0, "pyav": 0.0}

_LOSES_A_FRAME = "cut_open_gop.mkv"  # Matroska has no edit list: the cut keeps a frame whose reference it cut away

# fmt: off
TELLING = {
    "h264_open_gop.mp4", "hevc_open_gop.mp4", "cut_open_gop.mp4", "vfr.mp4", "wmv2.wmv", "h264.ts", "mpeg2.mpg",
    "av1.mp4", "xvid.avi", "hevc_10bit.mp4", "h264_interlaced.mp4", "rotated_90_cut.mp4", "odd_size.avi",
    "three_frames.avi",
}
# fmt: on
TELLING_OF_THE_ZOO = {"cut_without_reencoding.mp4", "h264_10bit.mp4", "mpeg2_ps.mpg", "rotate90_iphone.mov", "wmv2.wmv"}


def _zoo() -> list[str]:
    """The files that are there; the tests are not even collected for those that are not."""
    return sorted(p.name for p in (SHARED / "zoo").glob("*") if p.suffix != ".md" and not p.name.startswith("broken"))


def _some(names: tuple[str, ...] | list[str], always: set[str]) -> list[object]:
    return [pytest.param(name, marks=[] if name in always else pytest.mark.sampled) for name in names]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def _record(path: Path, probe: Probe) -> VideoRecord:
    record = record_of(Entry(path, 0, "train"), probe, file_state(path))
    assert isinstance(record, VideoRecord), record
    return record


def _check(path: Path) -> None:
    """Counts, size, and 69 accesses by each reader that the probe names."""
    reference, probe = reference_frames(path), probe_video(path)
    assert (len(probe.times), probe.height, probe.width) == reference.shape[:3]
    assert probe.damage == ("1 of 52 frames do not decode" if path.name == _LOSES_A_FRAME else "")
    record, wanted = _record(path, probe), accesses(len(reference))
    for reader in dict.fromkeys([*record.readers.split(), "pyav:forward"]):
        found = compare(frames_by(lambda n: read_frames(path, n, reader), wanted), wanted, reference)  # noqa: B023
        assert found == replace(found, num_right=found.num_accesses), reader
        assert found.mean_levels <= MEAN_LEVELS[reader.split(":")[0]], (reader, found)


def _by_loader(record: VideoRecord, reader: str, wanted: list[np.ndarray], reference: np.ndarray) -> Comparison:
    clips = ClipReader(Reading(reader=cast(Literal["auto"], reader)))
    return compare(frames_by(lambda numbers: clips.read(record, numbers)[0], wanted), wanted, reference)


@pytest.mark.parametrize("name", _some(NAMES, TELLING))
def test_every_way_called_right_gives_the_frames_of_ffmpeg(corpus: Path, name: str) -> None:
    _check(make(name, corpus))


@pytest.mark.parametrize("name", _some(_zoo(), TELLING_OF_THE_ZOO))
def test_every_way_called_right_gives_the_frames_of_ffmpeg_in_the_zoo(shared_data: Path, name: str) -> None:
    _check(shared_data / "zoo" / name)


@pytest.mark.parametrize("name", _some(NAMES, {"h264_open_gop.mp4", "cut_closed_gop.mp4", "av1.mp4"}))
@pytest.mark.parametrize("reader", [name for name in ("decord", "torchcodec") if is_installed(name)])
def test_decoder_insisted_on_is_right_or_refuses_with_the_cure(corpus: Path, name: str, reader: str) -> None:
    path = make(name, corpus)
    record, reference = _record(path, probe_video(path)), reference_frames(path)
    wanted = accesses(len(reference))
    if f"{reader}:" in record.readers:
        assert _by_loader(record, reader, wanted, reference).num_right == 69
        return
    with pytest.raises(DecodeError, match=rf"{reader} does not give its frames rightly .*reading.reader=auto"):
        ClipReader(Reading(reader=cast(Literal["auto"], reader))).read(record, wanted[0])


@pytest.mark.skipif(not is_installed("decord"), reason="no decord for this platform")
@pytest.mark.parametrize("name", ["cut_closed_gop.mp4", "hevc_open_gop.mp4", "wmv2.wmv", "h264.ts", "three_frames.avi"])
def test_decord_alone_gives_wrong_frames_of_these(corpus: Path, name: str) -> None:
    """So that the tests above are known to see a wrong frame, and to be needed."""
    import decord

    path = make(name, corpus)
    reference = reference_frames(path)
    wanted = accesses(len(reference))
    found = frames_by(lambda numbers: decord.VideoReader(str(path), num_threads=1).get_batch(numbers).asnumpy(), wanted)
    assert compare(found, wanted, reference).num_right < 69


def test_reference_shows_the_numbers_that_were_drawn(corpus: Path) -> None:
    assert barcodes(reference_frames(make("h264_closed_gop.mp4", corpus))) == [*range(NUM_FRAMES)]
    # The cut begins at 1.3 s, in the middle of a group of pictures that is stored whole: frame 33 is the first shown.
    assert barcodes(reference_frames(make("cut_closed_gop.mp4", corpus))) == [*range(33, NUM_FRAMES)]


def test_file_whose_pictures_change_size_is_refused_with_the_cure(corpus: Path, tmp_path: Path) -> None:
    changing = tmp_path / "changing.ts"
    changing.write_bytes(make("mpeg2.ts", corpus).read_bytes() + make("mpeg2_large.ts", corpus).read_bytes())
    with pytest.raises(DecodeError, match=r"the size of its pictures changes; encode it anew with: ffmpeg"):
        probe_video(changing)


@pytest.mark.parametrize(
    "name", ["vp9.webm", "h264_open_gop.mkv", "h264.flv", "wmv2.wmv", "h264_fragmented.mp4", "xvid.avi"]
)
def test_truncated_file_is_marked(corpus: Path, tmp_path: Path, name: str) -> None:
    whole = make(name, corpus)
    half = tmp_path / name
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert probe_video(whole).damage == ""
    assert probe_video(half).damage != ""


def _index(files: list[Path], out: Path) -> Manifest:
    index_videos(Annotations(("zoo",), tuple(Entry(path, 0, "train") for path in files)), out)
    return read_manifest(out)


def _counts_of_the_readme() -> dict[str, int]:
    readme = (SHARED / "zoo" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|){3} (\d+) \|", readme, re.MULTILINE)
    assert len(rows) == 49  # 43 playable, 6 damaged ones with frames
    return {name: int(count) for name, count in rows}


def test_damaged_files_of_the_zoo_are_marked_with_their_true_count_or_listed_as_bad(
    shared_data: Path, tmp_path: Path
) -> None:
    manifest = _index(sorted((shared_data / "zoo").glob("broken_*")), tmp_path / "manifest.csv")
    expected = {name: n for name, n in _counts_of_the_readme().items() if name.startswith("broken")}
    assert {Path(record.path).name: record.num_frames for record in manifest.records} == expected
    assert all(record.damage for record in manifest.records)
    assert {Path(path).stem for path, _ in manifest.bad} == {
        "broken_audio_only", "broken_html_page", "broken_truncated_no_moov", "broken_zero_bytes"
    }  # fmt: skip


@pytest.mark.long
def test_playable_files_of_the_zoo_are_counted_as_its_readme_counts_them_and_not_marked(
    shared_data: Path, tmp_path: Path
) -> None:
    manifest = _index([shared_data / "zoo" / name for name in _zoo()], tmp_path / "manifest.csv")
    expected = {name: n for name, n in _counts_of_the_readme().items() if not name.startswith("broken")}
    assert {Path(record.path).name: record.num_frames for record in manifest.records} == expected
    assert [record.damage for record in manifest.records] == [""] * 43


def test_mirrored_phone_video_is_shown_as_players_show_it(corpus: Path) -> None:
    plain, mirrored = (
        read_frames(make(n, corpus), np.arange(9), "pyav") for n in ("h264_closed_gop.mp4", "mirrored.mp4")
    )
    assert np.array_equal(plain[:, :, ::-1], mirrored)
