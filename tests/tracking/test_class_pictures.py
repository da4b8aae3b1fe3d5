from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gcvideo.tracking.class_pictures import draw_per_class, draw_reliability
from gcvideo.tracking.lettering import lettered
from gcvideo.tracking.pictures import draw_confusion

BLUE = np.array([31, 119, 180])
ODD = ["$x_{$", "a $b$", "跳ぶ", "Прыжок", "line\nbreak\t", "a name " * 20, "🤸", "\udcff", "-1"]


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _blue(path: Path) -> int:
    return int((np.abs(_pixels(path).astype(int) - BLUE).sum(axis=-1) < 20).sum())


@pytest.mark.parametrize("count", [1, 2, 101, 400])
def test_every_class_has_a_row_of_its_own(tmp_path: Path, count: int) -> None:
    """Rows of 20 dots at least can be read; many classes stand in columns of 60."""
    path, names = tmp_path / "c.png", [f"doing number {k}" for k in range(count)]
    draw_per_class(np.linspace(0, 1, count), np.arange(count), names, path, title="val")
    height, width, _ = _pixels(path).shape
    columns = -(-count // 60)
    assert height > 20 * -(-count // columns)
    assert height < 1600
    assert width < 600 * max(columns, 2)


def test_bar_is_as_long_as_its_recall_and_one_without_videos_has_none(tmp_path: Path) -> None:
    blue = []
    for recall in ([1.0, 1.0], [0.5, 0.5], [1.0, np.nan], [0.0, np.nan]):
        draw_per_class(np.array(recall), np.array([4, 4]), ["a", "b"], tmp_path / "c.png", title="val")
        blue.append(_blue(tmp_path / "c.png"))
    assert blue[1] == pytest.approx(blue[0] / 2, rel=0.1)
    assert blue[2] == pytest.approx(blue[0] / 2, rel=0.1)
    assert blue[3] == 0


def test_names_of_all_kinds_are_drawn_without_a_warning(tmp_path: Path) -> None:
    count = len(ODD)
    draw_per_class(np.full(count, 0.5), np.full(count, 3), ODD, tmp_path / "c.png", title="跳 $x_{$\nval")
    draw_confusion(np.eye(count), ODD, tmp_path / "m.png", title="跳 $x_{$\nval")
    draw_reliability(np.ones(1), np.ones(1), np.ones(1, int), tmp_path / "r.png", bins=15, title="跳 $x_{$\nval")
    assert _blue(tmp_path / "c.png") > 1000


def test_letter_that_no_font_has_is_named_by_its_class() -> None:
    names = lettered(["plain", "gone\uffff", "tab\t", "$5"])
    assert names == ["plain", "#1 gone?", "#2 tab?", r"\$5"]
    assert len(lettered(["a" * 100])[0]) == 32


def test_reliability_is_drawn_for_one_bin_and_for_all(tmp_path: Path) -> None:
    blue = []
    for confidence in (np.array([1.0]), (np.arange(15) + 0.9) / 15):
        count = np.full(len(confidence), 7)
        draw_reliability(confidence, np.ones(len(confidence)), count, tmp_path / "r.png", bins=15, title="val")
        blue.append(_blue(tmp_path / "r.png"))
    assert blue[1] > 8 * blue[0] > 0
