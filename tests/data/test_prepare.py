from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gcvideo.data.annotations import Annotations, Entry, read_class_folders
from gcvideo.data.index import index_videos
from gcvideo.data.journal import Journal
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.data.prepare import VideoToPrepare, encode_videos, index_prepared, not_done, plan_videos
from gcvideo.data.reencode import Encoding
from gcvideo.errors import InputError

ENCODING = Encoding()


def _indexed(root: Path) -> Manifest:
    return index_videos(read_class_folders(root), root.with_suffix(".csv"), num_workers=1)


def _prepare(
    manifest: Manifest, out: Path, encoding: Encoding = ENCODING, num_workers: int = 1
) -> tuple[Manifest, list[VideoToPrepare]]:
    """The manifest of the new files, and what was encoded for it."""
    out.mkdir(exist_ok=True)
    videos = plan_videos(manifest, out, encoding)
    with Journal(out / "prepared.jsonl") as journal:
        todo = not_done(videos, journal)
        failures = encode_videos(todo, journal, num_workers=num_workers, on_video=lambda: None)
        result = index_prepared(
            manifest,
            videos,
            failures,
            out / "manifest.csv",
            num_workers=1,
            on_start=lambda total: None,
            on_video=lambda: None,
        )
    return result, todo


def _files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.glob("*/*/*"))


def test_classes_splits_labels_and_frames_are_those_of_the_source(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder({"train/run": 2, "train/jump": 1, "val/run": 1}, num_frames=9)
    annotations = read_class_folders(root, ("run", "jump", "swim"))
    source = index_videos(annotations, tmp_path / "m.csv", num_workers=1)
    result, _ = _prepare(source, tmp_path / "out")
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
    result, _ = _prepare(_indexed(root), tmp_path / "out")
    assert [(Path(r.path).name, r.num_frames) for r in result.records] == [
        ("v_g00_c01.mp4", 5),
        ("v_g00_c01_2.mp4", 6),
    ]


def test_class_names_that_are_no_folder_names_keep_their_labels(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder({"a": 1, "b": 1, "c": 1})
    classes = ("salsa/tango", "Run", "run")
    result, _ = _prepare(replace(_indexed(root), classes=classes), tmp_path / "out")
    assert result.classes == classes
    assert [Path(r.path).parent.name for r in result.records] == ["salsa_tango", "Run", "run_2"]
    assert [r.label for r in read_manifest(tmp_path / "out" / "manifest.csv").records] == [0, 1, 2]


def test_only_what_is_not_done_is_done(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 2, "jump": 1})
    source = _indexed(root)
    first, todo = _prepare(source, tmp_path / "out")
    assert len(todo) == 3
    again, todo = _prepare(source, tmp_path / "out")
    assert (again, todo) == (first, [])
    os.utime(root / "run" / "v_g00_c01.mp4")
    _, todo = _prepare(source, tmp_path / "out")
    assert [Path(video.record.path).name for video in todo] == ["v_g00_c01.mp4"], "a source that was changed"
    Path(first.records[0].path).write_bytes(b"damaged")
    _, todo = _prepare(source, tmp_path / "out")
    assert [str(video.target) for video in todo] == [first.records[0].path]
    other, todo = _prepare(source, tmp_path / "out", Encoding(short_side_px=32))
    assert len(todo) == 3
    assert {record.height for record in other.records} == {32}


def test_parts_of_a_long_video_become_files_of_their_own(numbered_video: Path, tmp_path: Path) -> None:
    entries = (Entry(numbered_video, 0, "train", 0.0, 0.4), Entry(numbered_video, 1, "val", 0.4, 1.0))
    source = index_videos(Annotations(("a", "b"), entries), tmp_path / "m.csv", num_workers=1)
    result, _ = _prepare(source, tmp_path / "out")
    assert [(r.label, r.first_frame, r.num_frames) for r in result.records] == [(0, 0, 10), (1, 0, 15)]
    assert _files(tmp_path / "out") == ["train/a/numbered.mp4", "val/b/numbered.mp4"]


def test_sources_that_fail_are_listed_and_the_others_done(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"run": 3, "jump": 1})
    (root / "run" / "page.mp4").write_text("<html>")
    source = _indexed(root)
    gone, replaced = root / "run" / "v_g00_c01.mp4", root / "run" / "v_g01_c01.mp4"
    gone.unlink()
    shutil.copy(root / "jump" / "v_g00_c01.mp4", replaced)
    result, _ = _prepare(source, tmp_path / "out")
    assert [Path(record.path).name for record in result.records] == ["v_g00_c01.mp4", "v_g02_c01.mp4"]
    assert result.bad == (
        (str(root / "run" / "page.mp4"), "cannot be decoded: Invalid data found when processing input"),
        (str(gone), "No such file or directory"),
        (str(replaced), "has changed since it was indexed; index it again with: gcvideo index"),
    )
    assert _files(tmp_path / "out") == ["train/jump/v_g00_c01.mp4", "train/run/v_g02_c01.mp4"]


def test_what_decodes_of_a_damaged_video_is_written(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "videos" / "run").mkdir(parents=True)
    for name in ("broken_truncated.avi", "broken_truncated_middle.mp4"):
        shutil.copy(shared_data / "zoo" / name, tmp_path / "videos" / "run")
    result, _ = _prepare(_indexed(tmp_path / "videos"), tmp_path / "out")
    assert [(r.num_frames, r.damage, r.codec) for r in result.records] == [(74, "", "h264"), (51, "", "h264")]


def test_a_count_that_differs_from_the_list_is_not_kept(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    source = _indexed(make_folder({"run": 2}))
    wrong = replace(source.records[0], num_frames=13)
    result, _ = _prepare(replace(source, records=(wrong, source.records[1])), tmp_path / "out")
    assert result.bad == ((wrong.path, "gives 12 frames, not 13; index it again with: gcvideo index"),)
    assert _files(tmp_path / "out") == ["train/run/v_g01_c01.mp4"]


def test_new_file_that_lost_frames_is_deleted_and_listed(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    source = _indexed(make_folder({"run": 2}, num_frames=12))
    _prepare(source, tmp_path / "out")
    (short,) = _indexed(make_folder({"run": 1}, name="short", num_frames=5)).records
    target = tmp_path / "out" / "train" / "run" / "v_g00_c01.mp4"
    videos = plan_videos(source, tmp_path / "out", ENCODING)
    with Journal(tmp_path / "out" / "prepared.jsonl") as journal:
        shutil.copy(short.path, target)
        journal.add(target, videos[0].origin())  # as if the encoder had written it
    result, todo = _prepare(source, tmp_path / "out")
    assert todo == []
    assert result.bad == ((source.records[0].path, "its new file has 5 of 12 frames"),)
    assert not target.exists()
    _, todo = _prepare(source, tmp_path / "out")
    assert len(todo) == 1, "it is tried again"


@pytest.mark.long
def test_number_of_processes_does_not_change_the_files(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    source = _indexed(make_folder({"run": 3, "jump": 3}))
    for name, num_workers in {"a": 1, "b": 2}.items():
        _prepare(source, tmp_path / name, num_workers=num_workers)
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


@pytest.mark.parametrize("num_workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_full_disk_leaves_whole_files_only(
    make_folder: Callable[..., Path], tmp_path: Path, small_disk: Path, num_workers: int
) -> None:
    source = _indexed(make_folder({"run": 12}))
    with pytest.raises(OSError, match="No space left") as full:
        _prepare(source, small_disk / "out", Encoding(crf=0), num_workers)
    assert full.value.errno == errno.ENOSPC
    kept = sorted((small_disk / "out").glob("*/*/*"))
    assert 0 < len(kept) < 12
    assert all(path.suffix == ".mp4" and not path.name.startswith(".") for path in kept)
    (small_disk / "out" / "manifest.csv").unlink(missing_ok=True)
    entries = tuple(Entry(path, 0, "train") for path in kept)
    found = index_videos(Annotations(("run",), entries), tmp_path / "kept.csv", num_workers=1)
    assert [record.num_frames for record in found.records] == [12] * len(kept)


def test_source_that_no_frame_is_left_of_is_an_error_of_the_index(tmp_path: Path) -> None:
    (tmp_path / "videos" / "run").mkdir(parents=True)
    (tmp_path / "videos" / "run" / "a.mp4").write_text("<html>")
    with pytest.raises(InputError, match="none of the 1 videos can be decoded"):
        _indexed(tmp_path / "videos")
