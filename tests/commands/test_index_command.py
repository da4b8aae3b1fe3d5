from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gcvideo.cli import run
from gcvideo.data.folder import VideoFolder
from gcvideo.data.manifest import read_manifest

NAMES = ["a b.mp4", 'say "hi", all.mp4', "two\nlines.mp4", "über 跳.mp4", "$(touch pwned).mp4"]


@pytest.fixture
def clips(make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real videos of 12 frames at 25 a second under odd names, flat; the current folder is that of the test."""
    first = make_folder({"x": 1}) / "x" / "v_g00_c01.mp4"
    (tmp_path / "clips").mkdir()
    for name in NAMES:
        shutil.copy(first, tmp_path / "clips" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "clips"


def _write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_table_of_odd_names_with_a_missing_file_and_parts_becomes_a_manifest(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[name, "run", "", ""] for name in NAMES] + [[NAMES[0], "jump", "0.2", "0.4"], ["gone.mp4", "jump", "", ""]]
    path = _write_csv(tmp_path / "list.csv", [["path", "label", "start", "end"], *rows])
    assert run(["index", str(path), "--root", str(clips), "--out", "m.csv", "--num_workers", "1"]) == 0
    manifest = read_manifest(Path("m.csv"))
    assert [Path(record.path).name for record in manifest.records] == [*NAMES, NAMES[0]]
    assert [record.num_frames for record in manifest.records] == [12, 12, 12, 12, 12, 5]
    assert [manifest.classes[record.label] for record in manifest.records] == ["run"] * 5 + ["jump"]
    assert [(Path(bad).name, reason) for bad, reason in manifest.bad] == [("gone.mp4", "No such file or directory")]
    out = capsys.readouterr().out
    assert f"1 of 7 listed videos are missing, the first: {clips}/gone.mp4 ({path}, line 9)" in out
    assert "no split is said, so all videos are for training" in out
    assert not (tmp_path / "pwned").exists()


def test_lists_of_two_splits_become_one_manifest(clips: Path) -> None:
    Path("train.txt").write_text(f"{NAMES[0]} 1\n")
    Path("val.txt").write_text(f"{NAMES[3]} 0\n", encoding="utf-8")
    Path("names.txt").write_text("jump\nrun\n")
    arguments = ["index", "train.txt", "val.txt", "--root", "clips", "--classes", "names.txt", "--out", "m.csv"]
    assert run([*arguments, "--num_workers", "1"]) == 0
    manifest = read_manifest(Path("m.csv"))
    assert manifest.classes == ("jump", "run")
    assert [(r.split, r.label) for r in manifest.records] == [("train", 1), ("val", 0)]


def test_folders_of_pictures_are_videos_of_the_given_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        for name in ("run/v1", "jump/v2"):
            (tmp_path / "frames" / name).mkdir(parents=True, exist_ok=True)
            picture = np.full((32, 48, 3), 40 * number, dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "frames" / name / f"{number:05d}.png")
    assert run(["index", "frames", "--fps", "12", "--out", "m.csv", "--num_workers", "1"]) == 0
    records = read_manifest(Path("m.csv")).records
    assert [(Path(r.path).name, r.num_frames, r.fps, r.duration) for r in records] == [
        ("v2", 6, 12.0, 0.5),
        ("v1", 6, 12.0, 0.5),
    ]


def test_quick_reads_headers_only(clips: Path) -> None:
    Path("train.txt").write_text(f"{NAMES[0]} 1\n{NAMES[4]} 0\n")
    assert run(["index", "train.txt", "--root", "clips", "--quick", "--out", "m.csv", "--num_workers", "1"]) == 0
    assert [record.num_frames for record in read_manifest(Path("m.csv")).records] == [12, 12]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["s3://bucket/list.csv"], 1, "source: s3://bucket/list.csv is on the network; fetch it first"),
        (["list.txt", "--fold", "1"], 2, "path_label, which does not read --fold (hmdb51, ucf101 do); leave it out"),
        (["list.txt", "--root", "nowhere"], 1, "--root nowhere: no such folder"),
        (["list.txt", "--format", "coco"], 2, "--format is 'coco', expected auto, activitynet"),
        (["list.txt"], 1, "none of the 2 listed videos is there; the first: a.mp4 (list.txt, line 1); name the folder"),
        (["list.txt", "--out", "list.txt"], 2, "list.txt is there already and is not a manifest"),
    ],
)
def test_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a.mp4 0\nb.mp4 1\n")
    assert run(["index", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]


def test_help_teaches_with_examples_and_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["index", "--help"])
    out = capsys.readouterr().out
    assert "gcvideo index MY_VIDEOS" in out
    assert "  kinetics             The official CSV of Kinetics-400, 600 and 700" in out
    assert max(map(len, out.splitlines())) <= 120


def test_fit_takes_a_list_that_needs_no_options(clips: Path) -> None:
    _write_csv(Path("list.csv"), [["path", "label"], [f"clips/{NAMES[0]}", "run"], [f"clips/{NAMES[1]}", "jump"]])
    data = VideoFolder(root="list.csv")
    assert data.annotations().classes == ("jump", "run")
    assert [entry.path.name for entry in data.annotations().entries] == NAMES[:2]
