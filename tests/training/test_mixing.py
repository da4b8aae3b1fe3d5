from __future__ import annotations

import torch

from gcvideo.training.mixing import Mixing


def _clips(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None, None].expand(-1, 3, 4, 16, 16).contiguous()


def test_no_mixing_leaves_the_clips_and_gives_one_hot_targets() -> None:
    clips = _clips([10, 20])
    mixed, targets = Mixing()(clips, torch.tensor([0, 2]), 3)
    assert mixed is clips
    assert targets.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_label_smoothing_spreads_over_all_classes() -> None:
    _, targets = Mixing(label_smoothing=0.3)(_clips([10]), torch.tensor([1]), 3)
    torch.testing.assert_close(targets, torch.tensor([[0.1, 0.8, 0.1]]))


def test_mixup_mixes_clips_and_targets_by_the_same_share() -> None:
    torch.manual_seed(0)
    mixed, targets = Mixing(mixup=1.0)(_clips([0, 255]), torch.tensor([0, 1]), 2)
    assert mixed.shape == (2, 3, 4, 16, 16)
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3, 4)), targets[:, 1])
    assert 0.01 < float(targets[0, 0]) < 0.99


def test_cutmix_cuts_the_same_box_from_every_frame() -> None:
    torch.manual_seed(1)
    mixed, targets = Mixing(cutmix=1.0)(_clips([0, 255]), torch.tensor([0, 1]), 2)
    assert torch.equal(mixed, mixed[:, :1, :1].expand_as(mixed))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3, 4)), targets[:, 1])
    assert set(torch.unique(mixed).tolist()) == {0.0, 1.0}


def test_same_seed_draws_the_same() -> None:
    mixing, clips, labels = Mixing(mixup=0.4, cutmix=0.4), _clips([0, 80, 255]), torch.tensor([0, 1, 2])
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append([mixing(clips, labels, 3) for _ in range(5)])
    for (first, first_targets), (second, second_targets) in zip(*results, strict=True):
        assert torch.equal(first, second)
        assert torch.equal(first_targets, second_targets)
