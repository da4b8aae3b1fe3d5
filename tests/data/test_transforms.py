from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from gcvideo.data.transforms import Augmentation, EvalTransform, TrainTransform, unflipped_labels
from gcvideo.errors import InputError

GREY = 115
WHOLE: dict[str, Any] = {"area": (1.0, 1.0), "aspect": (1.0, 1.0), "flip": 0.0}  # a square is neither cut nor flipped


def test_centre_crop_takes_the_middle() -> None:
    frames = torch.zeros(2, 8, 16, 3, dtype=torch.uint8)
    frames[:, :, 4:12] = 200
    (view,) = EvalTransform(8, 8)(frames)
    assert view.shape == (3, 2, 8, 8)
    assert torch.unique(view).tolist() == [200]


@pytest.mark.parametrize(("number", "places"), [(2, [0, 16]), (3, [0, 8, 16]), (5, [0, 4, 8, 12, 16])])
def test_crops_lie_along_the_long_side_at_equal_distances(number: int, places: list[int]) -> None:
    columns = torch.arange(24, dtype=torch.uint8)
    frames = columns[None, None, :, None].expand(1, 8, 24, 3).contiguous()
    assert [int(view[0, 0, 0, 0]) for view in EvalTransform(8, 8, number)(frames)] == places
    assert [int(view[0, 0, 0, 0]) for view in EvalTransform(8, 8, number)(frames.transpose(1, 2))] == places


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


def test_one_draw_of_randaugment_and_erasing_holds_for_all_frames() -> None:
    frames = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8).expand(6, -1, -1, -1)
    transform = TrainTransform(32, Augmentation(**WHOLE, randaugment=2, randaugment_magnitude=30, erasing=0.5))
    views = [transform(frames)[0] for _ in range(60)]
    assert all(torch.equal(view, view[:, :1].expand_as(view)) for view in views)
    assert all(view.dtype == torch.uint8 for view in views)
    assert len({tuple(view.flatten().tolist()) for view in views}) > 40, "clips differ from each other"


def test_frames_that_differ_are_moved_alike() -> None:
    """A bright column wanders over the clip; after RandAugment's shifts its way is the same."""
    frames = torch.full((4, 40, 40, 3), GREY, dtype=torch.uint8)
    for number, frame in enumerate(frames):
        frame[:, 16 + number] = 255
    transform = TrainTransform(40, Augmentation(**WHOLE, randaugment=1, randaugment_magnitude=12))
    moved = 0
    for _ in range(60):
        (view,) = transform(frames)
        rows = view[0, :, 20].int()  # (T, W)
        places = (rows - rows.median(dim=1, keepdim=True).values).abs().argmax(dim=1).tolist()
        moved += places[0] != 16
        assert [place - places[0] for place in places] == [0, 1, 2, 3]
    assert moved > 5


def test_what_randaugment_uncovers_is_grey_without_a_rim() -> None:
    frames = torch.full((2, 40, 40, 3), 255, dtype=torch.uint8)
    transform = TrainTransform(40, Augmentation(**WHOLE, randaugment=1, randaugment_magnitude=20))
    found = {tuple(torch.unique(transform(frames)[0]).tolist()) for _ in range(60)}
    assert (GREY, 255) in found
    assert all(len(values) == 1 or values == (GREY, 255) for values in found)


def test_erasing_greys_one_box_after_all_else() -> None:
    frames = torch.randint(200, 256, (3, 40, 40, 3), dtype=torch.uint8)
    transform = TrainTransform(40, Augmentation(**WHOLE, grayscale=1.0, erasing=1.0))
    for _ in range(20):
        (view,) = transform(frames)
        erased = view == GREY
        rows, columns = (erased[0, 0].any(dim=axis).sum() for axis in (1, 0))
        assert torch.equal(erased, erased[:1, :1].expand_as(erased))
        assert int(erased[0, 0].sum()) == int(rows) * int(columns)
        assert 0.01 < int(rows) * int(columns) / 1600 < 0.36


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, []),
        ({"jitter": 0.4, "hue": 0.1, "grayscale": 0.2}, [v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.RandomGrayscale(0.2)]),
        (
            {"jitter": 0.4, "randaugment": 2, "erasing": 0.5},
            [v2.ColorJitter(0.4, 0.4, 0.4, 0.0), v2.RandAugment(2, 9, fill=GREY), v2.RandomErasing(0.5, value=GREY)],
        ),
    ],
)
def test_clip_is_that_of_torchvisions_pipeline_bit_for_bit(options: dict[str, Any], steps: list[Any]) -> None:
    frames = torch.randint(0, 256, (4, 30, 40, 3), dtype=torch.uint8)
    cut = v2.RandomResizedCrop(24, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), antialias=True)
    whole = v2.Compose([cut, v2.RandomHorizontalFlip(0.5), *steps])
    transform = TrainTransform(24, Augmentation(**options))
    for seed in range(30):
        torch.manual_seed(seed)
        expected = whole(frames.permute(0, 3, 1, 2)).transpose(0, 1)
        drawn = torch.rand(1)
        torch.manual_seed(seed)
        assert torch.equal(transform(frames)[0], expected)
        assert torch.equal(torch.rand(1), drawn), "and as many numbers are drawn"


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
        ({"randaugment": -1}, "augmentation.randaugment is -1; expected 0 or more operations"),
        ({"randaugment_magnitude": 31}, "augmentation.randaugment_magnitude is 31; expected 0 to 30"),
        ({"erasing": 1.5}, "augmentation.erasing is 1.5; expected 0 to 1"),
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


def test_class_that_keeps_its_direction_is_never_flipped_and_the_others_are() -> None:
    augmentation = Augmentation(flip=1.0, keep_direction=("throw",), jitter=0.4, erasing=0.5)
    transform = TrainTransform(16, augmentation, unflipped_labels(augmentation, ["run", "throw"]))
    frames = torch.randint(0, 256, (2, 20, 30, 3), dtype=torch.uint8)
    for seed in range(20):
        views = []
        for label, flip in ((1, 0.0), (0, 1.0)):
            torch.manual_seed(seed)
            views.append(transform(frames, label)[0])
            torch.manual_seed(seed)
            assert torch.equal(
                views[-1], TrainTransform(16, Augmentation(flip=flip, jitter=0.4, erasing=0.5))(frames)[0]
            )
        assert not torch.equal(*views)


def test_labels_of_classes_that_keep_their_direction() -> None:
    classes = ["left", "run", "right"]
    assert unflipped_labels(Augmentation(keep_direction=("right", "left")), classes) == {0, 2}
    assert unflipped_labels(Augmentation(), classes) == frozenset()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("rigth", "did you mean 'right'?"), ("swim", "there are left, right, c0, c1, c2, c3, c4, c5 and 2 more")],
)
def test_direction_of_an_unknown_class_is_refused(name: str, hint: str) -> None:
    classes = ["left", "right", *(f"c{number}" for number in range(8))]
    with pytest.raises(InputError) as error:
        unflipped_labels(Augmentation(keep_direction=("left", name)), classes)
    assert str(error.value) == f"augmentation.keep_direction: no class is called {name!r}; {hint}"


def test_direction_is_not_forgotten_in_silence() -> None:
    augmentation = Augmentation(keep_direction=("left",))
    with pytest.raises(ValueError, match="names classes; expected their labels"):
        TrainTransform(16, augmentation)
    with pytest.raises(ValueError, match="expected the label of the clip, got None"):
        TrainTransform(16, augmentation, frozenset([0]))(torch.zeros(2, 20, 20, 3, dtype=torch.uint8))


def test_views_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1 crop, got 0"):
        EvalTransform(8, 8, 0)
    with pytest.raises(ValueError, match="crop_px 9 is larger than short_side_px 8"):
        EvalTransform(8, 9)
