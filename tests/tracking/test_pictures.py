from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gcvideo.tracking.pictures import draw_confusion, draw_curves


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_curves_of_a_run_are_drawn(tmp_path: Path) -> None:
    rows = [{"step": s, "train/loss": 2.0 - s / 10, "val/top1": s / 10} for s in range(10)]
    draw_curves(rows, tmp_path / "full.png")
    draw_curves([{"step": 0, "train/loss": "nan"}], tmp_path / "empty.png")
    full, empty = (_pixels(tmp_path / f"{name}.png") for name in ("full", "empty"))
    assert full.shape == empty.shape == (440, 1100, 3)
    blue = np.array([31, 119, 180])
    assert (np.abs(full.astype(int) - blue).sum(axis=-1) < 60).sum() > 50
    assert (np.abs(empty.astype(int) - blue).sum(axis=-1) < 60).sum() == 0


def test_confusion_of_many_classes_fits(tmp_path: Path) -> None:
    for count in (2, 8, 400):
        draw_confusion(np.eye(count), [f"class {k}" for k in range(count)], tmp_path / "c.png", title="val")
        height, width, _ = _pixels(tmp_path / "c.png").shape
        assert 300 < width < 1500
        assert 300 < height < 1500


def test_class_names_are_no_formulas(tmp_path: Path) -> None:
    draw_confusion(np.eye(2), ["$x_{$", "a $b$"], tmp_path / "c.png", title="val")
    assert (tmp_path / "c.png").is_file()
