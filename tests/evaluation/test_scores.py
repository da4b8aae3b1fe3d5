from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gcvideo.errors import InputError
from gcvideo.evaluation.metrics import accuracies, confusion
from gcvideo.evaluation.scores import VideoScores, describe_incomplete
from gcvideo.records import NO_VIDEO, Batch, Evaluation, ExpectedViews, Sample


def _batch(videos: list[int], views: list[int], failures: dict[int, str] | None = None) -> Batch:
    clips = torch.zeros(len(views), 3, 1, 4, 4, dtype=torch.uint8)
    failures = failures or {}
    samples = [
        Sample(clips, v % 3, v, torch.tensor(views), failures.get(v, ""), is_valid=v not in failures) for v in videos
    ]
    return Batch.collate(samples)


def _logits(videos: int, views: int) -> Tensor:
    return torch.randn(videos * views, 3, generator=torch.Generator().manual_seed(0))


def test_views_of_a_video_are_averaged_as_probabilities() -> None:
    scores, logits = VideoScores(), _logits(2, 2)
    scores.update(_batch([4, 1], [0, 1]), logits)
    result = scores.compute()
    assert result.video_indices.tolist() == [1, 4]
    assert result.labels.tolist() == [1, 1]
    torch.testing.assert_close(result.probabilities[0], logits[2:].softmax(dim=1).mean(dim=0))
    torch.testing.assert_close(result.probabilities[1], logits[:2].softmax(dim=1).mean(dim=0))
    torch.testing.assert_close(
        torch.tensor(result.loss), torch.nn.functional.cross_entropy(logits, torch.ones(4).long())
    )


def test_views_may_come_in_parts_and_any_order() -> None:
    logits = _logits(3, 2)
    whole, parts = VideoScores(), VideoScores()
    whole.update(_batch([0, 1, 2], [0, 1]), logits)
    for view in (1, 0):
        for video in (2, 0, 1):
            parts.update(_batch([video], [view]), logits[2 * video + view][None])
    assert torch.equal(whole.compute().probabilities, parts.compute().probabilities)


def test_repeat_that_fills_a_batch_counts_once() -> None:
    scores, logits = VideoScores(), _logits(3, 1)
    scores.update(_batch([0, 1, 0], [0]), logits[[0, 1, 0]])
    result = scores.compute()
    assert result.video_indices.tolist() == [0, 1]
    torch.testing.assert_close(result.probabilities, logits[:2].softmax(dim=1))


def test_unreadable_video_is_reported_and_has_no_row() -> None:
    scores = VideoScores()
    scores.update(_batch([0, 1, 2], [0], {1: "b.mp4: broken"}), _logits(3, 1))
    result = scores.compute()
    assert result.video_indices.tolist() == [0, 2]
    assert result.failures == ("b.mp4: broken",)


def test_video_with_an_unreadable_clip_keeps_the_score_of_the_others_and_is_named() -> None:
    scores, logits = VideoScores(), _logits(2, 2)
    scores.update(_batch([0, 1], [0, 1]), logits)
    scores.update(_batch([0, 1], [2, 3], {1: "b.mp4: broken"}), logits)
    result = scores.compute(ExpectedViews(("a.mp4", "b.mp4"), 4))
    torch.testing.assert_close(result.probabilities[1], logits[2:].softmax(dim=1).mean(dim=0))
    assert result.failures == ()
    assert result.incomplete == ("b.mp4: broken (2 of 4 views are scored)",)
    assert result.views.tolist()[result.video_indices.tolist().index(1)] == 2
    assert scores.compute().incomplete == ("b.mp4: broken (2 views are scored)",)
    assert result.num_views == 6


def test_views_that_never_arrive_are_missed() -> None:
    scores = VideoScores()
    scores.update(_batch([0, 1], [0, 1], {0: "a.mp4: broken"}), _logits(2, 2))
    expected = ExpectedViews(("a.mp4", "b.mp4", "c.mp4"), 3)
    result = scores.compute(expected)
    assert result.failures == ("a.mp4: broken",)
    assert result.incomplete == ("b.mp4: 2 of 3 views are scored", "c.mp4: 0 of 3 views are scored")
    assert result.video_indices.tolist() == [1]
    assert describe_incomplete(result) == (
        "2 video(s) are not scored in all views: b.mp4: 2 of 3 views are scored; c.mp4: 0 of 3 views are scored"
    )
    assert scores.compute().incomplete == ()


def test_few_of_many_incomplete_videos_are_named() -> None:
    scores = VideoScores()
    scores.update(_batch([0], [0]), _logits(1, 1))
    names = tuple(f"{number}.mp4" for number in range(9))
    line = describe_incomplete(scores.compute(ExpectedViews(names, 1)))
    assert line.startswith("8 video(s) are not scored in all views: 1.mp4: 0 of 1 views are scored; 2.mp4")
    assert line.endswith("; and 5 more")


def test_failures_are_of_their_videos_beside_items_that_only_fill_the_batch() -> None:
    scores = VideoScores()
    scores.update(_batch([NO_VIDEO, 1, NO_VIDEO, 2], [0], {1: "b.mp4: broken", NO_VIDEO: ""}), _logits(4, 1))
    result = scores.compute(ExpectedViews(("a.mp4", "b.mp4", "c.mp4"), 1))
    assert (result.video_indices.tolist(), result.failures) == ([2], ("b.mp4: broken",))
    assert result.incomplete == ("a.mp4: 0 of 1 views are scored",)


def test_nothing_readable_is_an_error() -> None:
    scores = VideoScores()
    scores.update(_batch([1], [0], {1: "b.mp4: broken"}), _logits(1, 1))
    with pytest.raises(ValueError, match=r"none of the 1 videos could be read: b\.mp4: broken"):
        scores.compute()


def _evaluation() -> Evaluation:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    labels = torch.tensor([0, 1, 2, 0])
    views = torch.full((4,), 2)
    return Evaluation(torch.arange(4), labels, probabilities, 8, 1 / 2, 7 / 8, 0.5, views=views)


def test_accuracies_by_hand() -> None:
    numbers = accuracies(_evaluation())
    assert numbers["top1"] == pytest.approx(2 / 4)
    assert [numbers["clip_top1"], numbers["clip_top5"]] == [1 / 2, 7 / 8]
    assert numbers["mean_class_top1"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert numbers["loss"] == 0.5


def test_fewer_than_five_classes_have_a_top5() -> None:
    assert accuracies(_evaluation())["top5"] == 1.0


def test_top5_counts_the_five_best() -> None:
    probabilities = torch.linspace(0, 1, 8).softmax(0).expand(8, 8)
    labels = torch.arange(8)
    numbers = accuracies(Evaluation(labels, labels, probabilities, 8, 0, 0, 0, views=torch.ones(8)))
    assert [numbers["top1"], numbers["top5"]] == pytest.approx([1 / 8, 5 / 8])


def test_confusion_has_the_true_class_in_the_row() -> None:
    assert confusion(_evaluation()).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_never_an_answer(value: float) -> None:
    scores, logits = VideoScores(), _logits(2, 2)
    logits[1, 2] = value
    scores.update(_batch([0, 1], [0, 1]), logits)
    with pytest.raises(InputError, match="not finite numbers for 1 of 4 clips: its weights have diverged"):
        scores.compute()
