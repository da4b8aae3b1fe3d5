from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.preparing.file_names import distinct_names


def test_ordinary_names_stay_as_they_are() -> None:
    names = ["v_Archery_g01_c01", "a b", "ümlaut, and comma", "$(touch x)", "it's"]
    assert distinct_names(names) == names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x", "x", "x"], ["x", "x_2", "x_3"]),
        (["Run", "run"], ["Run", "run_2"]),
        (["x_2", "x", "x"], ["x_2", "x", "x_3"]),
        (["a/b", "a\\b", 'a"b'], ["a_b", "a_b_2", "a_b_3"]),
        (["..", ".hidden", "end. ", ""], ["_", "hidden", "end", "__2"]),
        (["new\nline", "\udcff"], ["new_line", "_"]),
        (["\u00e9", "e\u0301"], ["\u00e9", "e\u0301_2"]),
    ],
)
def test_names_are_mended_and_numbered(names: list[str], expected: list[str]) -> None:
    assert distinct_names(names) == expected


def test_long_names_are_cut_between_letters_and_can_be_written(tmp_path: Path) -> None:
    first, second = distinct_names(["ü" * 200, "ü" * 200])
    assert first == "ü" * 75
    (tmp_path / f".{second}.mp4.gcvideo-part").touch()
