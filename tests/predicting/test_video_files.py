from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.errors import InputError
from gcvideo.predicting.video_files import find_videos


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty files: nothing is opened; the current folder is that of the test."""
    for name in ("b.mp4", "a.MKV", "deep/er/c.webm", ".hidden.mp4", ".cache/d.mp4", "notes.txt", "README.md"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "videos" / "loop").symlink_to(tmp_path / "videos")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "videos"


def test_folder_stands_for_its_videos_at_any_depth(files: Path) -> None:
    assert find_videos(["videos"]) == [Path("videos/a.MKV"), Path("videos/b.mp4"), Path("videos/deep/er/c.webm")]


def test_file_that_is_named_twice_comes_once_where_it_came_first(files: Path) -> None:
    assert find_videos(["videos/deep", files / "b.mp4", "videos", "videos/../videos/b.mp4"]) == [
        Path("videos/deep/er/c.webm"),
        files / "b.mp4",
        Path("videos/a.MKV"),
    ]


def test_list_begins_in_its_own_folder_and_then_in_the_working_folder(files: Path) -> None:
    (files / "list.txt").write_text("b.mp4\n\n  deep/er/c.webm  \nvideos/a.MKV\ngone, not here.mp4\n")
    found = [files / "b.mp4", files / "deep/er/c.webm", Path("videos/a.MKV"), files / "gone, not here.mp4"]
    assert find_videos([files / "list.txt"]) == found


def test_number_after_a_path_is_a_label_unless_it_is_part_of_a_name(files: Path) -> None:
    (files / "take 2").touch()
    (files / "list.txt").write_text("b.mp4 7\ndeep/er/c.webm\t0\ntake 2\ngone.mp4 3\nb.mp4 run\n")
    names = ["b.mp4", "deep/er/c.webm", "take 2", "gone.mp4 3", "b.mp4 run"]
    assert find_videos([files / "list.txt"]) == [files / name for name in names]


@pytest.mark.parametrize(
    "text", ["label,Path\nrun,b.mp4\nrun,gone.mp4\n", "b.mp4,run\ngone.mp4,jump\n", '\ufeffpath\n"b.mp4"\ngone.mp4\n']
)
def test_csv_names_videos_in_its_column_path_or_its_first(files: Path, text: str) -> None:
    (files / "list.csv").write_text(text, encoding="utf-8")
    assert find_videos([files / "list.csv"]) == [files / "b.mp4", files / "gone.mp4"]


def test_missing_file_is_kept_to_be_named_later(files: Path) -> None:
    assert find_videos(["gone.mp4", "gone.txt"]) == [Path("gone.mp4"), Path("gone.txt")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("videos/notes.txt", "no video in videos/notes.txt"),
        ("videos/.cache/empty", "no video in videos/.cache/empty; expected files that end in .3gp, .asf"),
        ("http://example.org/a.mp4", "on the network"),
        ("binary.txt", "binary.txt: not a list of videos: no text in UTF-8"),
    ],
)
def test_source_that_names_no_video_is_refused(files: Path, source: str, message: str) -> None:
    (files / ".cache" / "empty").mkdir()
    Path("binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=message):
        find_videos([source])
