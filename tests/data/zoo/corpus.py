"""Makes small videos in the forms in which decoders go wrong; frame k carries the bar code of k."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import Frames

_FPS = 25
NUM_FRAMES = 75
_SIZE = (72, 96)  # height, width
_BITS = 7

_X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p"
_X265 = "-c:v libx265 -preset veryfast -pix_fmt yuv420p -tag:v hvc1"
_OPEN_264 = f"{_X264} -bf 3 -x264-params open-gop=1:keyint=12:min-keyint=12:scenecut=0"
_OPEN_265 = f"{_X265} -x265-params open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=4:log-level=none"
_TAGGED = f"{_X264} -vf scale=out_color_matrix={{0}}:out_range={{1}} -colorspace {{0}} -color_range {{1}}"
_DROPPED = r"-vf select=not(between(mod(n\,11)\,3\,6)) -fps_mode vfr"

# What ffmpeg is told after its input. A value that names another file is made from that file by copying the stream:
# ("file", "before the input", "after it").
_RECIPES: dict[str, str | tuple[str, str, str]] = {
    "h264_closed_gop.mp4": f"{_X264} -g 12 -bf 2",
    "h264_open_gop.mp4": _OPEN_264,
    "h264_open_gop.mkv": _OPEN_264,
    "h264_one_gop.mp4": f"{_X264} -g 250 -bf 8 -b_strategy 1",
    "h264_intra_refresh.mp4": f"{_X264} -bf 0 -x264-params intra-refresh=1:keyint=12",
    "h264_interlaced.mp4": f"{_X264} -g 12 -flags +ildct+ilme -vf setfield=tff",
    "h264_fragmented.mp4": f"{_X264} -g 12 -bf 2 -movflags frag_keyframe+empty_moov",
    "h264.mov": f"{_X264} -g 12 -bf 2",
    "h264.flv": f"{_X264} -g 12 -bf 2",
    "h264.avi": f"{_X264} -g 12 -bf 2",
    "h264.ts": f"{_X264} -g 12 -bf 2",
    "h264_open_gop.ts": _OPEN_264,
    "h264_raw.h264": f"{_X264} -g 12 -bf 2",
    "h264_late_start.mkv": f"{_X264} -g 12 -bf 2 -output_ts_offset 5",
    "h264_late_start.mp4": f"{_X264} -g 12 -bf 2 -output_ts_offset 5",
    "hevc_closed_gop.mp4": f"{_X265} -x265-params open-gop=0:keyint=12:min-keyint=12:log-level=none",
    "hevc_open_gop.mp4": _OPEN_265,
    "hevc_open_gop.mkv": _OPEN_265,
    "hevc_open_gop.ts": f"{_OPEN_265} -tag:v 0",
    "cut_closed_gop.mp4": ("h264_closed_gop.mp4", "-ss 1.3", ""),
    "cut_one_gop.mp4": ("h264_one_gop.mp4", "-ss 1.3", ""),
    "cut_open_gop.mp4": ("h264_open_gop.mp4", "-ss 1.3", ""),
    "cut_open_gop.mov": ("h264_open_gop.mp4", "-ss 1.3 -t 1", ""),
    "cut_hevc_open_gop.mp4": ("hevc_open_gop.mp4", "-ss 1.3", ""),
    "cut_both_ends.mp4": ("h264_closed_gop.mp4", "-ss 0.7 -t 1.1", ""),
    "cut_open_gop.mkv": ("h264_open_gop.mkv", "-ss 1.3", ""),
    "vfr.mp4": f"{_DROPPED} {_X264} -g 12 -bf 2",
    "vfr.mkv": f"{_DROPPED} {_X264} -g 12 -bf 2",
    "vfr_vp9.webm": f"{_DROPPED} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -b:v 300k",
    "wmv1.wmv": "-c:v wmv1 -g 12 -b:v 500k",
    "wmv2.wmv": "-c:v wmv2 -g 12 -b:v 500k",
    "mpeg2.mpg": "-c:v mpeg2video -g 12 -bf 2 -b:v 800k",
    "mpeg1.mpg": "-c:v mpeg1video -g 12 -bf 2 -b:v 800k",
    "mpeg2.ts": "-c:v mpeg2video -g 12 -bf 2 -b:v 800k",
    "mpeg2_large.ts": "-vf scale=128:96 -c:v mpeg2video -g 12 -bf 2 -b:v 800k",
    "mpeg2.vob": "-c:v mpeg2video -g 12 -bf 2 -b:v 800k -f vob",
    "xvid.avi": "-c:v mpeg4 -vtag XVID -g 12 -bf 2 -b:v 500k",
    "xvid_packed.avi": "-c:v libxvid -g 12 -bf 2 -b:v 500k",
    "divx3.avi": "-c:v msmpeg4 -g 12 -b:v 500k",
    "mpeg4.mp4": "-c:v mpeg4 -g 12 -bf 2 -b:v 500k",
    "h263.3gp": "-vf scale=176:144 -c:v h263 -g 12 -b:v 500k",
    "mjpeg.avi": "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p",
    "mjpeg.mov": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p",
    "prores.mov": "-c:v prores_ks -pix_fmt yuv422p10le",
    "ffv1.mkv": "-c:v ffv1 -g 12 -pix_fmt yuv420p",
    "theora.ogv": "-c:v libtheora -g 12 -q:v 6",
    "vp8.webm": "-c:v libvpx -deadline realtime -cpu-used 8 -g 12 -b:v 300k",
    "vp9.webm": "-c:v libvpx-vp9 -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 12 -g 12 -b:v 300k",
    "vp9_10bit.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -b:v 300k -pix_fmt yuv420p10le",
    "vp9.mp4": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -b:v 300k",
    "av1.mp4": "-c:v libsvtav1 -preset 10 -g 12 -crf 30 -svtav1-params irefresh-type=1:log=0",
    "av1.webm": "-c:v libaom-av1 -cpu-used 8 -g 12 -crf 30 -usage realtime",
    "av1_10bit.mp4": "-c:v libsvtav1 -preset 10 -g 12 -crf 30 -pix_fmt yuv420p10le",
    "h264_10bit.mp4": f"{_X264} -g 12 -bf 2 -pix_fmt yuv420p10le",
    "hevc_10bit.mp4": f"{_OPEN_265} -pix_fmt yuv420p10le",
    "hevc_bt2020_pq.mp4": f"{_OPEN_265} -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084"
    " -colorspace bt2020nc",
    "h264_422.mp4": f"{_X264} -g 12 -bf 2 -pix_fmt yuv422p",
    "h264_444.mp4": f"{_X264} -g 12 -bf 2 -pix_fmt yuv444p",
    "h264_rgb.mp4": "-c:v libx264rgb -preset veryfast -g 12 -pix_fmt rgb24",
    "rotated_90.mp4": ("h264_closed_gop.mp4", "-display_rotation 90", ""),
    "rotated_180.mov": ("h264_open_gop.mp4", "-display_rotation 180", ""),
    "rotated_270.mp4": ("h264_closed_gop.mp4", "-display_rotation 270", ""),
    "rotated_90_cut.mp4": ("h264_closed_gop.mp4", "-display_rotation 90 -ss 1.3", ""),
    "mirrored.mp4": ("h264_closed_gop.mp4", "-display_hflip", ""),
    "rotated_90_mirrored.mp4": ("h264_closed_gop.mp4", "-display_rotation 90 -display_hflip", ""),
    "odd_size.mp4": f"-vf scale=97:73 {_X264} -g 12 -bf 2 -pix_fmt yuv444p",
    "odd_size_vp9.webm": "-vf scale=97:73 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -b:v 300k",
    "odd_size.avi": "-vf scale=97:73 -c:v mpeg4 -g 12 -bf 2 -b:v 500k",
    "bt601.mp4": f"{_TAGGED.format('smpte170m', 'tv')} -g 12 -bf 2",
    "bt601_full.mp4": f"{_TAGGED.format('smpte170m', 'pc')} -g 12 -bf 2",
    "bt709.mp4": f"{_TAGGED.format('bt709', 'tv')} -g 12 -bf 2",
    "bt709_full.mp4": f"{_TAGGED.format('bt709', 'pc')} -g 12 -bf 2",
    "bt2020.mkv": f"{_TAGGED.format('bt2020nc', 'tv')} -g 12 -bf 2",
    "pixel_aspect.mp4": f"{_X264} -g 12 -bf 2 -vf setsar=16/11",
    "one_frame.mp4": f"{_X264} -frames:v 1",
    "one_frame.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -frames:v 1",
    "three_frames.mp4": f"{_X264} -bf 2 -frames:v 3",
    "three_frames.avi": "-c:v mpeg4 -bf 2 -b:v 500k -frames:v 3",
    "picture.gif": "",
}
NAMES = tuple(_RECIPES)


def make(name: str, folder: Path) -> Path:
    """Writes the video of that name into ``folder``, if it is not there yet, and gives its path."""
    path, recipe = folder / name, _RECIPES[name]
    if path.exists():
        return path
    if isinstance(recipe, str):
        _run(
            ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{_SIZE[1]}x{_SIZE[0]}", "-r", f"{_FPS}", "-i", "-"],
            recipe,
            path,
        )
        return path
    origin, before, after = recipe
    _run([*before.split(), "-i", str(make(origin, folder))], f"-c copy {after}", path)
    return path


def ffmpeg() -> str:
    """The program ``ffmpeg`` that imageio-ffmpeg brings; a test that asks for it is skipped where it is missing."""
    return str(pytest.importorskip("imageio_ffmpeg", reason="needs imageio-ffmpeg").get_ffmpeg_exe())


def barcodes(frames: Frames) -> list[int]:
    """The numbers that upright frames of the size drawn show."""
    middles = ((np.arange(_BITS) + 0.5) * frames.shape[2] / _BITS).astype(int)
    ones = frames[:, -8, middles].mean(axis=-1) > 128  # (T, 7)
    numbers: list[int] = (ones @ (1 << np.arange(_BITS)[::-1])).tolist()
    return numbers


def _run(source: list[str], recipe: str, path: Path) -> None:
    command = [ffmpeg(), "-v", "error", "-y", *source, *recipe.split(), str(path)]
    subprocess.run(command, input=_pictures().tobytes(), check=True, capture_output=True)


def _pictures() -> Frames:
    """Moving coloured waves above a bar code of the frame number: ``uint8 (75, H, W, 3)``."""
    height, width = _SIZE
    number = np.arange(NUM_FRAMES)[:, None, None, None]
    y, x, channel = np.arange(height)[:, None, None], np.arange(width)[:, None], np.arange(3)
    waves: NDArray[np.float64] = np.sin((x + 2 * number) / (9 + channel)) * np.cos((y - number) / (7 + 2 * channel))
    frames = (128 + 110 * waves).astype(np.uint8)
    bits = number[..., 0, 0] >> np.arange(_BITS - 1, -1, -1) & 1  # (75, 7)
    frames[:, -16:] = 255 * bits[:, np.arange(width) * _BITS // width][:, None, :, None].astype(np.uint8)
    return frames
