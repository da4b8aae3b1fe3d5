from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pytest

from gcvideo.cli import run
from gcvideo.commands import _predicting
from tests.conftest import write_class_folders
from tests.predicting.conftest import checkpoint as checkpoint
from tests.predicting.conftest import validated as validated
from tests.training.rank_runs import descendants, until

CPU = ["--accelerator", "cpu", "--num_workers", "0"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five files: three videos, one of which has lost its end, a page that calls itself a video, and notes."""
    root = write_class_folders(tmp_path / "videos", {"x": 2})
    whole = (root / "x" / "v_g00_c01.mp4").read_bytes()
    (root / "page.mp4").write_text("<html>404</html>")
    (root / "notes.md").write_text("no video")
    with av.open(str(root / "cut.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(40):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    data = (root / "cut.avi").read_bytes()
    (root / "cut.avi").write_bytes(data[: len(data) // 2])
    assert whole
    monkeypatch.chdir(tmp_path)
    return root


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_bad_files_are_listed_the_rest_is_done_and_the_exit_code_tells(
    folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(folder), "gone.mp4", str(folder / "page.mp4")]
    assert run(["predict", "--ckpt_path", str(checkpoint), *names, "--out", "out.csv", "--top", "1", *CPU]) == 1
    rows = _rows(tmp_path / "out.csv")
    assert [Path(row["path"]).name for row in rows] == [
        "cut.avi",
        "page.mp4",
        "v_g00_c01.mp4",
        "v_g01_c01.mp4",
        "gone.mp4",
    ]
    assert [bool(row["label_1"]) for row in rows] == [True, False, True, True, False]
    assert [bool(row["damage"]) for row in rows] == [True, False, False, False, False]
    assert [bool(row["failure"]) for row in rows] == [False, True, False, False, True]
    out, error = capsys.readouterr()
    assert "3 videos predicted, 1 of them damaged" in out
    assert "damaged: " in out
    assert "2 of 5 files failed" in error
    assert "gone.mp4: No such file or directory" in error


@pytest.mark.long
def test_zoo_of_damaged_files_has_49_answers_and_4_named_failures(
    shared_data: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["predict", "--ckpt_path", str(checkpoint), str(shared_data / "zoo"), "--out", "out.csv", *CPU]) == 1
    rows = _rows(tmp_path / "out.csv")
    assert [len(rows), sum(bool(row["label_1"]) for row in rows), sum(bool(row["damage"]) for row in rows)] == [
        53,
        49,
        6,
    ]
    assert [Path(row["path"]).name for row in rows if row["failure"]] == [
        "broken_audio_only.mp4",
        "broken_html_page.mp4",
        "broken_truncated_no_moov.mp4",
        "broken_zero_bytes.mp4",
    ]


def test_json_says_what_it_is_of(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    video = folder / "x" / "v_g00_c01.mp4"
    assert run(["predict", "--ckpt_path", str(checkpoint), str(video), "--out", "o.json", "--views", "2x3", *CPU]) == 0
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["classes"] == ["jump", "run"]
    assert content["views"].startswith("2 x 3 views")
    (found,) = content["videos"]
    assert found["path"] == str(video)
    assert sum(named["probability"] for named in found["top"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("source", "devices"),
    [("videos", 2), pytest.param("videos", 3, marks=pytest.mark.long), pytest.param("videos/cut.avi", 2)],
)
def test_several_processes_give_the_rows_of_one(
    folder: Path, checkpoint: Path, tmp_path: Path, source: str, devices: int
) -> None:
    """Three videos and a bad file; and one video, which is fewer than there are processes."""
    base = ["predict", "--ckpt_path", str(checkpoint), "--views", "3x1", *CPU, source]
    command = [sys.executable, "-m", "gcvideo", *base, "--out=all.csv", f"--devices={devices}"]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    assert done.returncode == run([*base, "--out=one.csv"]) == (source == "videos"), done.stderr
    assert done.stdout.count("predicted") == 1
    assert not {"warning", "rank", "distributed"} & set(done.stderr.lower().replace(":", " ").split())
    one, several = (_rows(tmp_path / name) for name in ("one.csv", "all.csv"))
    assert [_without_numbers(row) for row in one] == [_without_numbers(row) for row in several]
    numbers = [[float(row[k]) for row in rows for k in row if "prob" in k and row[k]] for rows in (one, several)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-6)


def _without_numbers(row: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if "prob" not in name}


def test_long_video_has_segments_and_a_picture_of_them(
    folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = folder / "x" / "v_g00_c01.mp4"  # 0.48 s
    options = ["--window", "0.2", "--stride", "0.1", "--timeline", "times", "--out", "o.csv", "--annotate", "drawn"]
    assert run(["predict", "--ckpt_path", str(checkpoint), str(video), *options, *CPU]) == 0
    rows = _rows(tmp_path / "o.csv")
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [
        (0, 0.2),
        (0.1, 0.3),
        (0.2, 0.4),
        (0.28, 0.48),
    ]
    assert {(row["annotated"], row["timeline"]) for row in rows} == {("drawn/v_g00_c01.mp4", "times/v_g00_c01.png")}
    segments = _rows(tmp_path / "times" / "v_g00_c01.csv")
    assert (segments[0]["start"], segments[-1]["end"]) == ("0", "0.48")
    assert (tmp_path / "times" / "v_g00_c01.png").read_bytes().startswith(b"\x89PNG")
    with av.open(str(tmp_path / "drawn" / "v_g00_c01.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert "0.0 - " in capsys.readouterr().out


def test_full_disk_is_told_after_all_that_was_found(
    folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of the limit's size and above cannot be written, as on a disk that is full."""
    video = folder / "x" / "v_g00_c01.mp4"
    (tmp_path / "o.csv").write_text("old")
    options = ["--window", "0.2", "--timeline", "times", "--out", "o.csv"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    report = _predicting.report

    def report_on_a_full_disk(*arguments: Any) -> bool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        return report(*arguments)

    monkeypatch.setattr(_predicting, "report", report_on_a_full_disk)
    try:
        code = run(["predict", "--ckpt_path", str(checkpoint), str(video), str(folder / "page.mp4"), *options, *CPU])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out, error = capsys.readouterr()
    assert code == 1
    assert "1 videos predicted" in out
    assert "wrote" not in out
    assert "2 of 2 files failed" in error
    assert "is predicted, but its timeline times/v_g00_c01.png: cannot be written (" in error
    assert "page.mp4: cannot be decoded" in error
    assert error.splitlines()[-1].startswith("gcvideo: error: o.csv: cannot be written (")
    assert (tmp_path / "o.csv").read_text() == "old"
    assert [path for path in tmp_path.rglob("*") if path.name.endswith((".tmp", ".png"))] == []


def test_equal_names_get_different_files(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "x" / "v_g00_c01.mp4", folder / "v_g00_c01.mp4")
    names = [str(folder / "x" / "v_g00_c01.mp4"), str(folder / "v_g00_c01.mp4")]
    assert run(["predict", "--ckpt_path", str(checkpoint), *names, "--annotate", "drawn", *CPU]) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["v_g00_c01.mp4", "v_g00_c01_2.mp4"]


@pytest.mark.long
def test_interrupted_work_is_written_and_says_what_was_not_reached(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    lines = []
    for number in range(100):
        path = tmp_path / "many" / f"{number:03d}.mp4"
        path.parent.mkdir(exist_ok=True)
        os.link(folder / "x" / "v_g00_c01.mp4", path)
        lines.append(str(path))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(lines))
    options = ["--out", "out.csv", "--batch_size", "1", "--views", "20x3", *CPU]
    command = [sys.executable, "-m", "gcvideo", "predict", "--ckpt_path", str(checkpoint), str(listed), *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
        try:
            until(lambda: "looking at files: 100" in (tmp_path / "log").read_text(), process)
            time.sleep(8)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 130
        finally:
            process.kill()
            process.wait()
    rows = _rows(tmp_path / "out.csv")
    assert [row["path"] for row in rows] == lines
    reached = [bool(row["label_1"]) for row in rows]
    assert 0 < sum(reached) < 100
    assert {row["failure"] for row in rows} == {"", "was not reached before the end that was asked for"}


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_all_processes_while_they_start_ends_them_and_the_file_says_so(
    folder: Path, checkpoint: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """As a terminal sends Ctrl-C: the new processes are still importing torch, and have set up nothing of their own."""
    options = ["--out", "out.csv", "--devices", "2", "--views", "20x3", "--batch_size", "1", *CPU]
    command = [sys.executable, "-m", "gcvideo", "predict", "--ckpt_path", str(checkpoint), str(folder), *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment(), start_new_session=True)
        try:
            until(lambda: "looking at files: 4" in (tmp_path / "log").read_text(), process)
            time.sleep(0.5)  # in which the process that looked at them ends
            until(lambda: any(map(_is_spawned, descendants(process.pid))), process)
            os.killpg(process.pid, number)
            assert process.wait(60) == 128 + number, (tmp_path / "log").read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()
    rows = {Path(row["path"]).name: row for row in _rows(tmp_path / "out.csv")}
    assert rows["v_g00_c01.mp4"]["failure"] == "was not reached before the end that was asked for"
    assert not any(row["label_1"] for row in rows.values())


def _is_spawned(pid: int) -> bool:
    """Whether it is a process of multiprocessing, and not what keeps its books."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--top", "0"], 2, "top is 0; expected how many of the best classes"),
        (["--views", "0x3"], 2, "views is '0x3'; expected clips x crops"),
        (["--views", "3"], 2, "views is '3'; expected clips x crops"),
        (["--out", "a.parquet"], 2, "--out a.parquet: expected a name that ends in .csv or .json"),
        (["--out", "gone/a.csv"], 2, "--out gone/a.csv: there is no folder gone"),
        (["--annotate", "file"], 1, "file is not a folder that can be written to"),
        (["--annotate", "videos/x"], 2, "is one of the videos; name another folder"),
        (["--timeline", "t"], 2, "--timeline is of windows"),
        (["--window", "0"], 2, "window is 0; expected seconds above 0"),
        (["--devices", "0"], 2, "devices is 0; expected at least 1"),
        (["--batch_size", "0"], 2, "--batch_size is 0"),
        (["--num_workers", "-1"], 2, "--num_workers is -1"),
        (["--precision", "8"], 2, "precision is '8'; expected 32-true"),
        (["--accelerator", "abacus"], 2, "cannot predict on abacus"),
        (["--stream", "x"], 2, "--stream prints a line a window and takes no files"),
        (["--ckpt_path", "file"], 1, "file"),
        (["--ckpt_path", "gone.ckpt"], 1, "gone.ckpt does not exist"),
        (["empty"], 1, None),
    ],
)
def test_mistake_is_one_line_before_any_work(
    folder: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str | None,
) -> None:
    (tmp_path / "file").write_text("no checkpoint")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    source = [] if message is None else ["videos/x"]
    arguments = ["predict", "--ckpt_path", str(checkpoint), "--accelerator", "cpu", *source, *options]
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert (message or "no video in empty; expected files that end in") in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_no_video_is_a_wrong_call(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--ckpt_path", str(checkpoint)]) == 2
    assert "no video named" in capsys.readouterr().err


def test_names_that_a_terminal_would_obey_are_written_out(
    folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd: Any = folder / "odd"
    odd.mkdir()
    for name in ("two\nlines.mp4", "\x1b[31mred.mp4", "[bold]b.mp4"):
        shutil.copy(folder / "x" / "v_g00_c01.mp4", odd / name)
    assert run(["predict", "--ckpt_path", str(checkpoint), str(odd), *CPU]) == 0
    out = capsys.readouterr().out
    assert "two\\nlines.mp4" in out
    assert "\\x1b[31mred.mp4" in out
    assert "[bold]b.mp4" in out
    assert "\x1b" not in out
