from __future__ import annotations

from pathlib import Path

from scripts.fetching.journal import Journal


def test_a_line_that_was_cut_off_does_not_count_nor_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("train/a.tar", ("1.mp4", "2.mp4"), kept=True)
    journal.add("train/b.tar", ("3.mp4",), kept=False)
    path.write_bytes(path.read_bytes()[:-9])
    assert Journal(path).files("train/b.tar") == ()
    Journal(path).add("train/c.tar", ("4.mp4",), kept=False)
    again = Journal(path)
    assert [again.files(f"train/{name}.tar") for name in "abc"] == [("1.mp4", "2.mp4"), (), ("4.mp4",)]
    assert [again.is_kept(f"train/{name}.tar") for name in "abc"] == [True, False, False]
