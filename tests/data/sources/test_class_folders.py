from __future__ import annotations

import os
from pathlib import Path

import pytest

from gcvideo.data.annotations import SourceOptions, read_annotations
from gcvideo.errors import InputError
from tests.conftest import read_class_folders


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_flat_folders_are_all_train(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "run/a.mp4", "jump/deep/er/b.AVI", "run/c.mkv"))
    assert found.classes == ("jump", "run")
    assert [(path.name, label, split) for path, label, split, *_ in found.entries] == [
        ("b.AVI", 0, "train"),
        ("a.mp4", 1, "train"),
        ("c.mkv", 1, "train"),
    ]


def test_split_folders_are_splits_and_others_are_noted(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "train/run/a.mp4", "val/run/b.mp4", "zoo/c.mp4", "train/run/a.json"))
    assert [split for _, _, split, *_ in found.entries] == ["train", "val"]
    assert found.notes == (
        f"{tmp_path}: passed over 1 .json files",
        f"{tmp_path}: passed over the folders beside train, val: zoo",
    )


def test_class_list_fixes_the_order_and_may_name_more(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "run/a.mp4", "jump/b.mp4"), ("run", "swim", "jump"))
    assert {path.parent.name: label for path, label, *_ in found.entries} == {"run": 0, "jump": 2}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no class folder in it"),
        (["a.mp4"], "no class folder in it"),
        (["run/a.jpg", "run/b.jpg"], "no video in the class folders, but 2 .jpg files.*ffmpeg -framerate"),
        (["run/a.mp4", "jump/.hidden"], "jump: this class folder has no video; fill it or delete it"),
        (["train/run/a.mp4", "val/run/b.txt"], "val/run: this class folder has no video"),
    ],
)
def test_folder_without_videos_is_refused(tmp_path: Path, files: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_class_folders(_touch(tmp_path, *files))


def test_empty_class_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="the class folders are empty; put the videos"):
        read_class_folders(tmp_path)


def test_missing_folder_is_named_with_the_part_that_exists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}/x/y: no such folder .there is {tmp_path}.*--data.root"):
        read_class_folders(tmp_path / "x" / "y")


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        read_class_folders(_touch(tmp_path, "a.mp4") / "a.mp4")


def test_class_outside_the_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'run' is not in the class list"):
        read_class_folders(_touch(tmp_path, "run/a.mp4"), ("walk",))


@pytest.mark.parametrize("names", [("Train", "VAL"), ("training", "validation"), ("train", "Valid")])
def test_usual_names_of_splits_are_known_in_any_case(tmp_path: Path, names: tuple[str, str]) -> None:
    found = read_class_folders(_touch(tmp_path, f"{names[0]}/run/a.mp4", f"{names[1]}/run/b.mp4"))
    assert found.classes == ("run",)
    assert [split for _, _, split, *_ in found.entries] == ["train", "val"]


def test_class_that_is_called_like_a_split_stays_a_class(tmp_path: Path) -> None:
    assert read_class_folders(_touch(tmp_path, "Training/a.mp4", "resting/b.mp4")).classes == ("Training", "resting")


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="val and validation are both the val split; keep one"):
        read_class_folders(_touch(tmp_path, "val/run/a.mp4", "validation/run/b.mp4"))


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    files = ["train/run/a.mp4", "train/run/.trash/b.mp4", "train/run/._a.mp4", "train/.cache/c.mp4"]
    found = read_class_folders(_touch(tmp_path, *files))
    assert [path.name for path, *_ in found.entries] == ["a.mp4"]


def test_whatever_is_passed_over_has_a_line(tmp_path: Path) -> None:
    root = _touch(tmp_path / "data", "loose.mp4", "train/loose.mp4", "train/run/a.mp4", "train/run/notes.txt")
    _touch(tmp_path / "elsewhere", "b.mp4")
    (root / "train/run/gone.mp4").symlink_to("nothing")
    (root / "train/run/more").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(root / "train/run/pipe.mp4")
    found = read_class_folders(root)
    assert [path.name for path, *_ in found.entries] == ["a.mp4"]
    assert set(found.notes) == {
        f"{root}: passed over 1 .txt files",
        f"{root}: passed over 2 links to nothing, pipes and devices",
        f"{root}: passed over 1 links to folders inside a class folder",
        f"{root}: passed over 1 videos outside the class folders",
        f"{root}/train: passed over 1 videos outside the class folders",
    }


@pytest.mark.parametrize("name", ["#win", " run", "run ", "ru\nn", os.fsdecode(b"caf\xe9")])
def test_class_names_that_cannot_stand_on_a_line_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be a class name .*; rename the folder"):
        read_class_folders(_touch(tmp_path, f"{name}/a.mp4"))


def test_class_names_of_any_script_are_welcome(tmp_path: Path) -> None:
    names = ["跳", "می\u200cرود", 'a, "b"', "-x", "[red]", "$x_{$"]
    assert set(read_class_folders(_touch(tmp_path, *(f"{name}/a.mp4" for name in names))).classes) == set(names)


def test_file_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this file name is not UTF-8; rename it"):
        read_class_folders(_touch(tmp_path, f"run/{os.fsdecode(b'caf' + bytes([0xE9]))}.mp4"))


def test_classes_that_differ_only_in_case_are_refused_unless_the_class_list_has_both(tmp_path: Path) -> None:
    root = _touch(tmp_path, "Run/a.mp4", "run/b.mp4")
    with pytest.raises(InputError, match=r"classes 'Run' and 'run' differ only in case; rename one, or.*--classes"):
        read_class_folders(root)
    assert read_class_folders(root, ("run", "Run")).classes == ("run", "Run")


def test_with_a_rate_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    root = _touch(tmp_path, "run/v1/1.jpg", "run/v1/2.jpg", "run/deep/v2/1.PNG", "run/v3.mp4", "jump/v4/1.jpg")
    found = read_annotations([root], SourceOptions(fps=12.5))
    assert [(entry.path.name, entry.label, entry.fps) for entry in found.entries] == [
        ("v4", 0, 12.5),
        ("v2", 1, 12.5),
        ("v1", 1, 12.5),
        ("v3.mp4", 1, 0.0),
    ]


def test_loose_pictures_in_a_class_folder_are_no_video_even_with_a_rate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no video in the class folders, but 2 .jpg files.*CLASS/VIDEO/.*--fps 25"):
        read_annotations([_touch(tmp_path, "run/1.jpg", "run/2.jpg")], SourceOptions(fps=25))


def test_split_of_flat_class_folders_may_be_said(tmp_path: Path) -> None:
    found = read_annotations([_touch(tmp_path, "run/a.mp4", "jump/b.mp4")], SourceOptions(split="test"))
    assert {entry.split for entry in found.entries} == {"test"}
    with pytest.raises(InputError, match="its folders train say the split; leave --split out"):
        read_annotations([_touch(tmp_path / "x", "train/run/a.mp4")], SourceOptions(split="test"))


def test_a_text_called_train_beside_class_folders_is_passed_over(tmp_path: Path) -> None:
    root = _touch(tmp_path, "run/a.mp4", "jump/b.mp4")
    (root / "train.txt").write_text("notes about training\n")
    assert read_annotations([root]).classes == ("jump", "run")
