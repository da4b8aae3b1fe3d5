from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gcvideo.data.decoding.decode import DecodeError, forward
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.data.preparing.reencode import Encoding, output_size, reencode_video
from gcvideo.errors import InputError
from tests.conftest import frame_numbers, numbered_frames

FINE = Encoding(crf=1)


def _decoded(path: Path) -> NDArray[np.uint8]:
    to_rgb = RgbFilter()
    return np.stack([to_rgb(frame) for frame in forward(path)])


def _times(path: Path) -> list[float]:
    return [round(float(frame.time), 4) for frame in forward(path) if frame.time is not None]


@pytest.mark.parametrize("gop", [1, 7, 100])
def test_every_frame_is_written_once_with_key_frames_where_asked(
    numbered_video: Path, tmp_path: Path, gop: int
) -> None:
    assert reencode_video(numbered_video, tmp_path / "x.mp4", Encoding(crf=1, gop=gop), fps=25) == 40
    assert frame_numbers(_decoded(tmp_path / "x.mp4")) == list(range(40))
    assert _times(tmp_path / "x.mp4") == [round(k / 25, 4) for k in range(40)]
    keys = [number for number, frame in enumerate(forward(tmp_path / "x.mp4")) if frame.key_frame]
    assert keys == list(range(0, 40, gop)), "and none where the source has one"


def test_the_same_video_gives_the_same_bytes(numbered_video: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        reencode_video(numbered_video, tmp_path / name, Encoding(gop=8), fps=25)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_part_is_cut_out_exactly_and_begins_at_zero(numbered_video: Path, tmp_path: Path) -> None:
    assert reencode_video(numbered_video, tmp_path / "x.mp4", FINE, fps=25, first_frame=7, num_frames=5) == 5
    assert frame_numbers(_decoded(tmp_path / "x.mp4")) == [7, 8, 9, 10, 11]
    assert _times(tmp_path / "x.mp4") == [0, 0.04, 0.08, 0.12, 0.16]
    with pytest.raises(DecodeError, match="frame 40 does not decode"):
        reencode_video(numbered_video, tmp_path / "x.mp4", FINE, fps=25, first_frame=40)


def test_variable_frame_rate_stays_one(tmp_path: Path) -> None:
    stamps = [0, 40, 50, 300, 301, 900]
    _write_at(tmp_path / "vfr.mkv", stamps)
    reencode_video(tmp_path / "vfr.mkv", tmp_path / "x.mp4", FINE, fps=6)
    assert _times(tmp_path / "x.mp4") == [stamp / 1000 for stamp in stamps]


def _write_at(path: Path, stamps_ms: list[int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, stamp in zip(numbered_frames(len(stamps_ms)), stamps_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("width", "height", "short_side_px", "expected"),
    [
        (340, 256, 224, (298, 224)),
        (256, 340, 224, (224, 298)),
        (320, 240, 256, (320, 240)),
        (171, 129, 256, (170, 128)),
        (171, 129, 64, (84, 64)),
        (1, 1, 256, (2, 2)),
    ],
)
def test_short_side_is_never_made_longer_and_sides_are_even(
    width: int, height: int, short_side_px: int, expected: tuple[int, int]
) -> None:
    assert output_size(width, height, short_side_px) == expected


def test_written_file_has_no_sound_and_its_index_in_front(shared_data: Path, tmp_path: Path) -> None:
    reencode_video(shared_data / "zoo" / "audio_stream_first.mp4", tmp_path / "x.mp4", FINE, fps=25)
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert [(stream.type, stream.codec_context.name) for stream in container.streams] == [("video", "h264")]
    data = (tmp_path / "x.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    "name",
    [
        "rotate90_phone.mp4",
        "rotate180.mp4",
        "full_range_yuvj420p.mp4",
        "gray_h264_400.mp4",
        "hevc_10bit.mp4",
        "vp8.webm",
        "mjpeg.avi",
        "cut_without_reencoding.mp4",
        "starts_at_5s.mkv",
        "vfr.mp4",
        "mpeg4_bframes.avi",
        "broken_truncated_middle.mp4",
    ],
)
def test_pictures_and_times_are_those_of_the_source(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Also the matrix, the range and the turn; two levels are what coding at crf 1 loses."""
    source = shared_data / "zoo" / name
    reencode_video(source, tmp_path / "x.mp4", FINE, fps=25)
    expected, found = _decoded(source), _decoded(tmp_path / "x.mp4")
    assert found.shape == expected.shape
    assert np.abs(expected.astype(int) - found).mean(axis=(1, 2, 3)).max() < 2
    times = np.array(_times(source))
    np.testing.assert_allclose(_times(tmp_path / "x.mp4"), times - times[0], atol=1e-3)


@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_matrix_of_the_source_is_kept_and_told(tmp_path: Path, matrix: int) -> None:
    """BT.709, BT.601, BT.2020: a strong colour comes out the same."""
    colour = np.broadcast_to(np.array([200, 40, 60], np.uint8), (4, 48, 64, 3))
    with av.open(str(tmp_path / "source.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = matrix
        for pixels in colour:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    reencode_video(tmp_path / "source.mp4", tmp_path / "x.mp4", FINE, fps=25)
    assert np.abs(_decoded(tmp_path / "x.mp4").astype(int) - colour).max() <= 3
    assert {frame.colorspace for frame in forward(tmp_path / "x.mp4")} == {matrix}


def test_interlaced_video_is_scaled_as_ffmpeg_does(shared_data: Path, tmp_path: Path) -> None:
    """By whole pictures, not field by field; the difference of the two is 2 levels before any coding."""
    source = shared_data / "zoo" / "interlaced.mp4"
    reencode_video(source, tmp_path / "x.mp4", Encoding(short_side_px=64, crf=0), fps=12.5)
    graph, first = av.filter.Graph(), next(forward(source))
    assert first.interlaced_frame
    nodes = [
        graph.add_buffer(width=170, height=128, format=first.format, time_base=first.time_base),
        graph.add("scale", "84:64"),
        graph.add("format", "pix_fmts=yuv420p"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    graph.push(first)
    expected = graph.pull()
    assert isinstance(expected, av.VideoFrame)
    found = next(forward(tmp_path / "x.mp4")).to_ndarray()
    assert np.abs(expected.to_ndarray().astype(int) - found).mean() < 0.5


def test_numbered_pictures_become_a_video(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    colours = [(200, 40, 60), (20, 180, 90), (70, 60, 220)]
    for number, colour in enumerate(colours):
        Image.new("RGB", (64, 48), colour).save(tmp_path / "pictures" / f"{number}.png")
    assert reencode_video(tmp_path / "pictures", tmp_path / "x.mp4", FINE, fps=10) == 3
    found = _decoded(tmp_path / "x.mp4")
    assert np.abs(found.astype(int) - np.array(colours)[:, None, None]).max() <= 3
    assert _times(tmp_path / "x.mp4") == [0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"short_side_px": 255}, "--short-side is 255; expected an even number of at least 16"),
        ({"short_side_px": 0}, "--short-side is 0"),
        ({"gop": 0}, "--gop is 0; expected 1"),
        ({"crf": 52}, "--crf is 52; expected 0"),
    ],
)
def test_impossible_encoding_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        Encoding(**values)
    assert refusal.value.exit_code == 2
