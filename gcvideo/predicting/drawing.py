"""Names of classes with bars on a picture, readable on a small one and on a large one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gcvideo.errors import plain

Picture = NDArray[np.uint8]

_SMALLEST_PX, _SHARE = 11, 1 / 22  # height of a letter: the least that can be read, and of the picture's short side
_MOST_SHARE = 0.45  # of the picture's height that may be covered
_DARK, _BAR, _LIGHT = (0, 0, 0, 150), (70, 150, 255, 210), (255, 255, 255, 255)


def labels_overlay(size: tuple[int, int], labels: Sequence[str], probabilities: Sequence[float]) -> Picture:
    """Lines with a bar behind each, in the upper left: ``uint8 (h, w, 4)``, to be laid over a picture.

    As many of the best classes as fit into the upper half; at least one, and its name is cut if need be.

    Args:
        size: width and height of the picture in pixels.
        labels: names, the best first.
        probabilities: of these, 0-1.
    """
    width, height = size
    letter = max(_SMALLEST_PX, round(min(size) * _SHARE))
    line, gap = round(1.35 * letter), max(1, letter // 4)
    count = max(1, min(len(labels), int(_MOST_SHARE * height) // line))
    font = _font(letter)
    names = [plain(label) for label in labels]
    texts = [f"{probability:.0%} {name}" for name, probability in zip(names, probabilities, strict=True)][:count]
    room = width - 2 * gap
    wide = min(room, max(round(font.getlength(text)) for text in texts) + 2 * gap)
    canvas = Image.new("RGBA", (wide + 2 * gap, min(height, count * line + 2 * gap)), _DARK)
    draw = ImageDraw.Draw(canvas, "RGBA")
    for number, (text, probability) in enumerate(zip(texts, probabilities, strict=False)):
        top = gap + number * line
        draw.rectangle((gap, top, gap + round(wide * min(1.0, probability)), top + line - 2), fill=_BAR)
        draw.text((2 * gap, top + line // 2), _cut(text, wide - gap, font), font=font, fill=_LIGHT, anchor="lm")
    return np.asarray(canvas)


def lay_over(picture: Picture, overlay: Picture) -> Picture:
    """A copy of a picture ``uint8 (H, W, 3)`` with the overlay in its upper left corner."""
    result = picture.copy()
    height, width = (min(a, b) for a, b in zip(picture.shape[:2], overlay.shape[:2], strict=True))
    over = overlay[:height, :width].astype(np.uint16)
    alpha, under = over[..., 3:], result[:height, :width].astype(np.uint16)
    result[:height, :width] = ((over[..., :3] * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)
    return result


def _cut(text: str, room: int, font: ImageFont.FreeTypeFont) -> str:
    """With an ellipsis where it is longer than the room in pixels."""
    text = text.replace("\n", " ")
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"


@cache
def _font(letter: int) -> ImageFont.FreeTypeFont:
    """The one that matplotlib brings, which has the letters of Europe."""
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"),
        letter,
        layout_engine=ImageFont.Layout.BASIC,
    )
