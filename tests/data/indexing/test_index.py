from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.data.indexing.index import index_videos
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.errors import InputError
from tests.conftest import read_class_folders


def _index(root: Path, out: Path, num_workers: int = 0) -> tuple[Manifest, int]:
    """The manifest and how many files were decoded for it."""
    decoded: list[int] = []
    return index_videos(read_class_folders(root), out, on_start=decoded.append, num_workers=num_workers), decoded[0]


def test_index_counts_frames_and_lists_bad_files(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 2, "jump": 1}, num_frames=9)
    (root / "run" / "empty.mp4").touch()
    manifest, _ = _index(root, tmp_path / "m.csv")
    assert [record.num_frames for record in manifest.records] == [9, 9, 9]
    assert [(Path(path).name, reason) for path, reason in manifest.bad] == [
        ("empty.mp4", "cannot be decoded: Invalid data found when processing input")
    ]
    assert read_manifest(tmp_path / "m.csv") == manifest


def test_second_index_decodes_only_what_changed(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 2, "jump": 2})
    first, decoded = _index(root, tmp_path / "m.csv")
    assert decoded == 4
    (root / "run" / "v_g00_c01.mp4").touch()
    second, decoded = _index(root, tmp_path / "m.csv")
    assert decoded == 1
    assert [record.path for record in second.records] == [record.path for record in first.records]


def test_moving_a_video_to_another_class_changes_its_label(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 2, "jump": 2})
    _index(root, tmp_path / "m.csv")
    (root / "run" / "v_g01_c01.mp4").rename(root / "jump" / "v_g09_c01.mp4")
    manifest, _ = _index(root, tmp_path / "m.csv")
    assert sorted(record.label for record in manifest.records) == [0, 0, 0, 1]


def test_number_of_processes_does_not_change_the_manifest(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 3, "jump": 3})
    assert _index(root, tmp_path / "a.csv", num_workers=1) == _index(root, tmp_path / "b.csv", num_workers=2)


def test_folder_of_bad_files_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.mp4").write_text("<html>")
    with pytest.raises(InputError, match=r"none of the 1 videos can be decoded; the first: .*a.mp4: cannot"):
        _index(tmp_path, tmp_path / "m.csv")


@pytest.mark.parametrize("ending", [".csv", ".classes.txt", ".bad.csv"])
def test_damaged_manifest_is_made_again(make_folder: Callable[..., Path], tmp_path: Path, ending: str) -> None:
    annotations = read_class_folders(make_folder({"run": 1, "jump": 1}))
    whole = index_videos(annotations, tmp_path / "m.csv", num_workers=1)
    (tmp_path / f"m{ending}").write_bytes(b"\xff\xfe damaged")
    assert index_videos(annotations, tmp_path / "m.csv", num_workers=1) == whole
    assert read_manifest(tmp_path / "m.csv") == whole
