from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from gcvideo.data.indexing.probe import probe_video
from tests.data.fuzz.corpus import write_mutants, write_one_picture_repeated, write_originals

_REPOSITORY = Path(__file__).parents[3]
_MEMORY_GB = 8  # of address space; torch with its CUDA libraries takes most of it
_SEED = 20261120

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def _corpus(tmp_path: Path, count: int) -> Path:
    originals = write_originals(tmp_path / "originals")
    write_mutants(originals, tmp_path / "mutants", count, _SEED)
    (tmp_path / "mutants" / "still").mkdir()
    write_one_picture_repeated(tmp_path / "mutants" / "still" / "camera.mp4", originals[1])
    return tmp_path / "mutants"


def _command(root: Path) -> list[str]:
    return [sys.executable, "-m", "tests.data.fuzz.through", str(root), str(_MEMORY_GB)]


def _through(root: Path, timeout: float) -> dict[str, Any]:
    done = subprocess.run(_command(root), cwd=_REPOSITORY, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("count", [65, pytest.param(650, marks=pytest.mark.long)])
def test_every_damaged_video_is_read_or_counted(tmp_path: Path, count: int) -> None:
    result = _through(_corpus(tmp_path, count), timeout=240 if count < 100 else 580)
    records, bad, gone = result["records"], result["bad"], result["gone"]
    assert result["files"] == count + 1 == len(records) + len(bad)
    assert not set(records) & set(bad)
    assert len(records) > count / 3
    assert len(bad) > count / 10
    assert len(result["damaged"]) > count / 10
    assert result["samples"] == 2 * len(records)
    assert result["invalid"] == len(result["failures"])
    assert sorted(line.split(": ")[0] for line in result["failures"]) == sorted(2 * gone)
    assert result["finite"]
    assert result["longest_wait_s"] < 2 * result["deadline_s"]


def test_one_picture_repeated_is_flagged(tmp_path: Path) -> None:
    originals = write_originals(tmp_path / "originals")
    write_one_picture_repeated(tmp_path / "camera.mp4", originals[1])
    assert probe_video(tmp_path / "camera.mp4").damage == "one picture repeated"
    assert [probe_video(path).damage for path in originals] == [""] * len(originals)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("stage", "number"),
    [("index", signal.SIGINT), ("index", signal.SIGTERM), ("index", signal.SIGKILL), ("loader", signal.SIGKILL)],
)
def test_ended_parent_leaves_no_orphan(tmp_path: Path, stage: str, number: signal.Signals) -> None:
    root, mark = _corpus(tmp_path, 300), str(uuid.uuid4())
    environment = os.environ | {"FUZZ_MARK": mark}
    with subprocess.Popen(
        _command(root), cwd=_REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stderr is not None
        if stage == "loader":
            while b"indexed in" not in parent.stderr.readline():
                pass
        _wait(lambda: len(_running(mark)) > 3)  # the parent, its workers, and what keeps count of their resources
        parent.send_signal(number)
        parent.wait()
        _wait(lambda: not _running(mark))
    assert parent.returncode == (128 + number if number == signal.SIGTERM else -number)


def _running(mark: str) -> list[int]:
    """The processes that have inherited the mark."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"FUZZ_MARK={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # another user's, or it has ended
            continue
    return found


def _wait(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
