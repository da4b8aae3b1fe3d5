from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.annotations import SourceOptions, describe_formats, format_names, read_annotations
from gcvideo.errors import InputError


def test_every_file_in_sources_is_a_format_with_a_line_of_help() -> None:
    assert format_names() == [
        "activitynet",
        "class_folders",
        "diving48",
        "hmdb51",
        "kinetics",
        "path_label",
        "something_something",
        "table",
        "ucf101",
    ]
    assert all(20 < len(text) < 120 and text.endswith(".") for text in describe_formats().values())


def test_source_that_no_format_fits_is_named_with_its_first_line_and_the_formats(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("\n  hello\nworld\n")
    with pytest.raises(InputError, match=r"x.txt: its first line is 'hello'; expected one of .*activitynet, class_f"):
        read_annotations([tmp_path / "x.txt"])


def test_video_as_source_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41")
    with pytest.raises(InputError, match="this is a video; name the folder or the list that says its class"):
        read_annotations([tmp_path / "x.mp4"])


def test_missing_source_is_named_with_the_part_that_exists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}/x/y.csv: no such file .there is {tmp_path}.*--data.root"):
        read_annotations([tmp_path / "x" / "y.csv"])


def test_several_sources_must_be_lists(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a.mp4 0\n")
    with pytest.raises(InputError, match="the 2 sources are not lists of one format"):
        read_annotations([tmp_path / "x.txt", tmp_path])


def test_format_that_is_asked_for_must_fit(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a.mp4 0\n")
    with pytest.raises(InputError, match=r"x.txt: not of the format hmdb51 \(The split files of HMDB51"):
        read_annotations([tmp_path / "x.txt"], format_name="hmdb51")
    with pytest.raises(InputError, match="--format is 'coco', expected auto, activitynet, ") as error:
        read_annotations([tmp_path / "x.txt"], format_name="coco")
    assert error.value.exit_code == 2


def test_option_that_a_format_does_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a.mp4 0\n")
    with pytest.raises(InputError, match=r"path_label, which does not read --fold \(hmdb51, ucf101 do\); leave it out"):
        read_annotations([tmp_path / "x.txt"], SourceOptions(fold=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "--split is 'dev', expected train, val, test"),
        ({"fold": 0}, "--fold is 0, expected 1 or more"),
        ({"fps": 0.0}, "--fps is 0.0, expected frames per second above 0"),
        ({"fps": float("nan")}, "--fps is nan"),
        ({"root": Path("/nowhere/at/all")}, "--root /nowhere/at/all: no such folder"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SourceOptions(**options)  # type: ignore[arg-type]
