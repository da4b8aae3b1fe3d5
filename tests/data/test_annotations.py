from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.annotations import read_class_folders
from gcvideo.errors import InputError


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_flat_folders_are_all_train(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "run/a.mp4", "jump/deep/er/b.AVI", "run/c.mkv"))
    assert found.classes == ("jump", "run")
    assert [(path.name, label, split) for path, label, split in found.entries] == [
        ("b.AVI", 0, "train"),
        ("a.mp4", 1, "train"),
        ("c.mkv", 1, "train"),
    ]


def test_split_folders_are_splits_and_others_are_noted(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "train/run/a.mp4", "val/run/b.mp4", "zoo/c.mp4", "train/run/a.json"))
    assert [split for _, _, split in found.entries] == ["train", "val"]
    assert found.notes == (
        f"{tmp_path}: passed over 1 .json files",
        f"{tmp_path}: passed over the folders beside train, val: zoo",
    )


def test_class_list_fixes_the_order_and_may_name_more(tmp_path: Path) -> None:
    found = read_class_folders(_touch(tmp_path, "run/a.mp4", "jump/b.mp4"), ("run", "swim", "jump"))
    assert {path.parent.name: label for path, label, _ in found.entries} == {"run": 0, "jump": 2}


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
