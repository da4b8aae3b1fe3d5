from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gcvideo.data.encode import write_video
from gcvideo.data.folder import VideoFolder
from gcvideo.data.manifest import read_manifest
from gcvideo.records import Batch

_CLASSES = [" ".join(["with", "blanks"]), "quo\"te's", "com,ma; tab", "umläut ß 鐵", "$(touch pwned)", "`touch pwned`"]
_FILES = ["a b.mp4", "quo\"te's.mp4", "com,ma.mp4", "umläut ß.mp4", "$(touch pwned).mp4", "new\nline.mp4", "-rf.mp4"]
_APART = 25  # levels of brightness from one class to the next


def _index(source: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gcvideo", "index", source.name, "--out", "list.csv"]
    return subprocess.run(command, cwd=source.parent, capture_output=True, text=True)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder in which brightness tells the class, its manifest beside it, and what the command said."""
    root = tmp_path_factory.mktemp("odd 'names' $(touch pwned)") / "my videos"
    for label, name in enumerate(sorted(_CLASSES)):
        (root / name).mkdir(parents=True)
        for file in _FILES:
            write_video(root / name / file, np.full((4, 32, 32, 3), 40 + _APART * label, np.uint8), fps=25)
    done = _index(root)
    assert done.returncode == 0, done.stderr
    yield root, done.stdout
    assert not list(root.parent.rglob("pwned"))


def test_index_lists_each_name_as_it_is(indexed: tuple[Path, str]) -> None:
    root, _ = indexed
    manifest = read_manifest(root.parent / "list.csv")
    assert manifest.bad == ()
    assert manifest.classes == tuple(sorted(_CLASSES))
    found = {(Path(record.path).name, manifest.classes[record.label]) for record in manifest.records}
    assert found == {(file, name) for file in _FILES for name in _CLASSES}
    assert all(Path(record.path).is_file() for record in manifest.records)


def test_loader_of_a_fit_reads_each_and_knows_its_class(indexed: tuple[Path, str]) -> None:
    root, _ = indexed
    data = VideoFolder(manifest=str(root.parent / "list.csv"), num_frames=2, frame_stride=1, crop_px=32, num_workers=2)
    seen = []
    for batch in data.train_dataloader():
        assert isinstance(batch, Batch)
        assert batch.failures == ()
        brightness = batch.clips.float().mean(dim=(1, 2, 3, 4, 5))
        assert ((brightness - 40) / _APART).round().long().tolist() == batch.labels.tolist()
        seen += batch.video_indices.tolist()
    assert len(seen) == len(set(seen)) == len(_FILES) * len(_CLASSES) // 8 * 8


def test_command_that_is_printed_next_names_the_list_for_a_shell(indexed: tuple[Path, str]) -> None:
    _, said = indexed
    (line,) = [line for line in said.splitlines() if "gcvideo fit" in line]
    assert shlex.split(line)[-1] == "list.csv"


def test_second_index_finds_all_unchanged(indexed: tuple[Path, str]) -> None:
    root, _ = indexed
    before = read_manifest(root.parent / "list.csv")
    done = _index(root)
    assert (done.returncode, done.stderr) == (0, "")  # a line would tell how many were decoded
    assert read_manifest(root.parent / "list.csv") == before


@pytest.mark.parametrize("name", ["new\nline", "carriage\rreturn", " blank before", "# hash"])
def test_class_that_cannot_stand_on_a_line_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "videos" / name).mkdir(parents=True)
    (tmp_path / "videos" / name / "a.mp4").touch()
    done = _index(tmp_path / "videos")
    assert done.returncode in (1, 2)
    assert f"class folder {name!r} cannot be a class name" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "list.csv").exists()
