from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gcvideo.errors import InputError
from gcvideo.tracking.run import make_folder


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: make_folder(tmp_path / "runs" / "demo", is_new=True), range(8)))
    names = {"demo", *(f"demo-{number}" for number in range(2, 9))}
    assert {folder.name for folder in made} == names
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == names


def test_folder_that_was_named_is_used_as_it_is(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "here", is_new=False) == tmp_path / "here"


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"run folder .* cannot be used: .*; name another one with --run_dir=DIR"):
        make_folder(tmp_path / "file" / "run", is_new=False)
