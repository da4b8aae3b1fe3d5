from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcvideo.data.balance import balanced_order, check_balance, class_quotas, describe_balance
from gcvideo.data.folder import VideoFolder
from gcvideo.errors import InputError
from gcvideo.records import Batch

WALK_AND_FALL = [0] * 90 + [1] * 10


def _epochs(labels: list[int], balance: float, epochs: Iterable[int], seed: int = 3) -> list[list[int]]:
    """The videos of some epochs; which time of an epoch each comes is left aside."""
    orders = [balanced_order(labels, balance, seed=seed, epoch=epoch) for epoch in epochs]
    return [(order % len(labels)).tolist() for order in orders]


@pytest.mark.parametrize(
    ("counts", "balance", "quotas"),
    [
        ([90, 10], 1.0, [50, 50]),
        ([90, 10], 0.5, [75, 25]),  # the roots are as 3 to 1
        ([90, 10], 0.0, [90, 10]),
        ([6, 0, 3], 1.0, [4.5, 0, 4.5]),
    ],
)
def test_class_comes_in_proportion_to_a_power_of_its_videos(
    counts: list[int], balance: float, quotas: list[float]
) -> None:
    assert class_quotas(np.array(counts), balance).tolist() == pytest.approx(quotas)


def test_epoch_has_the_classes_as_often_as_they_should_come() -> None:
    for balance, expected in {1.0: {0: 50, 1: 50}, 0.5: {0: 75, 1: 25}}.items():
        (videos,) = _epochs(WALK_AND_FALL, balance, [4])
        assert Counter(WALK_AND_FALL[video] for video in videos) == expected


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any),
    balance=st.sampled_from([0.25, 0.5, 0.9, 1.0]),
    seed=st.integers(0, 9),
)
def test_classes_are_exact_up_to_rounding_and_rounding_evens_out(counts: list[int], balance: float, seed: int) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    quotas, total = class_quotas(np.array(counts), balance), np.zeros(len(counts))
    for epoch, videos in enumerate(_epochs(labels, balance, range(6), seed), start=1):
        assert len(videos) == len(labels)
        now = np.bincount(np.array(labels)[videos], minlength=len(counts))
        assert (now >= np.floor(quotas - 1e-6)).all()
        assert (now <= np.ceil(quotas + 1e-6)).all()
        total += now
        assert np.abs(total - epoch * quotas).max() < 1


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_no_video_comes_again_before_all_of_its_class_have_come(balance: float) -> None:
    labels = [0] * 31 + [1] * 7 + [2] * 3
    seen: Counter[int] = Counter(dict.fromkeys(range(len(labels)), 0))
    for videos in _epochs(labels, balance, range(9)):
        seen.update(videos)
        for label in set(labels):
            times = [seen[video] for video in range(len(labels)) if labels[video] == label]
            assert max(times) - min(times) <= 1


def test_what_one_epoch_leaves_out_the_next_begins_with() -> None:
    first, second = (set(videos) for videos in _epochs(WALK_AND_FALL, 1.0, [0, 1]))
    assert len(first & set(range(90))) == 50
    assert first | second == set(range(100))


def test_order_is_a_function_of_seed_and_epoch_and_is_mixed() -> None:
    (first,) = _epochs(WALK_AND_FALL, 1.0, [2])
    assert _epochs(WALK_AND_FALL, 1.0, [2]) == [first]
    assert _epochs(WALK_AND_FALL, 1.0, [3]) != [first]
    assert _epochs(WALK_AND_FALL, 1.0, [2], seed=4) != [first]
    for start in range(0, 100, 20):
        assert {WALK_AND_FALL[video] for video in first[start : start + 20]} == {0, 1}


def test_each_time_that_a_video_comes_has_a_number_of_its_own() -> None:
    order = balanced_order(WALK_AND_FALL, 1.0, seed=0, epoch=0)
    falls = sorted(number for number in order.tolist() if number % 100 >= 90)
    assert falls == [video + 100 * time for time in range(5) for video in range(90, 100)]


@pytest.mark.parametrize("balance", [-0.1, 1.5, float("nan")])
def test_balance_out_of_range_is_refused(balance: float) -> None:
    with pytest.raises(InputError, match=r"data.balance is .*; expected 0 .* to 1 \(all equally often\)"):
        check_balance(balance)


def test_message_says_what_an_epoch_will_have() -> None:
    counts = np.array([340, 0, 12, 98])
    assert (
        describe_balance(counts, 1.0) == "classes have 12 to 340 videos; with --data.balance=1 each gives 150 an epoch"
    )
    assert describe_balance(counts[[0, 2]] - 1, 1.0).endswith("with --data.balance=1 each gives 175 an epoch")
    assert describe_balance(counts + 1, 1.0).endswith("each gives 113 or 114 an epoch")
    assert describe_balance(np.array([90, 10]), 0.5).endswith("with --data.balance=0.5 they give 25 to 75 an epoch")


def test_loader_gives_classes_equally_often_and_other_clips_of_a_video_that_comes_again(
    make_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = make_folder({"train/jump": 9, "train/run": 3, "val/jump": 1, "val/run": 1})
    data = VideoFolder(
        root=str(root), num_frames=2, frame_stride=1, crop_px=32, batch_size=4, num_workers=0, balance=1.0
    )
    data.prepare_data()
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert caplog.text.count("classes have 3 to 9 videos; with --data.balance=1 each gives 6 an epoch") == 1
    assert (data.class_counts.tolist(), data.class_draws.tolist()) == ([9, 3], [6, 6])
    batches = list(data.train_dataloader())
    labels, videos, clips = [], [], []
    for batch in batches:
        assert isinstance(batch, Batch)
        labels += batch.labels.tolist()
        videos += batch.video_indices.tolist()
        clips += list(batch.clips)
    assert Counter(labels) == {0: 6, 1: 6}
    runs = Counter(video for video, label in zip(videos, labels, strict=True) if label == 1)
    assert sorted(runs.values()) == [2, 2, 2]
    for video in runs:
        one, other = (clip for clip, index in zip(clips, videos, strict=True) if index == video)
        assert not torch.equal(one, other)
