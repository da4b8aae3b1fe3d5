from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.preparing.journal import Journal
from gcvideo.errors import InputError


def test_what_is_noted_is_done_until_file_or_origin_changes(tmp_path: Path) -> None:
    file = tmp_path / "a" / "x.mp4"
    file.parent.mkdir()
    file.write_text("one")
    with Journal(tmp_path / "done.jsonl") as journal:
        assert not journal.is_done(file, "source 1")
        journal.add(file, "source 1")
        assert journal.is_done(file, "source 1")
        assert not journal.is_done(file, "source 2")
    with Journal(tmp_path / "done.jsonl") as journal:
        assert journal.is_done(file, "source 1"), "also by the next job"
        file.write_text("another")
        assert not journal.is_done(file, "source 1")
        file.unlink()
        assert not journal.is_done(file, "source 1")


@pytest.mark.parametrize("torn", ['{"file": "y.mp4", "ori', "[1]\n", '"text"\n', "{}\n"])
def test_torn_line_counts_as_not_done_and_spoils_no_other(tmp_path: Path, torn: str) -> None:
    x, y = tmp_path / "x.mp4", tmp_path / "y.mp4"
    x.write_text("one")
    y.write_text("two")
    with Journal(tmp_path / "done.jsonl") as journal:
        journal.add(x, "source")
    with (tmp_path / "done.jsonl").open("a") as file:
        file.write(torn)
    with Journal(tmp_path / "done.jsonl") as journal:
        assert journal.is_done(x, "source")
        assert not journal.is_done(y, "source")
        journal.add(y, "source")
    with Journal(tmp_path / "done.jsonl") as journal:
        assert journal.is_done(x, "source")
        assert journal.is_done(y, "source")


def test_two_jobs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "done.jsonl"),
        pytest.raises(InputError, match="another gcvideo is writing there; wait for it"),
    ):
        Journal(tmp_path / "done.jsonl")
    Journal(tmp_path / "done.jsonl").__exit__(None, None, None)
