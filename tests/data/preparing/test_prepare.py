from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gcvideo.data.annotations import Entry
from gcvideo.data.decoding.decode import forward
from gcvideo.data.indexing.probe import probe_video
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.data.preparing.journal import Journal
from gcvideo.data.preparing.prepare import VideoToPrepare, encode_videos, index_prepared, not_done, plan_videos
from gcvideo.data.preparing.reencode import Encoding
from gcvideo.records import VideoRecord
from tests.conftest import read_class_folders

ENCODING = Encoding()


def manifest_of(root: Path, classes: tuple[str, ...] | None = None) -> Manifest:
    """What the index of a folder of whole videos would be, without the processes that it starts."""
    annotations = read_class_folders(root, classes)
    records = [record_of(e, probe_video(e.path), file_state(e.path)) for e in annotations.entries]
    return Manifest(annotations.classes, tuple(record for record in records if isinstance(record, VideoRecord)))


def _encode(
    manifest: Manifest, out: Path, encoding: Encoding = ENCODING, num_workers: int = 1
) -> tuple[list[VideoToPrepare], dict[Path, str]]:
    """What was not done yet, and what of it failed."""
    out.mkdir(exist_ok=True)
    with Journal(out / "prepared.jsonl") as journal:
        todo = not_done(plan_videos(manifest, out, encoding), journal)
        return todo, encode_videos(todo, journal, num_workers=num_workers, on_video=lambda: None)


def _index(manifest: Manifest, out: Path, failures: dict[Path, str]) -> Manifest:
    return index_prepared(
        manifest,
        plan_videos(manifest, out, ENCODING),
        failures,
        out / "manifest.csv",
        num_workers=1,
        on_start=lambda total: None,
        on_video=lambda: None,
    )


def _counts(out: Path) -> dict[str, int]:
    """Frames of each file."""
    return {name: sum(1 for _ in forward(out / name)) for name in _files(out)}


def _files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.glob("*/*/*"))


def test_classes_splits_labels_and_frames_are_those_of_the_source(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder({"train/run": 2, "train/jump": 1, "val/run": 1}, num_frames=9)
    source = manifest_of(root, ("run", "jump", "swim"))
    _encode(source, tmp_path / "out")
    result = _index(source, tmp_path / "out", {})
    assert result.classes == ("run", "jump", "swim")
    assert [(r.split, r.label, r.num_frames, r.fps) for r in result.records] == [
        (r.split, r.label, r.num_frames, r.fps) for r in source.records
    ]
    assert _files(tmp_path / "out") == [
        "train/jump/v_g00_c01.mp4",
        "train/run/v_g00_c01.mp4",
        "train/run/v_g01_c01.mp4",
        "val/run/v_g00_c01.mp4",
    ]
    assert read_manifest(tmp_path / "out" / "manifest.csv") == result


def test_videos_of_one_name_do_not_overwrite_each_other(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run/a": 1}, num_frames=5)
    shutil.copytree(make_folder({"b": 1}, name="other", num_frames=6) / "b", root / "run" / "b")
    _encode(manifest_of(root), tmp_path / "out")
    assert _counts(tmp_path / "out") == {"train/run/v_g00_c01.mp4": 5, "train/run/v_g00_c01_2.mp4": 6}


def test_class_names_that_are_no_folder_names_get_folders_of_their_own(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = replace(manifest_of(make_folder({"a": 1, "b": 1, "c": 1})), classes=("salsa/tango", "Run", "run"))
    videos = plan_videos(source, tmp_path, ENCODING)
    assert [video.target.parent.name for video in videos] == ["salsa_tango", "Run", "run_2"]


def test_only_what_is_not_done_is_done(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root, out = make_folder({"run": 2, "jump": 1}), tmp_path / "out"
    source = manifest_of(root)

    def done_now(encoding: Encoding = ENCODING) -> list[str]:
        todo, failures = _encode(source, out, encoding)
        assert failures == {}
        return [str(video.target.relative_to(out)) for video in todo]

    assert len(done_now()) == 3
    assert done_now() == []
    os.utime(root / "run" / "v_g00_c01.mp4")
    assert done_now() == ["train/run/v_g00_c01.mp4"], "its source was touched"
    (out / "train" / "jump" / "v_g00_c01.mp4").write_bytes(b"damaged")
    assert done_now() == ["train/jump/v_g00_c01.mp4"]
    assert len(done_now(Encoding(short_side_px=32))) == 3
    assert {next(forward(out / name)).height for name in _files(out)} == {32}


def test_parts_of_a_long_video_become_files_of_their_own(numbered_video: Path, tmp_path: Path) -> None:
    entries = (Entry(numbered_video, 0, "train", 0.0, 0.4), Entry(numbered_video, 1, "val", 0.4, 1.0))
    probe, state = probe_video(numbered_video), file_state(numbered_video)
    records = [record_of(entry, probe, state) for entry in entries]
    source = Manifest(("a", "b"), tuple(record for record in records if isinstance(record, VideoRecord)))
    _encode(source, tmp_path / "out")
    assert _counts(tmp_path / "out") == {"train/a/numbered.mp4": 10, "val/b/numbered.mp4": 15}


def test_sources_that_fail_are_listed_and_the_others_done(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 4, "jump": 1})
    source = replace(manifest_of(root), bad=(("page.mp4", "no frame"),))
    gone, replaced, longer = (Path(record.path) for record in source.records[1:4])
    gone.unlink()
    shutil.copy(root / "jump" / "v_g00_c01.mp4", replaced)
    records = [replace(r, num_frames=13) if r.path == str(longer) else r for r in source.records]
    source = replace(source, records=tuple(records))
    _, failures = _encode(source, tmp_path / "out")
    result = _index(source, tmp_path / "out", failures)
    assert _files(tmp_path / "out") == ["train/jump/v_g00_c01.mp4", "train/run/v_g03_c01.mp4"]
    assert [str(Path(r.path).relative_to(tmp_path / "out")) for r in result.records] == _files(tmp_path / "out")
    assert result.bad == (
        ("page.mp4", "no frame"),
        (str(gone), "No such file or directory"),
        (str(replaced), "has changed since it was indexed; index it again with: gcvideo index"),
        (str(longer), "gives 12 frames, not 13; index it again with: gcvideo index"),
    )


def test_what_decodes_of_a_damaged_video_is_written(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "videos" / "run").mkdir(parents=True)
    for name in ("broken_truncated.avi", "broken_truncated_middle.mp4"):
        shutil.copy(shared_data / "zoo" / name, tmp_path / "videos" / "run")
    _encode(manifest_of(tmp_path / "videos"), tmp_path / "out")
    assert list(_counts(tmp_path / "out").values()) == [74, 51]


def test_new_file_that_lost_frames_is_deleted_and_listed(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    source, out = manifest_of(make_folder({"run": 2}, num_frames=12)), tmp_path / "out"
    _encode(source, out)
    short = make_folder({"run": 1}, name="short", num_frames=5) / "run" / "v_g00_c01.mp4"
    lost = plan_videos(source, out, ENCODING)[0]
    with Journal(out / "prepared.jsonl") as journal:
        shutil.copy(short, lost.target)
        journal.add(lost.target, lost.origin())  # as if the encoder had written it
    assert _encode(source, out) == ([], {})
    result = _index(source, out, {})
    assert result.bad == ((lost.record.path, "its new file has 5 of 12 frames"),)
    assert len(result.records) == 1
    assert _encode(source, out)[0] == [lost], "it is tried again"


def test_number_of_processes_does_not_change_the_files(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    source = manifest_of(make_folder({"run": 3, "jump": 3}))
    for name, num_workers in {"a": 1, "b": 2}.items():
        _encode(source, tmp_path / name, num_workers=num_workers)
    assert len(_files(tmp_path / "a")) == 6
    for name in _files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # the error that was caught still holds a file open


@pytest.mark.parametrize("num_workers", [1, 2])
def test_full_disk_leaves_whole_files_only(
    make_folder: Callable[..., Path], small_disk: Path, num_workers: int
) -> None:
    source, out = manifest_of(make_folder({"run": 12})), small_disk / "out"
    with pytest.raises(OSError, match="No space left") as full:
        _encode(source, out, Encoding(crf=0), num_workers)
    assert full.value.errno == errno.ENOSPC
    assert 0 < len(_files(out)) < 12
    assert _counts(out) == dict.fromkeys(_files(out), 12)
    assert all(not Path(name).name.startswith(".") for name in _files(out))
