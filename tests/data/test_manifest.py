from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gcvideo.data.manifest import (
    Manifest,
    check_overwrites_a_manifest,
    read_classes,
    read_manifest,
    write_manifest,
)
from gcvideo.errors import InputError
from tests.conftest import video_record

RECORD = video_record("", label=1, fps=29.97, is_vfr=True, start=0.1, damage="1 of 41 frames do not decode")
NAMES = ["a b.mp4", 'comma, and "quotes".mp4', "ümlaut.mp4", "$(touch x).mp4", "new\nline.mp4"]


def _write(folder: Path) -> Manifest:
    records = tuple(replace(RECORD, path=str(folder / "videos" / name)) for name in NAMES)
    manifest = Manifest(("walk", 'play, "cello"'), records, ((str(folder / "bad.mp4"), "no frame"),))
    write_manifest(manifest, folder / "m.csv")
    return manifest


def test_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    written = _write(tmp_path)
    assert read_manifest(tmp_path / "m.csv") == written


def test_manifest_moves_with_its_videos(tmp_path: Path) -> None:
    _write(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert read_manifest(tmp_path / "there" / "m.csv").records[0].path == str(tmp_path / "there" / "videos" / NAMES[0])


def test_videos_elsewhere_keep_their_absolute_path(tmp_path: Path) -> None:
    video = replace(RECORD, path=str(tmp_path / "far" / "x.mp4"), label=0)
    write_manifest(Manifest(("walk",), (video,)), tmp_path / "lists" / "m.csv")
    assert read_manifest(tmp_path / "lists" / "m.csv").records == (video,)


def test_missing_manifest_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such manifest; make it with: gcvideo index"):
        read_manifest(tmp_path / "m.csv")


def test_bad_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    _write(tmp_path)
    path = tmp_path / "m.csv"
    path.write_text(path.read_text().replace(",40,", ",forty,", 1))
    with pytest.raises(InputError, match=r"m.csv, line 2: num_frames is 'forty', expected a number"):
        read_manifest(path)


def test_unknown_label_is_named(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "m.classes.txt").write_text("walk\nrun\n")
    with pytest.raises(InputError, match=r"line 2: label .* is not in m.classes.txt"):
        read_manifest(tmp_path / "m.csv")


def test_class_list_skips_comments_and_refuses_doubles(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("# source: somewhere\nwalk\n\nrun\n")
    assert read_classes(path) == ("walk", "run")
    path.write_text("walk\nrun\nwalk\n")
    with pytest.raises(InputError, match="class 'walk' is listed twice"):
        read_classes(path)
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="no class name in it"):
        read_classes(path)


@pytest.mark.parametrize("ending", [".csv", ".classes.txt", ".bad.csv"])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_damaged_file_is_named(tmp_path: Path, ending: str, content: bytes) -> None:
    _write(tmp_path)
    (tmp_path / f"m{ending}").write_bytes(content)
    with pytest.raises(InputError, match=rf"m(\{ending}|.csv)"):
        read_manifest(tmp_path / "m.csv")


def test_numbers_that_no_video_has_are_named_by_line(tmp_path: Path) -> None:
    _write(tmp_path)
    path = tmp_path / "m.csv"
    path.write_text(path.read_text().replace(",40,", ",-3,", 1))
    with pytest.raises(InputError, match=r"m.csv, line 2: .*-3"):
        read_manifest(path)


def test_only_a_manifest_is_written_over(tmp_path: Path) -> None:
    _write(tmp_path)
    check_overwrites_a_manifest(tmp_path / "m.csv")
    check_overwrites_a_manifest(tmp_path / "new.csv")
    (tmp_path / "script.py").write_text("print(1)\n")
    with pytest.raises(InputError, match=r"script.py is there already and is not a manifest; name another file"):
        check_overwrites_a_manifest(tmp_path / "script.py")
    with pytest.raises(InputError, match=r"is a folder; name the file of the list"):
        check_overwrites_a_manifest(tmp_path)


@pytest.mark.parametrize("ending", [".classes.txt", ".bad.csv"])
def test_foreign_file_beside_a_new_manifest_is_not_written_over(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"m{ending}").write_text("mine\n")
    with pytest.raises(InputError, match=rf"m{ending} would be written over; name another file"):
        check_overwrites_a_manifest(tmp_path / "m.csv")
