from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.annotations import read_annotations
from gcvideo.errors import InputError
from tests.data.sources.conftest import Read, Touch, Write

HEADER = "label,youtube_id,time_start,time_end,split"


@pytest.mark.parametrize(
    "place",
    [
        "riding a bike/-3B32lodo2M_000059_000069.mp4",
        "riding_a_bike/-3B32lodo2M_000059_000069.mkv",
        "-3B32lodo2M_000059_000069.mp4",
        "-3B32lodo2M.webm",
        "train/riding a bike/-3B32lodo2M_000059_000069.mp4",
        "train/riding_a_bike/-3B32lodo2M.mp4",
        "train/-3B32lodo2M_000059_000069.mp4",
        "videos/train/-3B32lodo2M_000059_000069.mp4",
    ],
)
def test_usual_places_and_names_are_found(tmp_path: Path, touch: Touch, write: Write, read: Read, place: str) -> None:
    touch(f"k400/{place}", "k400/yoga/0wR5jVB-WPk_000417_000427.mp4")
    path = write("train.csv", f"{HEADER}\nriding a bike,-3B32lodo2M,59,69,train\nyoga,0wR5jVB-WPk,417,427,train\n")
    found = read(path, root=tmp_path / "k400")
    assert found.classes == ("riding a bike", "yoga")
    assert found.entries[0][:5] == (tmp_path / "k400" / place, 0, "train", 0.0, None)
    assert found.notes == ()


def test_official_lists_in_a_folder_beside_the_videos_need_no_root(
    tmp_path: Path, touch: Touch, write: Write, read: Read
) -> None:
    touch("k/train/a_000000_000010.mp4", "k/val/b_000005_000015.mp4")
    write("k/annotations/train.csv", f"{HEADER}\r\nyoga,a,0,10,train\r\n")
    write("k/annotations/validate.csv", f'{HEADER}\r\n"massaging person\'s head",b,5,15,validate\r\n')
    found = read(tmp_path / "k" / "annotations")
    assert found.classes == ("massaging person's head", "yoga")
    assert [(entry.path.resolve().name, entry.split) for entry in found.entries] == [
        ("a_000000_000010.mp4", "train"),
        ("b_000005_000015.mp4", "val"),
    ]


def test_missing_videos_are_counted_with_the_place_where_they_are_expected(
    tmp_path: Path, touch: Touch, write: Write, read: Read
) -> None:
    touch("val/yoga/a_000000_000010.mp4")
    path = write("val.csv", f"{HEADER}\nyoga,a,0,10,val\nyoga,b,0,10,val\nyoga,c,0,10,val\n")
    found = read(path, root=tmp_path)
    expected = tmp_path / "val" / "yoga" / "b_000000_000010.mp4"
    assert found.notes == (f"2 of 3 listed videos are missing, the first: {expected} ({path}, line 3)",)
    assert found.entries[1].path == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "youtube_id,time_start,time_end,split\na,0,10,test\n",
            "no column label: a list without labels, such as",
        ),
        (f"{HEADER}\n", "some.csv: no video is listed in it"),
        (f"{HEADER}\n,a,0,10,test\n", "line 2: no label; delete the line, or take a list with labels"),
        (f"{HEADER}\nyoga,a,0,10,replacement\n", "line 2: split is 'replacement', expected one of train.*--split"),
        (f"{HEADER}\nyoga,a,zero,10,train\n", "line 2: time_start and time_end are not seconds"),
        (f"{HEADER}\nyoga,a,0,10,train\nYoga,b,0,10,train\n", "classes 'Yoga' and 'yoga' differ only in case"),
    ],
)
def test_list_that_cannot_be_trained_on_is_refused(
    touch: Touch, write: Write, read: Read, content: str, message: str
) -> None:
    touch("a.mp4", "b.mp4")
    with pytest.raises(InputError, match=message):
        read(write("some.csv", content))


def test_class_that_the_list_does_not_have_is_named_with_the_one_that_is_near(
    touch: Touch, write: Write, read: Read
) -> None:
    touch("a.mp4")
    with pytest.raises(InputError, match=r"line 2: class 'yogas' is not .*2 names; did you mean 'yoga'"):
        read(write("train.csv", f"{HEADER}\nyogas,a,0,10,train\n"), classes=("yoga", "zumba"))


def test_list_without_labels_beside_others_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "id_000001_000011.mp4").touch()
    (tmp_path / "train.csv").write_text("label,youtube_id,time_start,time_end,split\nrun,id,1,11,train\n")
    (tmp_path / "test.csv").write_text("youtube_id,time_start,time_end,split\nother,1,11,test\n")
    annotations = read_annotations([tmp_path / "train.csv", tmp_path / "test.csv"])
    assert [entry.split for entry in annotations.entries] == ["train"]
    assert f"passed over {tmp_path / 'test.csv'}: it has no labels" in annotations.notes
