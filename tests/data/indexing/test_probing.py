from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.encode import write_video
from gcvideo.data.indexing import probing
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.data.watched import LostJobError, watched
from tests.conftest import numbered_frames, write_variable_rate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def _square(number: int) -> int:
    """Crashes on 3 and hangs on 4."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 4:
        time.sleep(600)
    return number * number


@pytest.mark.parametrize("num_workers", [1, 2])
def test_crash_and_hang_cost_their_job_alone(num_workers: int) -> None:
    done = dict(watched(_square, range(7), seconds=lambda job: 0.5 if job == 4 else 60, num_workers=num_workers))
    lost = {job: str(result) for job, result in done.items() if isinstance(result, LostJobError)}
    assert lost == {3: "crashed on it (SIGSEGV)", 4: "took longer than 0.5 s on it"}
    assert {job: result for job, result in done.items() if job not in lost} == {0: 0, 1: 1, 2: 4, 5: 25, 6: 36}
    assert _children() == []


def test_process_that_cannot_start_is_no_fault_of_the_job(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from gcvideo.data.watched import watched\nlist(watched(print, [1], seconds=lambda job: 60))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert "a process that shares the work does not start" in done.stderr
    assert "if __name__ == '__main__':" in done.stderr


def _children() -> list[int]:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [pid for pid in map(int, text.split()) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _when_opened(path: Path, number: signal.Signals) -> threading.Thread:
    """Sends a signal to the child of this process that has opened a file."""

    def watch() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for pid in _children():
                if _has_open(pid, path):
                    os.kill(pid, number)
                    return
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(os.readlink(link) == str(path) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has closed it, or ended
        return False


@pytest.fixture
def three(tmp_path: Path) -> Annotations:
    """Three videos; the second one takes a while to decode."""
    sizes = {"a.mp4": (12, 48, 64), "b.mp4": (50, 480, 640), "c.mp4": (12, 48, 64)}
    for name, (num_frames, height, width) in sizes.items():
        write_video(tmp_path / name, numbered_frames(num_frames, height, width), fps=25, crf=1)
    return Annotations(("x",), tuple(Entry(tmp_path / name, 0, "train") for name in sizes))


def _index(annotations: Annotations, tmp_path: Path, quick: bool = False) -> Manifest:
    return index_videos(annotations, tmp_path / "m.csv", num_workers=1, quick=quick)


def test_file_on_which_the_decoder_crashes_is_listed_and_the_rest_is_indexed(
    three: Annotations, tmp_path: Path
) -> None:
    killer = _when_opened(tmp_path / "b.mp4", signal.SIGSEGV)
    manifest = _index(three, tmp_path)
    killer.join()
    assert manifest.bad == ((str(tmp_path / "b.mp4"), "the decoder crashed on it (SIGSEGV)"),)
    assert [Path(record.path).name for record in manifest.records] == ["a.mp4", "c.mp4"]
    assert read_manifest(tmp_path / "m.csv") == manifest
    assert [record.num_frames for record in _index(three, tmp_path).records] == [12, 50, 12]


@pytest.mark.long
def test_file_on_which_the_decoder_hangs_is_listed_and_the_rest_is_indexed(
    three: Annotations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 15.0)
    monkeypatch.setattr(probing, "_SECONDS_PER_MB", 0.0)
    stopper = _when_opened(tmp_path / "b.mp4", signal.SIGSTOP)
    manifest = _index(three, tmp_path)
    stopper.join()
    assert manifest.bad == ((str(tmp_path / "b.mp4"), "the decoder took longer than 15 s on it"),)
    assert len(manifest.records) == 2
    assert _children() == []


def test_deadline_grows_with_the_file() -> None:
    assert [probing.Task(Path("a"), 0, size).deadline_s for size in (0, 50_000_000)] == [120, 220]


def test_quick_index_reads_headers_and_the_next_full_one_decodes(three: Annotations, tmp_path: Path) -> None:
    quick = _index(three, tmp_path, quick=True)
    full = _index(three, tmp_path)
    facts = [[(r.num_frames, r.fps, r.width, r.height, r.codec, r.duration) for r in m.records] for m in (quick, full)]
    assert facts[0] == facts[1]
    assert [(r.readers, r.damage, r.modified_ns) for r in quick.records] == [("pyav:forward", "", 0)] * 3
    assert all("seek" in record.readers and record.modified_ns for record in full.records)
    assert _index(three, tmp_path, quick=True) == full


def test_quick_index_knows_real_times_and_what_is_no_video(tmp_path: Path) -> None:
    write_variable_rate(tmp_path / "vfr.mp4", [100] * 10 + [20] * 20)
    (tmp_path / "page.mp4").write_text("<html>not found</html>")
    paths = [tmp_path / name for name in ("vfr.mp4", "page.mp4")]
    manifest = _index(Annotations(("x",), tuple(Entry(path, 0, "train") for path in paths)), tmp_path, quick=True)
    assert [(record.is_vfr, record.num_frames) for record in manifest.records] == [(True, 30)]
    assert [reason for _, reason in manifest.bad] == ["cannot be opened: Invalid data found when processing input"]


def test_quick_count_of_real_files_is_that_of_a_decode_or_near(shared_data: Path) -> None:
    """Packed B-frames and cut files may be off by some; those that are right are the rule."""
    names = "fps60.mp4 hevc.mp4 vfr.mp4 vp9.webm cut_without_reencoding.mp4 starts_at_5s.mkv xvid_original.avi"
    tasks = [probing.Task(shared_data / "zoo" / name, 0, 1, quick) for name in names.split() for quick in (True, False)]
    found = {(task.path, task.quick): probe for task, probe in probing.probe_all(tasks, num_workers=1)}
    assert not any(isinstance(probe, str) for probe in found.values())
    counts = {path.name: (len(found[path, True].times), len(found[path, False].times)) for path, _ in found}  # type: ignore[union-attr]
    assert {name: pair for name, pair in counts.items() if pair[0] != pair[1]} == {}


def test_interrupted_index_ends_its_processes(three: Annotations, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_videos(three, tmp_path / "m.csv", num_workers=1, on_video=interrupt)
    assert _children() == []
