from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gcvideo.cli import run
from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.encode import write_video
from gcvideo.data.indexing.index import index_videos
from gcvideo.tracking.failures import _video_of
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL

_CLASSES = ("jump", "run")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos to train on and two to choose by, with a manifest, which knows them by relative paths."""
    root = tmp_path_factory.mktemp("indexed")
    entries = []
    for split, count in {"train": 4, "val": 1}.items():
        for label, name in enumerate(_CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                path = root / split / name / f"{number}.mp4"
                write_video(path, np.full((9, 64, 64, 3), 40 + 100 * label + 9 * number, np.uint8), fps=25)
                entries.append(Entry(path, label, split))
    index_videos(Annotations(_CLASSES, tuple(entries)), root / "manifest.csv", num_workers=1)
    return root


@pytest.fixture
def root(indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(indexed, tmp_path / "videos")


def _arguments(root: Path, vanish: list[str], *options: str) -> list[str]:
    """Takes files away, and trains two steps on what the manifest says."""
    for name in vanish:
        (root / name).unlink()
    arguments = ["fit", "--config", "demo", "--data.root=null", f"--data.manifest={root / 'manifest.csv'}", *SMALL]
    arguments += ["--data.holdout=0", "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1"]
    return [*arguments, "--trainer.logger=false", "--run_dir", "here", *options]


def _fit(root: Path, vanish: list[str], *options: str) -> int:
    return run(_arguments(root, vanish, *options))


def _listed() -> list[str]:
    with Path("here/failed.csv").open(encoding="utf-8", newline="") as file:
        return sorted(row["failure"] for row in csv.DictReader(file))


def _counted(name: str = "data/failed") -> float:
    (row,) = [row for row in read_metrics(Path("here")) if name in row]
    return float(row[name])


@pytest.mark.parametrize("on_failure", ["substitute", "mask"])
def test_vanished_video_is_said_counted_and_listed(
    root: Path, caplog: pytest.LogCaptureFixture, on_failure: str
) -> None:
    gone = "train/jump/1.mp4"
    assert _fit(root, [gone], f"--data.reading.on_failure={on_failure}") == 0
    line = f"{root / gone}: no such file, or not a regular one"
    assert _counted() == 1
    assert _listed() == [line]
    assert caplog.messages.count(f"cannot be read: {line}") == 1


def test_run_without_failures_counts_none_and_lists_none(root: Path) -> None:
    assert _fit(root, []) == 0
    assert (_counted(), _counted("data/fallbacks")) == (0, 0)
    assert not Path("here/failed.csv").exists()


def test_too_many_failures_end_the_run_with_one_line_that_names_the_list(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [f"train/run/{number}.mp4" for number in range(3)]
    assert _fit(root, gone, "--data.reading.max_failed=0.01", "--trainer.max_epochs=3") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "training videos cannot be read" in line]
    assert "of 8 training videos cannot be read, more than the share of 0.01 that is allowed" in line
    assert "(--data.reading.max_failed)" in line
    assert line.endswith("all of them are in here/failed.csv")
    assert 2 <= len(_listed()) <= 3
    assert "Traceback" not in line


@pytest.mark.parametrize(("share", "code"), [(0, 1), (0.01, 0)])
def test_single_failure_ends_the_run_only_where_none_is_allowed(root: Path, share: float, code: int) -> None:
    assert _fit(root, ["train/run/0.mp4"], f"--data.reading.max_failed={share}") == code


def test_videos_that_fail_in_the_validation_are_listed_and_are_no_training_videos(root: Path) -> None:
    """One of eight is allowed; the second epoch would stop at two."""
    gone = ["val/jump/0.mp4", "train/run/0.mp4"]
    assert _fit(root, gone, "--data.reading.max_failed=0.1", "--trainer.max_epochs=2") == 0
    assert [line.split(": ")[0] for line in _listed()] == sorted(str(root / name) for name in gone)


def test_one_video_that_fails_in_several_ways_is_one() -> None:
    paths = frozenset(["a: b.mp4", "a", "c\nd.mp4"])
    lines = ["a: b.mp4: ends before frame 7", "a: b.mp4: ends before frame 9", "a: gone", "c\nd.mp4: gone", "e: gone"]
    assert [_video_of(line, paths) for line in lines] == ["a: b.mp4", "a: b.mp4", "a", "c\nd.mp4", "e: gone"]


@pytest.mark.long
def test_failures_of_all_ranks_are_added_up(root: Path) -> None:
    """Three of eight are allowed; each of two ranks meets two of the four that are gone, or few more."""
    gone = [f"train/{name}/{number}.mp4" for name in _CLASSES for number in range(2)]
    ranks = ["--trainer.devices=2", "--trainer.strategy=ddp", "--data.batch_size=2", "--data.reading.max_failed=0.45"]
    command = [sys.executable, "-m", "gcvideo", *_arguments(root, gone, *ranks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "error: 4 of 8 training videos cannot be read, more than the share of 0.45" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(_listed()) == 4
