from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gcvideo.errors import InputError
from gcvideo.evaluation.comparison import compared, paired
from tests.evaluation.tables import table


def test_rows_are_matched_by_video_and_part_whatever_their_order() -> None:
    """The same file twice, as two parts; the second table has them the other way round, and its classes, too."""
    parts: dict[str, Any] = {"videos": ("a", "a", "b"), "groups": ("a", "a", "b")}
    first = table([0, 1, 2], [0, 1, 1], starts=np.array([0.0, 2, 0]), ends=np.array([2.0, 4, 1]), **parts)
    second = first.taken([2, 1, 0])
    pair = paired(first, second)
    assert (pair.only_first, pair.only_second, pair.unread) == (0, 0, 0)
    np.testing.assert_array_equal(pair.second.starts, first.starts)
    found = compared(pair)
    assert (found.difference.accuracy, found.difference.p_value, found.changes) == (0, 1, [])


def test_classes_in_another_order_are_the_same_classes() -> None:
    first = table([0, 1, 1], [0, 1, 0], classes=("run", "jump"))
    second = table([1, 0, 0], [1, 0, 0], classes=("jump", "run"))
    found = compared(paired(first, second))
    assert (found.difference.only_first, found.difference.only_second) == (0, 1)
    assert [(change.name, change.first, change.second) for change in found.changes] == [("jump", 0.5, 1.0)]


def test_what_one_alone_has_is_counted_and_what_one_could_not_read_does_not_count() -> None:
    first, second = table([0, 1, 2, 0], [0, 1, 2, -1]), table([0, 1, 2, 0], [0, -1, 1, 0])
    pair = paired(first.taken([0, 1, 2]), second.taken([1, 2, 0, 3]))
    assert (pair.only_first, pair.only_second, pair.unread) == (0, 1, 1)
    assert pair.first.videos == ("/data/v0.mp4", "/data/v2.mp4")
    assert pair.second.hits.tolist() == [True, False]


def test_videos_that_lie_elsewhere_are_matched_below_their_folder() -> None:
    first = table([0, 1], [0, 1], videos=("/data/run/1.mp4", "/data/jump/1.mp4"))
    second = table([0, 1], [0, 1], videos=("/mnt/x/run/1.mp4", "/mnt/x/jump/1.mp4"))
    pair = paired(first, second)
    assert (pair.by_end_of_path, len(pair.first.videos), pair.only_first) == (True, 2, 0)


def test_video_that_is_listed_twice_stays_two() -> None:
    twice = table([0, 0, 1], [0, 1, 1], videos=("a", "a", "b"))
    pair = paired(twice, twice)
    assert (len(pair.first.videos), pair.only_first, pair.only_second) == (3, 0, 0)


def test_one_video_and_one_group_have_no_interval() -> None:
    for first, second in ((table([0], [0]), table([0], [1])), (table([0, 1], [0, 1], groups=("g", "g")),) * 2):
        found = compared(paired(first, second))
        assert (found.groups, found.intervals) == (1, None)
        assert 0 <= found.difference.p_value <= 1


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (table([0], [0], classes=("class 0", "class 1", "other")), "'class 2' is not among those of the second"),
        (table([0], [0], num_classes=4), "'class 3' is not among those of the first"),
        (table([1], [0]), "/data/v0.mp4 is 'class 0' in the first and 'class 1' in the second"),
        (table([0], [-1]), "no video in common that both could read"),
        (table([0, 0], [0, 0], videos=("/x/a/b.mp4", "/x/c.mp4")), "no video in common"),
    ],
    ids=["other class", "one more class", "other label", "unread", "other videos"],
)
def test_tables_that_cannot_be_compared_are_refused(second: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        paired(table([0], [0]), second)  # type: ignore[arg-type]
