"""UCF101, HMDB51, Something-Something v2 and Diving48, in the formats in which they are published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcvideo.data.annotations import Annotations
from gcvideo.errors import InputError
from tests.data.sources.conftest import Read, Touch, Write


def _rows(found: Annotations) -> list[tuple[str, str, str]]:
    return [(entry.path.name, found.classes[entry.label], entry.split) for entry in found.entries]


@pytest.fixture
def ucf(touch: Touch, write: Write) -> Path:
    """Two classes whose numbers are not in the order of the alphabet; two folds; the videos lie beside."""
    write("splits/classInd.txt", "1 YoYo\r\n2 Archery\r\n")
    for fold, train, test in ((1, 1, 2), (2, 2, 1)):
        write(f"splits/trainlist0{fold}.txt", "".join(f"{c}/v_{c}_g0{train}_c01.avi {n}\r\n" for n, c in _UCF))
        write(f"splits/testlist0{fold}.txt", "".join(f"{c}/v_{c}_g0{test}_c01.avi\r\n" for _, c in _UCF))
    touch("UCF-101/YoYo/v_YoYo_g01_c01.avi", "UCF-101/YoYo/v_YoYo_g02_c01.avi")
    touch("UCF-101/Archery/v_Archery_g01_c01.avi", "UCF-101/Archery/v_Archery_g02_c01.mp4")
    return touch() / "splits"


_UCF = [(2, "Archery"), (1, "YoYo")]


def test_ucf101_folder_is_its_first_fold(ucf: Path, read: Read) -> None:
    found = read(ucf)
    assert found.classes == ("YoYo", "Archery")
    assert _rows(found) == [
        ("v_Archery_g01_c01.avi", "Archery", "train"),
        ("v_YoYo_g01_c01.avi", "YoYo", "train"),
        ("v_Archery_g02_c01.mp4", "Archery", "test"),
        ("v_YoYo_g02_c01.avi", "YoYo", "test"),
    ]
    assert found.notes == ("took fold 1; --fold takes another (2)",)


def test_ucf101_fold_is_asked_for_or_that_of_the_list(ucf: Path, read: Read) -> None:
    by_option, by_list = read(ucf, fold=2, root=ucf.parent / "UCF-101"), read(ucf / "trainlist02.txt")
    assert _rows(by_option) == _rows(by_list)
    assert _rows(by_list)[0] == ("v_Archery_g02_c01.mp4", "Archery", "train")


def test_ucf101_without_its_class_list_takes_the_numbers_of_the_training_list(ucf: Path, read: Read) -> None:
    (ucf / "classInd.txt").unlink()
    assert read(ucf).classes == ("YoYo", "Archery")


@pytest.mark.parametrize(
    ("name", "content", "fold", "message"),
    [
        (
            "classInd.txt",
            "1 YoYo\n3 Archery\n",
            None,
            "the classes are not numbered from 1 to 2; take",
        ),
        (
            "trainlist01.txt",
            "YoYo/v_YoYo_g01_c01.avi 2\n",
            None,
            "line 1: .* the number 2, which is not that of 'YoYo'",
        ),
        ("trainlist01.txt", "YoYo/v_YoYo_g01_c01.avi\n", None, "line 1: 'YoYo/.*' is not as UCF101 has it"),
        ("x", "", 3, "no fold 3; --fold may be 1, 2"),
    ],
)
def test_ucf101_lists_that_were_changed_are_refused(
    ucf: Path, write: Write, read: Read, name: str, content: str, fold: int | None, message: str
) -> None:
    write(f"splits/{name}", content)
    with pytest.raises(InputError, match=message):
        read(ucf, fold=fold)


def test_ucf101_fold_needs_both_lists(ucf: Path, read: Read) -> None:
    (ucf / "testlist01.txt").unlink()
    with pytest.raises(InputError, match=r"testlist01.txt: no such file; a fold needs both lists"):
        read(ucf / "trainlist01.txt")


@pytest.fixture
def hmdb(touch: Touch, write: Write) -> Path:
    """Two classes and two folds; the third video is not used in the first fold."""
    for name in ("wave", "brush_hair"):
        for fold, parts in ((1, "120"), (2, "201")):
            lines = [f"{name}_{n}_u_cm_np1.avi {part} \n" for n, part in enumerate(parts)]
            write(f"splits/{name}_test_split{fold}.txt", "".join(lines))
        touch(*(f"videos/{name}/{name}_{n}_u_cm_np1.avi" for n in range(3)))
    return touch() / "splits"


def test_hmdb51_numbers_say_train_test_or_unused(hmdb: Path, read: Read) -> None:
    found = read(hmdb)
    assert found.classes == ("brush_hair", "wave")
    assert [(name, split) for name, label, split in _rows(found) if label == "wave"] == [
        ("wave_0_u_cm_np1.avi", "train"),
        ("wave_1_u_cm_np1.avi", "test"),
    ]
    assert [(name, split) for name, label, split in _rows(read(hmdb, fold=2)) if label == "wave"] == [
        ("wave_0_u_cm_np1.avi", "test"),
        ("wave_2_u_cm_np1.avi", "train"),
    ]


def test_hmdb51_line_that_was_changed_is_refused(hmdb: Path, write: Write, read: Read) -> None:
    write("splits/wave_test_split1.txt", "wave_0.avi 1\nwave_1.avi 3\n")
    with pytest.raises(InputError, match=r"line 2: 'wave_1.avi 3' is not as HMDB51 has it: NAME.avi and 1, 2 or 0"):
        read(hmdb)


@pytest.fixture(params=["", "something-something-v2-"])
def something(request: pytest.FixtureRequest, touch: Touch, write: Write) -> Path:
    prefix = request.param
    labels = {"Holding something next to something": "1", "Approaching something with your camera": "0"}
    train = {
        "id": "78687",
        "label": "holding potato next to box",
        "template": "Holding [something] next to [something]",
    }
    val = {"id": "74225", "label": "approaching a tree", "template": "Approaching [something] with your camera"}
    write(f"labels/{prefix}labels.json", json.dumps(labels))
    write(f"labels/{prefix}train.json", json.dumps([train | {"placeholders": ["potato", "box"]}]))
    write(f"labels/{prefix}validation.json", json.dumps([val | {"placeholders": ["a tree"]}]))
    write(f"labels/{prefix}test.json", json.dumps([{"id": "1420"}]))
    return touch("20bn-something-something-v2/78687.webm", "20bn-something-something-v2/74225.mp4") / "labels"


def test_something_something_templates_are_the_classes(something: Path, read: Read) -> None:
    found = read(something)
    assert found.classes == ("Approaching something with your camera", "Holding something next to something")
    assert _rows(found) == [
        ("78687.webm", "Holding something next to something", "train"),
        ("74225.mp4", "Approaching something with your camera", "val"),
    ]


def test_something_something_may_lie_in_pictures(something: Path, touch: Touch, read: Read) -> None:
    touch("frames/78687/00001.jpg", "frames/74225/00001.jpg")
    found = read(something, root=something.parent / "frames", fps=12)
    assert [(entry.path.name, entry.fps) for entry in found.entries] == [("78687", 12), ("74225", 12)]


def test_something_something_without_labels_is_refused(something: Path, read: Read) -> None:
    (val,) = something.glob("*validation.json")
    val.write_text('[{"id": "1420"}]')
    with pytest.raises(InputError, match=r"validation.json, entry 1: no id and template; expected the list of train"):
        read(something)


@pytest.fixture
def diving(touch: Touch, write: Write) -> Path:
    write(
        "annotations/Diving48_vocab.json",
        json.dumps([["Back", "15som", "05Twis", "FREE"], ["Inward", "Dive", "NoTwis", "PIKE"]]),
    )
    for split, name, label in (("train", "-mmq0PT-u8k_00155", 1), ("test", "2x00lRzlTVQ_00000", 0)):
        entry = {"vid_name": name, "label": label, "start_frame": 0, "end_frame": 60}
        write(f"annotations/Diving48_V2_{split}.json", json.dumps([entry]))
    return touch("rgb/-mmq0PT-u8k_00155.mp4", "rgb/2x00lRzlTVQ_00000.mp4") / "annotations"


def test_diving48_dives_are_the_classes(diving: Path, read: Read) -> None:
    found = read(diving)
    assert found.classes == ("Back 15som 05Twis FREE", "Inward Dive NoTwis PIKE")
    assert sorted(_rows(found)) == [
        ("-mmq0PT-u8k_00155.mp4", "Inward Dive NoTwis PIKE", "train"),
        ("2x00lRzlTVQ_00000.mp4", "Back 15som 05Twis FREE", "test"),
    ]
    assert [(entry.start, entry.end) for entry in found.entries] == [(0.0, None)] * 2


def test_diving48_part_that_begins_later_needs_a_rate(diving: Path, write: Write, read: Read) -> None:
    entry = {"vid_name": "2x00lRzlTVQ_00000", "label": 0, "start_frame": 30, "end_frame": 60}
    path = write("annotations/Diving48_V2_test.json", json.dumps([entry]))
    with pytest.raises(InputError, match="entry 1: begins at frame 30; give the frames per second with --fps"):
        read(path)
    assert read(path, fps=30).entries[0][3:5] == (1.0, 2.0)


def test_diving48_two_editions_are_not_mixed(diving: Path, write: Write, read: Read) -> None:
    write("annotations/Diving48_train.json", "[]")
    with pytest.raises(InputError, match=r"lists of two editions .*; name those of one"):
        read(diving)


def test_database_of_activitynet_has_parts_in_seconds(tmp_path: Path, touch: Touch, write: Write, read: Read) -> None:
    touch("v_one.mp4", "two.mkv")
    one = [{"segment": [1.5, 3.0], "label": "run"}, {"segment": [3, 9], "label": "jump"}]
    database = {
        "one": {"subset": "training", "annotations": one},
        "two": {"subset": "validation", "annotations": [{"segment": [0, 4], "label": "run"}]},
        "three": {"subset": "testing", "annotations": []},
    }
    found = read(write("a.json", json.dumps({"version": "1.3", "database": database})))
    assert [(e.path.name, e.label, e.split, e.start, e.end) for e in found.entries] == [
        ("v_one.mp4", 1, "train", 1.5, 3.0),
        ("v_one.mp4", 0, "train", 3.0, 9.0),
        ("two.mkv", 1, "val", 0.0, 4.0),
    ]
    assert found.notes == ("passed over 1 videos without annotations",)


def test_database_of_3d_resnets_counts_pictures_of_whole_videos(touch: Touch, write: Write, read: Read) -> None:
    touch("run/one/image_00001.jpg", "jump/two/image_00001.jpg")
    database = {
        "one": {"subset": "training", "annotations": {"label": "run", "segment": [1, 165]}},
        "two": {"subset": "validation", "annotations": {"label": "jump"}},
    }
    found = read(write("a.json", json.dumps({"labels": ["run", "jump"], "database": database})), fps=25)
    assert found.classes == ("run", "jump")
    assert [(e.path.name, e.label, e.end, e.fps) for e in found.entries] == [("one", 0, None, 25), ("two", 1, None, 25)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"subset": "dev", "annotations": []}, "video 'one': subset is 'dev', expected one of train"),
        (
            {"subset": "training", "annotations": [{"label": ["a", "b"]}]},
            "'one': an annotation without one label",
        ),
        ({"subset": "training", "annotations": [{"label": "a", "segment": [3, 1]}]}, "expected seconds, the end after"),
        (
            {"subset": "training", "annotations": [{"label": "a", "segment": 3}]},
            "segment is 3, expected .start, end.",
        ),
        (
            {"subset": "training", "annotations": {"label": "a", "segment": [9, 99]}},
            "begins at picture 9; a part is",
        ),
        (None, "video 'one': subset is ''"),
    ],
)
def test_database_with_a_mistake_is_refused(
    touch: Touch, write: Write, read: Read, entry: object, message: str
) -> None:
    touch("one.mp4")
    with pytest.raises(InputError, match=message):
        read(write("a.json", json.dumps({"database": {"one": entry}})))
