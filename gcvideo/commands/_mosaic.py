"""Clips with their captions: a picture with a row for each, and a film of all of them side by side."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as F

from gcvideo.data.encode import write_video

Pictures = NDArray[np.uint8]
Caption = Sequence[str]

_MOST_COLUMNS = 16
_GAP, _LINE = 6, 18  # pixels between clips, and of a line of text
_SMALLEST, _LARGEST = 96, 224  # sides of a frame as drawn, in pixels
_DPI, _POINTS = 100, 8.5
_SECONDS = 4


def draw_grid(clips: Sequence[Pictures], captions: Sequence[Caption], path: Path) -> int:
    """A row for each clip under its caption, a column for each frame.

    Args:
        clips: each ``uint8 (T, h, w, 3)``, all of one shape.
        captions: texts for each clip, which stand in a line.
        path: a PNG.

    Returns:
        How many frames of a clip are shown: all, or 16 at equal distances.
    """
    frames = _spread(len(clips[0]))
    rows = [_sized(clip[frames], 1800 // len(frames)) for clip in clips]
    side = rows[0].shape[1]
    width, height = max(640, len(frames) * (side + 2)), _LINE + len(rows) * (side + _LINE + _GAP)
    heads = [(column * (side + 2), 0, side, f"frame {frame + 1}") for column, frame in enumerate(frames)]
    tops = [_LINE + row * (side + _LINE + _GAP) for row in range(len(rows))]
    texts = [(0, top, width, "   ".join(filter(None, caption))) for top, caption in zip(tops, captions, strict=True)]
    canvas = _written(width, height, [*heads, *texts])
    for top, row in zip(tops, rows, strict=True):
        for (left, *_), frame in zip(heads, row, strict=True):
            canvas[top + _LINE : top + _LINE + side, left : left + side] = frame
    imsave(path, canvas)
    return len(frames)


def write_film(clips: Sequence[Pictures], captions: Sequence[Caption], path: Path, *, fps: float) -> None:
    """All clips at once in an H.264 file, over and over for some seconds.

    Args:
        clips: each ``uint8 (T, h, w, 3)``, all of one shape.
        captions: as many texts for each clip, a line each.
        path: an mp4.
        fps: frames a second.
    """
    columns = math.ceil(math.sqrt(1.5 * len(clips)))
    shown = [_sized(clip, 1280 // columns) for clip in clips]
    side = shown[0].shape[1]
    lines = [line for line in zip(*captions, strict=True) if any(line)]
    step = side + len(lines) * _LINE + _GAP
    corners = [(number % columns * (side + _GAP), number // columns * step) for number in range(len(clips))]
    texts = [
        (x, y + number * _LINE, side, text)
        for number, line in enumerate(lines)
        for (x, y), text in zip(corners, line, strict=True)
    ]
    width, height = columns * (side + _GAP), math.ceil(len(clips) / columns) * step
    frames = np.stack([_written(width + width % 2, height + height % 2, texts)] * len(clips[0]))
    for (x, y), clip in zip(corners, shown, strict=True):
        frames[:, y + step - _GAP - side : y + step - _GAP, x : x + side] = clip
    write_video(path, np.concatenate([frames] * math.ceil(_SECONDS * fps / len(frames))), fps=fps)


def _spread(num_frames: int) -> list[int]:
    """All frames, or 16 at equal distances, the first and the last among them."""
    return sorted({round(k) for k in np.linspace(0, num_frames - 1, min(num_frames, _MOST_COLUMNS))})


def _sized(clip: Pictures, room_px: int) -> Pictures:
    """Small frames are enlarged by a whole number, so that each pixel is seen as it is; large ones are reduced."""
    room_px = min(max(room_px, _SMALLEST), _LARGEST)
    side = clip.shape[1]
    if side <= room_px:
        return clip.repeat(room_px // side, axis=1).repeat(room_px // side, axis=2)
    smaller = F.resize(torch.from_numpy(clip).permute(0, 3, 1, 2), [room_px, room_px], antialias=True)
    reduced: Pictures = smaller.permute(0, 2, 3, 1).numpy()
    return reduced


def _written(width: int, height: int, texts: Sequence[tuple[int, int, int, str]]) -> Pictures:
    """A white picture with texts at (left, top), each cut to its width: ``uint8 (height, width, 3)``."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # an empty box stands for it
        for left, top, room, text in texts:
            at = ((left + 2) / width, 1 - (top + _LINE / 2) / height)
            written = figure.text(*at, text, fontsize=_POINTS, va="center", parse_math=False)
            while written.get_window_extent(canvas.get_renderer()).width > room - 2 and len(text) > 1:
                text = text[:-2]
                written.set_text(f"{text}…")
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
