from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.labels import find_classes
from gcvideo.errors import InputError


def test_shipped_lists_have_the_published_number_of_classes() -> None:
    assert len(find_classes("ucf101")) == 101
    assert len(find_classes("hmdb51")) == 51
    assert find_classes("ucf101")[0] == "ApplyEyeMakeup"


def test_shipped_list_names_the_folders_of_the_real_data(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "train").iterdir()} <= set(find_classes("ucf101"))


def test_list_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("b\na\n")
    assert find_classes(str(tmp_path / "mine.txt")) == ("b", "a")


def test_unknown_list_names_the_shipped_ones() -> None:
    with pytest.raises(InputError, match=r"'ucf': no such file, and not a shipped list \(hmdb51, .*ucf101\)"):
        find_classes("ucf")
