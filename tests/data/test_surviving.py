from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gcvideo.data.surviving import CrashedError, map_surviving


def half_or_crash(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # as a decoder that reads behind its memory
    return number // 2


def fall_asleep(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(600)


def test_a_crash_costs_its_own_item_only() -> None:
    results = dict(map_surviving(half_or_crash, range(8), 2))
    assert isinstance(results.pop(3), CrashedError)
    assert results == {number: number // 2 for number in range(8) if number != 3}


def test_an_error_ends_the_others_in_the_middle_of_their_work(tmp_path: Path) -> None:
    began = time.monotonic()
    items = [tmp_path / "a", tmp_path / "none" / "b"]
    with closing(map_surviving(fall_asleep, items, 2)) as results, pytest.raises(FileNotFoundError):
        next(results)
    assert time.monotonic() - began < 60


def test_processes_end_when_the_first_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gcvideo.data.surviving import map_surviving; "
        "from tests.data.test_surviving import fall_asleep; "
        "list(map_surviving(fall_asleep, [Path(name) for name in sys.argv[1:]], 2))"
    )
    files = [tmp_path / "a", tmp_path / "b"]
    first = subprocess.Popen([sys.executable, "-c", code, *map(str, files)])
    _wait(lambda: all(file.is_file() and file.read_text() for file in files))
    first.kill()
    first.wait()
    _wait(lambda: not any(_runs(int(file.read_text())) for file in files))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{number}/stat").read_text().split()[2]
