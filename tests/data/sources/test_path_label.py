from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.annotations import Annotations, read_annotations
from gcvideo.errors import InputError
from tests.data.sources.conftest import Read, Touch, Write


def _rows(found: Annotations) -> list[tuple[str, str]]:
    return [(path.name, found.classes[label]) for path, label, *_ in found.entries]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "  ", " \t"])
def test_any_separator_is_read(touch: Touch, write: Write, read: Read, separator: str) -> None:
    touch("a.mp4", "b.avi")
    found = read(write("train.csv", f"a.mp4{separator}1\nb.avi{separator}0\n"))
    assert found.classes == ("0", "1")
    assert [(path.name, label) for path, label, *_ in found.entries] == [("a.mp4", 1), ("b.avi", 0)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("my cat.mp4 run", "my cat.mp4"),
        ("a, b.mp4,run", "a, b.mp4"),
        ("a.mp4 b.mp4 run", "a.mp4 b.mp4"),
        ('"my cat.mp4" run', "my cat.mp4"),
        ('"say ""hi"".mp4",run', 'say "hi".mp4'),
        ('say "hi".mp4 run', 'say "hi".mp4'),
        ('"hi" she says.mp4 run', '"hi" she says.mp4'),
        ('"two\nlines.mp4" run', "two\nlines.mp4"),
        ("$(touch x).mp4 run", "$(touch x).mp4"),
        ("ü 跳.mp4\trun", "ü 跳.mp4"),
        ("it's;x.mp4 run", "it's;x.mp4"),
        ('a.mp4,"run"', "a.mp4"),
    ],
)
def test_names_with_blanks_and_quotes_survive(touch: Touch, write: Write, read: Read, line: str, name: str) -> None:
    touch(name, "x.mp4")
    found = read(write("train.txt", f"{line}\nx.mp4 jump\n"))
    assert _rows(found) == [(name, "run"), ("x.mp4", "jump")]
    assert found.notes == ()


def test_class_names_may_have_blanks(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    assert _rows(read(write("train.csv", "a.mp4 playing guitar\nb.mp4,riding a bike\n"))) == [
        ("a.mp4", "playing guitar"),
        ("b.mp4", "riding a bike"),
    ]


def test_numbers_take_their_names_from_the_class_list(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    found = read(write("train.txt", "a.mp4 2\nb.mp4 0\n"), classes=("jump", "walk", "run"))
    assert _rows(found) == [("a.mp4", "run"), ("b.mp4", "jump")]


def test_paths_may_be_absolute_or_lead_upwards_or_lie_below_root_and_split(
    tmp_path: Path, touch: Touch, write: Write, read: Read
) -> None:
    touch("far/a.mp4", "up.mp4", "k400/train/run/c.mp4", "k400/videos_train/run/d.mp4", "k400/e.webm")
    lines = [f"{tmp_path}/far/a.mp4 0", "../up.mp4 1", "run/c.mp4 0", "run/d.mp4 1", "e 0", "run\\c.mp4 0", "/e.webm 0"]
    found = read(write("k400/train.csv", "\n".join(lines)), root=tmp_path / "k400")
    assert [path.resolve().relative_to(tmp_path).as_posix() for path, *_ in found.entries] == [
        "far/a.mp4",
        "up.mp4",
        "k400/train/run/c.mp4",
        "k400/videos_train/run/d.mp4",
        "k400/e.webm",
    ]
    assert found.notes == (f"2 videos are listed twice and kept once, the first: {tmp_path}/k400/train/run/c.mp4 "
                           f"({tmp_path}/k400/train.csv, line 6)",)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("kinetics400_val_list_videos.txt", "val"),
        ("testlist.txt", "test"),
        ("my-training-set.txt", "train"),
        ("contest.txt", "train"),
    ],
)
def test_split_is_in_the_name_of_the_list(touch: Touch, write: Write, read: Read, name: str, split: str) -> None:
    touch("a.mp4", "b.mp4")
    found = read(write(name, "a.mp4 0\nb.mp4 1\n"))
    assert {entry.split for entry in found.entries} == {split}
    assert found.notes == (() if name != "contest.txt" else (
        "no split is said, so all videos are for training; say another one with --split",))  # fmt: skip


def test_split_that_is_asked_for_goes_before_the_name(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    found = read(write("train.csv", "a.mp4 0\nb.mp4 1\n"), split="test")
    assert {entry.split for entry in found.entries} == {"test"}


def test_several_lists_make_one_set_and_validation_may_be_the_test(
    tmp_path: Path, touch: Touch, write: Write, read: Read
) -> None:
    touch("a.mp4", "b.mp4")
    train, val = write("train.csv", "a.mp4 0\n"), write("val.csv", "b.mp4 1\n")
    write("test.csv", "b.mp4 1\n")
    assert [(e.path.name, e.split) for e in read(train, val).entries] == [("a.mp4", "train"), ("b.mp4", "val")]
    assert [e.split for e in read(tmp_path).entries] == ["train", "val", "test"]


def test_lists_go_before_class_folders_and_say_so(tmp_path: Path, touch: Touch, write: Write, read: Read) -> None:
    touch("run/a.mp4", "jump/b.mp4")
    write("train.csv", "run/a.mp4 1\njump/b.mp4 0\n")
    found = read(tmp_path)
    assert found.classes == ("0", "1")
    assert found.notes == (
        f"{tmp_path}: took the labels from train.csv; --format class_folders takes them from the names of the folders",
    )
    assert read(tmp_path, format_name="class_folders").classes == ("jump", "run")


def test_folders_of_pictures_may_have_their_number_before_the_label(touch: Touch, write: Write, read: Read) -> None:
    touch("a/1.jpg", "b/1.jpg", "my clip/1.jpg")
    found = read(write("train.txt", "a 120 1\nb 7 0\nmy clip 1\n"), fps=30)
    assert [(entry.path.name, entry.label, entry.fps) for entry in found.entries] == [
        ("a", 1, 30),
        ("b", 0, 30),
        ("my clip", 1, 30),
    ]


def test_comments_and_blank_lines_are_passed_over_but_not_a_name_with_a_hash(
    touch: Touch, write: Write, read: Read
) -> None:
    touch("a.mp4", "#b.mp4")
    found = read(write("train.txt", "# path label\n\na.mp4 run\n#gone now\n# c.mp4 run\n#b.mp4 jump\n"))
    assert _rows(found) == [("a.mp4", "run"), ("#b.mp4", "jump")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("id,class\na.mp4,run", "train.txt: its first line is 'id,class'; expected one of these formats"),
        ("a.mp4 99999999999999999999", "labels are 1 of the numbers 0 to 99999999999999999999; number them from 0"),
        ("a.mp4 0 3 5", "train.txt, line 1: label is '0 3 5'; several labels for a video are not supported, keep one"),
        ("a.mp4 0\nb.mp4 1;2", "line 2: label is '1;2'; several labels"),
        ("a.mp4,run,val", "has more than a path and a label; name the columns in a first line"),
        ("a.mp4 0\nb.mp4 run", r"numbers and names mixed: 0 \(.*line 1\) and 'run' \(.*line 2\)"),
        ("a.mp4 0\nb.mp4", "line 2: 'b.mp4' is not a path and a label with a separator between them"),
        ("a.mp4 0\na.mp4 1", "line 2: .*a.mp4 has the label '1' here and '0' in .*line 1; several labels"),
        ("a.mp4 -1", "line 1: label -1; expected 0 or more"),
        ("a.mp4 Run\nb.mp4 run", "classes 'Run' and 'run' differ only in case; rename one, or"),
        ("a.mp4 0\nb.mp4 5000", "labels are 2 of the numbers 0 to 5000; number them from 0 on, or name all classes"),
        ("https://x.org/a.mp4 0", "line 1: https://x.org/a.mp4 is on the network; fetch it first"),
        ("c.mp4 0\nd.mp4 1", r"none of the 2 listed videos is there; the first: .*c.mp4 .*line 1.*; .*--root"),
        ("a.mp4 #win", "line 1: '#win' cannot be a class name"),
    ],
)
def test_mistake_is_named_with_its_line(touch: Touch, write: Write, read: Read, lines: str, message: str) -> None:
    touch("a.mp4", "b.mp4")
    with pytest.raises(InputError, match=message):
        read(write("train.txt", lines))


def test_video_for_training_and_for_evaluation_is_refused(
    tmp_path: Path, touch: Touch, write: Write, read: Read
) -> None:
    touch("a.mp4", "b.mp4")
    write("train.csv", "a.mp4 0\nb.mp4 1\n")
    write("val.csv", "./b.mp4 1\n")
    with pytest.raises(InputError, match=r"val.csv, line 1: .*b.mp4 is for val here and for train in .*, line 2"):
        read(tmp_path)


def test_missing_videos_are_counted_and_stay_listed(tmp_path: Path, touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4")
    found = read(write("train.txt", "a.mp4 0\nb.mp4 1\nc.mp4 1\n"))
    assert found.notes == (
        f"2 of 3 listed videos are missing, the first: {tmp_path}/b.mp4 ({tmp_path}/train.txt, line 2)",
    )
    assert [path.name for path, *_ in found.entries] == ["a.mp4", "b.mp4", "c.mp4"]


def test_header_of_unknown_columns_does_not_become_a_class(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    (tmp_path / "list.csv").write_text("vid,target\na.mp4,cello\nb.mp4,shot\n")
    with pytest.raises(InputError, match=r"line 1: 'vid' is not there and nothing else has the label 'target'"):
        read_annotations([tmp_path / "list.csv"])
