from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from gcvideo.errors import InputError
from gcvideo.training.class_weights import (
    ClassWeights,
    check_class_weights,
    class_weights,
    double_correction,
    weigh_targets,
)

WEIGHTS = torch.tensor([2.0, 0.5, 0.0])


def _weights(wanted: ClassWeights, counts: list[int], draws: list[float] | None = None) -> list[float]:
    weights = class_weights(wanted, counts, draws or counts)
    assert weights is not None
    return [float(weight) for weight in weights]


@pytest.mark.parametrize(
    ("wanted", "counts", "expected"),
    [
        ("inverse", [6, 3, 1], [10 / 18, 10 / 9, 10 / 3]),
        ("sqrt_inverse", [9, 1], [10 / 12, 30 / 12]),
        ("inverse", [5, 5], [1, 1]),
        ([1.0, 3.0], [3, 1], [2 / 3, 2]),
        ([4.0, 4.0, 4.0], [6, 3, 1], [1, 1, 1]),
    ],
)
def test_weights_have_a_mean_of_one_over_the_videos(
    wanted: ClassWeights, counts: list[int], expected: list[float]
) -> None:
    weights = _weights(wanted, counts)
    assert weights == pytest.approx(expected)
    assert sum(w * n for w, n in zip(weights, counts, strict=True)) / sum(counts) == pytest.approx(1)


@pytest.mark.parametrize("wanted", ["inverse", "sqrt_inverse", [1.0, 5.0, 1.0]])
def test_class_without_videos_leaves_the_others_as_they_would_be(wanted: ClassWeights) -> None:
    without = [1.0, 1.0] if isinstance(wanted, list) else wanted
    first, empty, last = _weights(wanted, [9, 0, 1])
    assert [first, last] == pytest.approx(_weights(without, [9, 1]))
    assert 0 <= empty < 100


def test_mean_is_one_over_the_clips_that_are_drawn_where_the_sampler_balances() -> None:
    weights = _weights("sqrt_inverse", [90, 10], [75.0, 25.0])
    assert weights[1] / weights[0] == pytest.approx(3)
    assert 0.75 * weights[0] + 0.25 * weights[1] == pytest.approx(1)


def test_no_weights_are_none() -> None:
    assert class_weights(None, [3, 1], [3, 1]) is None
    assert class_weights("none", [3, 1], [3, 1]) is None
    targets = torch.eye(3)
    assert weigh_targets(targets, None, 0.1) is targets


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([1.0, 2.0], "class_weights has 2 weights for 3 classes; expected none, inverse, sqrt_inverse or a list of 3"),
        ([1.0, -0.5, 2.0], r"class_weights has -0.5 for class 1 of 3 \(counted from 0\); expected 0 or more"),
        ([1.0, 1.0, float("nan")], "class_weights has nan for class 2 of 3"),
        ([1.0, 1.0, float("inf")], "class_weights has inf for class 2 of 3"),
        ([0.0, 0.0, 0.0], "class_weights is 0 for all 3 classes; expected at least one above 0"),
        ("invers", "class_weights is 'invers'; expected none, inverse, sqrt_inverse or a list of 3 weights"),
    ],
)
def test_weights_that_cannot_be_are_refused(wanted: ClassWeights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_class_weights(wanted, 3)


@pytest.mark.parametrize("wanted", [None, "none", "inverse", "sqrt_inverse", [0.0, 1.0, 2.0], [1, 1, 1]])
def test_weights_that_can_be_are_taken(wanted: ClassWeights) -> None:
    check_class_weights(wanted, 3)


def test_weights_that_leave_nothing_to_learn_are_refused() -> None:
    with pytest.raises(InputError, match=r"is 0 for all of the 2 classes \(of 3\) that have training videos"):
        class_weights([0.0, 1.0, 0.0], [3, 0, 4], [3, 0, 4])


def test_clip_counts_as_its_class_does() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    weighed = cross_entropy(logits, weigh_targets(one_hot(labels, 3).float(), WEIGHTS, 0.0))
    each = cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(weighed, (torch.tensor([2.0, 0.5, 0.0, 2.0]) * each).mean())
    torch.testing.assert_close(weighed, cross_entropy(logits, labels, WEIGHTS, reduction="sum") / 4)


def test_mixed_clip_counts_as_each_of_its_classes_by_its_share() -> None:
    logits, mixed = torch.randn(1, 3), torch.tensor([[0.3, 0.7, 0.0]])
    of_class = -logits.log_softmax(dim=1)[0]
    weighed = weigh_targets(mixed, WEIGHTS, 0.0)
    torch.testing.assert_close(cross_entropy(logits, weighed), 0.3 * 2.0 * of_class[0] + 0.7 * 0.5 * of_class[1])
    assert float(weighed.sum()) == pytest.approx(0.3 * 2.0 + 0.7 * 0.5)


@pytest.mark.parametrize("smoothing", [0.1, 0.6])
def test_what_is_smoothed_has_the_weight_of_the_true_class(smoothing: float) -> None:
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    targets = one_hot(labels, 3) * (1 - smoothing) + smoothing / 3
    weighed = cross_entropy(logits, weigh_targets(targets, WEIGHTS, smoothing), reduction="none")
    plain = cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(weighed, WEIGHTS[labels] * plain)


def test_mixed_and_smoothed_clip_is_the_mixture_of_two_smoothed_ones() -> None:
    logits, mixture = torch.randn(1, 3), torch.tensor([[0.3, 0.7, 0.0]])
    weighed = weigh_targets(mixture * 0.8 + 0.2 / 3, WEIGHTS, 0.2)
    of_class = [cross_entropy(logits, torch.tensor([k]), label_smoothing=0.2) for k in range(2)]
    torch.testing.assert_close(cross_entropy(logits, weighed), 0.3 * 2.0 * of_class[0] + 0.7 * 0.5 * of_class[1])


@pytest.mark.parametrize(
    ("wanted", "balance", "is_too_much"),
    [
        ("inverse", 1.0, True),
        ("inverse", 0.5, True),
        ("sqrt_inverse", 1.0, True),
        ("sqrt_inverse", 0.5, False),  # together the inverse
        ("inverse", 0.0, False),
        ([1.0, 2.0], 1.0, False),  # someone's own numbers
        (None, 1.0, False),
    ],
)
def test_correction_that_goes_past_equal_is_said(wanted: ClassWeights, balance: float, is_too_much: bool) -> None:
    said = double_correction(wanted, balance)
    assert said.startswith(f"--data.balance={balance:g} and --model.class_weights={wanted} both") is is_too_much
    assert bool(said) is is_too_much
