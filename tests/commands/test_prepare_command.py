from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.data.indexing.probe import probe_video
from gcvideo.data.manifest import read_manifest, write_manifest
from tests.commands.conftest import SMALL
from tests.data.preparing.test_prepare import manifest_of

ONE = ["--num_workers", "1"]


@pytest.fixture
def manifest(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """Five videos of two classes in a folder ``videos``."""
    root = make_folder({"train/jump": 2, "train/run": 2, "val/run": 1})
    write_manifest(manifest_of(root), tmp_path / "m.csv")
    return tmp_path / "m.csv"


def test_report_tells_what_was_done_and_what_to_type_next(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my out"
    (tmp_path / "videos" / "train" / "run" / "v_g00_c01.mp4").write_text("<html>")
    assert run(["prepare", str(manifest), str(out), "--gop", "8", *ONE]) == 0
    shown = capsys.readouterr().out
    assert f"5 videos, 0.00 hours, into {out}\nshort side 256 px at most, a key frame every 8 frames, crf 23\n" in shown
    assert re.search(
        r"\n4 videos: 0\.\d MB before, 0\.\d MB after, \d\.\d\d times\n1 files cannot be used, see ", shown
    )
    assert "v_g00_c01.mp4: has changed since it was indexed" in shown
    assert f"next:\n  gcvideo fit --config folder --data.manifest '{out}/manifest.csv'\n" in shown
    assert run(["prepare", str(manifest), str(out), "--gop", "8", *ONE]) == 0
    assert "\n4 are done, 1 to do\n" in capsys.readouterr().out


def test_folder_is_indexed_first(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder({"jump": 1, "run": 1})
    assert run(["prepare", str(root), str(tmp_path / "out"), "--short-side", "32", *ONE]) == 0
    result = read_manifest(tmp_path / "out" / "manifest.csv")
    assert [(record.height, record.split) for record in result.records] == [(32, "train")] * 2
    assert result.classes == ("jump", "run")


def test_fit_takes_what_was_prepared(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["prepare", str(manifest), str(tmp_path / "out"), *ONE]) == 0
    shutil.rmtree(tmp_path / "videos")
    monkeypatch.chdir(tmp_path)
    fit = ["fit", "--config", "folder", "--data.manifest", "out/manifest.csv", "--run_dir", "here", *SMALL]
    assert run([*fit, "--data.holdout=0", "--trainer.logger=false", "--trainer.max_epochs=1"]) == 0
    assert (tmp_path / "here" / "last.ckpt").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ROOT/m.csv", "ROOT/videos"], 2, r"videos lies inside the sources \(.*videos\); name a folder beside them"),
        (["ROOT/m.csv", "ROOT/videos/train/new"], 2, "new lies inside the sources"),
        (["ROOT/videos", "ROOT/videos/new"], 2, "new lies inside the sources"),
        (["ROOT/m.csv", "ROOT"], 2, "holds the sources .*; name a folder of its own"),
        (["ROOT/m.csv", "ROOT/m.csv"], 2, "m.csv is a file; name a folder to write into"),
        (["ROOT/m.csv", "ROOT/other"], 2, "other holds other things; name a new folder, or an empty one"),
        (["ROOT/m.csv", "ROOT/m.csv/below"], 1, "m.csv/below cannot be written: Not a directory; name another folder"),
        (["ROOT/none.csv", "ROOT/out"], 1, "none.csv: no such manifest; make it with: gcvideo index"),
        (["ROOT/m.csv", "ROOT/out", "--short-side=15"], 2, "--short-side is 15; expected an even number"),
        (["ROOT/m.csv", "ROOT/out", "--gop=0"], 2, "--gop is 0"),
        (["ROOT/m.csv", "ROOT/out", "--crf=-1"], 2, "--crf is -1"),
    ],
)
def test_impossible_call_is_refused_and_writes_nothing(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    assert run(["prepare", *[argument.replace("ROOT", str(tmp_path)) for argument in arguments]]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(f"^gcvideo: error: .*{message}", line), line
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_that_can_be_prepared_is_an_error(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(tmp_path / "videos")
    assert run(["prepare", str(manifest), str(tmp_path / "out"), *ONE]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search("none of the 5 videos could be prepared; the first: .*v_g00_c01.mp4: No such file", error)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_full_disk_ends_with_one_line_and_code_75(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(tmp_path / "out")]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        assert run(["prepare", str(manifest), str(tmp_path / "out"), "--crf", "0", *ONE]) == 75
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "out")], check=True)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("preparing videos: ")]
    assert line == (
        f"gcvideo: error: {tmp_path}/out: No space left on device; "
        "make room and give the same command again, what is done is kept"
    )


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGKILL, "1"),
        pytest.param(signal.SIGKILL, "2", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "1", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, "2", marks=pytest.mark.long),
    ],
)
def test_killed_job_leaves_whole_files_and_goes_on(
    shared_data: Path, tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    """Stopped while a file is being written; then the same command does the rest."""
    source = tmp_path / "videos" / "run"
    source.mkdir(parents=True)
    for copy in range(5):
        shutil.copy(shared_data / "zoo" / "xvid_original.avi", source / f"{copy}.avi")
    write_manifest(manifest_of(source.parent), tmp_path / "m.csv")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "gcvideo", "prepare", str(tmp_path / "m.csv"), str(out), "--num_workers", workers]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _wait_for_two_and_a_part(out)
    job.send_signal(number)
    _, errors = job.communicate(timeout=60)
    if number == signal.SIGINT:
        assert job.returncode == 130
        assert errors.splitlines()[-2:] == [
            f"what is done is kept in {out}; the same command goes on",
            "gcvideo: interrupted",
        ]
        assert list(out.glob("*/*/.*")) == []
    done = {path: path.stat().st_mtime_ns for path in out.glob("train/run/[!.]*")}
    assert 2 <= len(done) < 5
    assert {probe_video(path).codec for path in done} == {"h264"}
    noted = (out / "prepared.jsonl").read_text().count("\n")
    assert run(["prepare", str(tmp_path / "m.csv"), str(out), *ONE]) == 0
    kept = [path for path, modified in done.items() if path.stat().st_mtime_ns == modified]
    assert len(kept) >= noted >= 1
    assert [record.num_frames for record in read_manifest(out / "manifest.csv").records] == [65] * 5
    assert list(out.glob("*/*/.*")) == []


def _wait_for_two_and_a_part(out: Path) -> None:
    deadline = time.monotonic() + 60
    while len(list(out.glob("train/run/[!.]*"))) < 2 or not list(out.glob("train/run/.*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
