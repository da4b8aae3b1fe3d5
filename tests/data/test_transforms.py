from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcvideo.data.transforms import Augmentation, EvalTransform, TrainTransform


def test_centre_crop_takes_the_middle() -> None:
    frames = torch.zeros(2, 8, 16, 3, dtype=torch.uint8)
    frames[:, :, 4:12] = 200
    (view,) = EvalTransform(8, 8)(frames)
    assert view.shape == (3, 2, 8, 8)
    assert torch.unique(view).tolist() == [200]


def test_three_crops_lie_along_the_long_side() -> None:
    columns = torch.arange(24, dtype=torch.uint8)
    frames = columns[None, None, :, None].expand(1, 8, 24, 3).contiguous()
    assert [int(view[0, 0, 0, 0]) for view in EvalTransform(8, 8, 3)(frames)] == [0, 8, 16]
    assert [int(view[0, 0, 0, 0]) for view in EvalTransform(8, 8, 3)(frames.transpose(1, 2))] == [0, 8, 16]


@given(st.integers(6, 40), st.integers(6, 40))
def test_any_shape_gives_the_crop(height: int, width: int) -> None:
    frames = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    for transform in (EvalTransform(12, 10, 3), TrainTransform(10, Augmentation(jitter=0.4))):
        for view in transform(frames):
            assert view.shape == (3, 2, 10, 10)
            assert view.dtype == torch.uint8


def test_one_draw_holds_for_all_frames_of_a_clip() -> None:
    frames = torch.randint(0, 256, (1, 20, 30, 3), dtype=torch.uint8).expand(6, -1, -1, -1)
    (view,) = TrainTransform(16, Augmentation(jitter=0.4, hue=0.2, grayscale=0.5))(frames)
    assert torch.equal(view, view[:, :1].expand_as(view))


def test_grayscale_takes_the_colours_of_all_frames() -> None:
    frames = torch.randint(0, 256, (3, 20, 30, 3), dtype=torch.uint8)
    (view,) = TrainTransform(16, Augmentation(grayscale=1.0))(frames)
    assert torch.equal(view, view[:1].expand_as(view))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"area": (0.5, 1.5)}, r"augmentation.area is \(0.5, 1.5\)"),
        ({"aspect": (0, 1)}, "augmentation.aspect"),
        ({"flip": 2}, "augmentation.flip is 2; expected 0 to 1"),
        ({"jitter": 3}, "augmentation.jitter is 3"),
        ({"hue": 0.6}, "augmentation.hue is 0.6; expected 0 to 0.5"),
    ],
)
def test_augmentation_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_no_flip_keeps_left_on_the_left() -> None:
    frames = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    frames[:, :, :8] = 200
    transform = TrainTransform(16, Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0))
    assert all(int(transform(frames)[0][0, 0, 0, 0]) == 200 for _ in range(20))


def test_other_numbers_of_crops_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or 3 crops, got 2"):
        EvalTransform(8, 8, 2)
    with pytest.raises(ValueError, match="crop_px 9 is larger than short_side_px 8"):
        EvalTransform(8, 9)
