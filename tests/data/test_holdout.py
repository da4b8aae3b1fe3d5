from __future__ import annotations

import random

import pytest

from gcvideo.data.holdout import check_holdout, hold_out
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord
from tests.conftest import video_record


def _records(groups: int, clips: int, classes: int = 2) -> list[VideoRecord]:
    return [
        video_record(f"c{c}/v_x{c}_g{g:02d}_c{k:02d}.avi", label=c)
        for c in range(classes)
        for g in range(groups)
        for k in range(clips)
    ]


def test_no_group_is_on_both_sides() -> None:
    kept, held = hold_out(_records(20, 4), fraction=0.15, group=r"_g(\d+)_")
    sides = [{(record.label, record.path.split("_g")[1][:2]) for record in side} for side in (kept, held)]
    assert sides[0] & sides[1] == set()
    assert (len(kept), len(held)) == (2 * 17 * 4, 2 * 3 * 4)


def test_classes_with_the_same_persons_hold_out_the_same_ones() -> None:
    records = [
        video_record(f"c{c}/person{p:02d}_take{k}.mp4", label=c) for c in range(3) for p in range(15) for k in range(2)
    ]
    kept, held = hold_out(records, fraction=0.2, group=r"(person\d+)_")
    persons = [{record.path.split("/")[1][:8] for record in side} for side in (kept, held)]
    assert (len(persons[1]), persons[0] & persons[1]) == (3, set())


def test_every_class_gives_the_same_share() -> None:
    _, held = hold_out(_records(10, 2, classes=5), fraction=0.2, group=r"_g(\d+)_")
    assert [sum(record.label == c for record in held) for c in range(5)] == [4] * 5


def test_choice_does_not_depend_on_the_order() -> None:
    records = _records(10, 2)
    shuffled = random.Random(0).sample(records, len(records))
    _, held = hold_out(records, fraction=0.2, group=r"_g(\d+)_")
    _, held_shuffled = hold_out(shuffled, fraction=0.2, group=r"_g(\d+)_")
    assert {r.path for r in held} == {r.path for r in held_shuffled}


def test_without_a_pattern_each_file_stands_for_itself() -> None:
    kept, held = hold_out(_records(2, 10), fraction=0.1, group=None)
    assert (len(kept), len(held)) == (36, 4)


def test_single_group_cannot_be_split() -> None:
    with pytest.raises(InputError, match=r"no class has two groups.*--data.holdout=0.*--data.group=null"):
        hold_out(_records(1, 8), fraction=0.2, group=r"_g(\d+)_")


def test_bad_pattern_and_fraction_are_refused() -> None:
    with pytest.raises(InputError, match="not a regular expression"):
        check_holdout(0.2, "(")
    with pytest.raises(InputError, match=r"data.holdout is 1.2; expected a share"):
        check_holdout(1.2, None)


def test_alternatives_in_a_pattern_group_by_the_one_that_matched() -> None:
    records = _records(4, 3, classes=1)
    kept, held = hold_out(records, fraction=0.5, group=r"_g(00|01)_|_g(\d+)_")
    groups = [{record.path.split("_g")[1][:2] for record in side} for side in (kept, held)]
    assert groups[0] | groups[1] == {"00", "01", "02", "03"}
    assert (len(groups[0]), len(groups[1]), groups[0] & groups[1]) == (2, 2, set())


def test_without_training_videos_it_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="no training videos to hold some out of; put a folder per class into train/"):
        hold_out([], fraction=0.2, group=None)
