from __future__ import annotations

import pytest
import torch

from gcvideo.records import Batch, Sample


def _sample(index: int, failure: str = "") -> Sample:
    return Sample(
        torch.zeros(2, 3, 4, 8, 8, dtype=torch.uint8), 1, index, torch.arange(2), failure, is_valid=not failure
    )


def test_collate_stacks_and_marks_what_failed() -> None:
    batch = Batch.collate([_sample(5), _sample(7, "x.mp4: broken")])
    assert batch.clips.shape == (2, 2, 3, 4, 8, 8)
    assert batch.video_indices.tolist() == [5, 7]
    assert batch.view_indices.tolist() == [[0, 1], [0, 1]]
    assert batch.valid.tolist() == [[True, True], [False, False]]
    assert batch.failures == ("x.mp4: broken",)


def test_batch_moves_with_everything_in_it() -> None:
    moved = Batch.collate([_sample(5, "why")]).to("meta")
    tensors = (moved.clips, moved.labels, moved.video_indices, moved.view_indices, moved.valid)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.failures == ("why",)


@pytest.mark.parametrize(("field", "shape"), [("labels", (3,)), ("view_indices", (2, 3)), ("valid", (2,))])
def test_batch_refuses_shapes_that_do_not_belong_together(field: str, shape: tuple[int, ...]) -> None:
    good = Batch.collate([_sample(5), _sample(7)])
    fields = {name: getattr(good, name) for name in ("clips", "labels", "video_indices", "view_indices", "valid")}
    with pytest.raises(ValueError, match=r"expected .* got"):
        Batch(**{**fields, field: torch.zeros(shape)})


def test_batch_refuses_frames_last() -> None:
    one = torch.zeros(1)
    with pytest.raises(ValueError, match=r"expected clips \(B, V, 3, T, H, W\), got \(1, 1, 4, 8, 8, 3\)"):
        Batch(torch.zeros(1, 1, 4, 8, 8, 3), one, one, one, one)
