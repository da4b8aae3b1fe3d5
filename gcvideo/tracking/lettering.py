"""Names in pictures: as the user wrote them where a font can draw them, and never as a formula."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

_OF_MATPLOTLIB = "DejaVu Sans"
_OTHERS = (  # what systems have for other scripts; the first that is there is taken for a letter
    *("Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "WenQuanYi Zen Hei"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil", "Nirmala UI", "Leelawadee UI"),
    *("Noto Emoji", "Segoe UI Symbol", "Apple Symbols", "Arial Unicode MS", "Unifont"),
)


@cache
def families() -> tuple[str, ...]:
    """Fonts of this machine; a letter is drawn by the first that has it."""
    installed = {font.name for font in fontManager.ttflist}
    return (_OF_MATPLOTLIB, *(name for name in _OTHERS if name in installed))


def lettered(names: Sequence[str], longest: int = 32) -> list[str]:
    """Class names as a picture can show them.

    A letter that no font of this machine has becomes a question mark, and the name then begins with the number of the
    class, by which ``per_class.csv`` has it (line 2 is class 0). A long name loses its middle.

    Args:
        names: class names; the position is the label.
        longest: characters.
    """
    return [_lettered(name, number, longest) for number, name in enumerate(names)]


def drawable(text: str) -> str:
    """A title, line breaks included, with a question mark for each letter that no font has."""
    return "\n".join(map(_with_known_letters, text.split("\n"))).replace("$", r"\$")


def _lettered(name: str, number: int, longest: int) -> str:
    drawn = _with_known_letters(name)
    if drawn != name:
        drawn = f"#{number} {drawn}"
    if len(drawn) > longest:
        drawn = f"{drawn[: longest // 2]}…{drawn[len(drawn) - (longest - longest // 2 - 1) :]}"
    return drawn.replace("$", r"\$")


def _with_known_letters(text: str) -> str:
    return "".join(letter if ord(letter) in _letters() else "?" for letter in text)


@cache
def _letters() -> frozenset[int]:
    fonts = (get_font(findfont(FontProperties(family=family))) for family in families())
    return frozenset(letter for font in fonts for letter in font.get_charmap() if letter >= 32)
