from __future__ import annotations

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from gcvideo.data.decoding.deadline import DeadlineReader
from gcvideo.data.decoding.decode import DecodeError, is_installed, read_frames
from gcvideo.errors import InputError
from tests.conftest import frame_numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

INDICES = np.array([[39, 0, 17], [17, 3, 38]])


@pytest.fixture
def reader() -> Iterator[DeadlineReader]:
    with closing(DeadlineReader(20)) as reader:
        yield reader


def _started(reader: DeadlineReader, path: Path) -> int:
    """Reads a frame, and gives the number of the subprocess that did."""
    reader.read(path, np.array([0]), "pyav")
    assert reader.pid is not None
    return reader.pid


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("name", [name for name in ("decord", "pyav") if is_installed(name)])
def test_frames_are_those_of_read_frames(numbered_video: Path, reader: DeadlineReader, name: str) -> None:
    first = reader.read(numbered_video, INDICES, name)
    expected = read_frames(numbered_video, INDICES, name)
    reader.read(numbered_video, np.array([5, 6, 7, 8, 9, 10]), name)  # writes over the shared file
    np.testing.assert_array_equal(first, expected)
    assert frame_numbers(first) == INDICES.reshape(-1).tolist()
    assert first.dtype == np.uint8


def test_refusals_of_read_frames_pass_as_they_are(numbered_video: Path, reader: DeadlineReader, tmp_path: Path) -> None:
    odd = tmp_path / "ü \udcff '\n.mp4"
    odd.write_text("<html>not found</html>")
    for path in (tmp_path / "gone.mp4", odd, numbered_video):
        with pytest.raises(DecodeError) as expected:
            read_frames(path, np.array([40]), "pyav")
        with pytest.raises(DecodeError, match=f"^{re.escape(str(expected.value))}$"):
            reader.read(path, np.array([40]), "pyav")


def test_hang_ends_at_the_deadline_and_the_next_read_works(numbered_video: Path) -> None:
    with closing(DeadlineReader(0.4)) as reader:
        hanging = _started(reader, numbered_video)
        os.kill(hanging, signal.SIGSTOP)
        before = time.monotonic()
        with pytest.raises(
            DecodeError, match=rf"{numbered_video}: does not decode within 0.4 s; .*--data.reading.deadline_s"
        ):
            reader.read(numbered_video, np.zeros(200_000, np.int64), "pyav")  # more than a pipe holds
        assert 0.4 <= time.monotonic() - before < 5
        assert not _is_running(hanging)
        assert reader.pid is None
        reader.seconds = 20
        assert frame_numbers(reader.read(numbered_video, INDICES, "pyav")) == INDICES.reshape(-1).tolist()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL], ids=lambda number: number.name)
def test_crash_names_the_signal_and_the_next_read_works(
    numbered_video: Path, reader: DeadlineReader, number: signal.Signals
) -> None:
    pid = _started(reader, numbered_video)
    os.kill(pid, signal.SIGSTOP)  # so that it dies with the clip in its hands

    def kill() -> None:
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)

    killer = threading.Timer(0.3, kill)
    killer.start()
    with pytest.raises(DecodeError, match=rf"{numbered_video}: the process that decodes ended with {number.name}"):
        reader.read(numbered_video, INDICES, "pyav")
    killer.join()
    assert frame_numbers(reader.read(numbered_video, np.array([7]), "pyav")) == [7]


def test_death_between_two_clips_is_blamed_on_neither(numbered_video: Path, reader: DeadlineReader) -> None:
    pid = _started(reader, numbered_video)
    os.kill(pid, signal.SIGKILL)
    _wait_for(lambda: not _is_running(pid))
    assert frame_numbers(reader.read(numbered_video, np.array([7]), "pyav")) == [7]


def test_signals_that_stop_a_run_leave_the_clip_alone(numbered_video: Path, reader: DeadlineReader) -> None:
    pid = _started(reader, numbered_video)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.kill(pid, number)
        assert _started(reader, numbered_video) == pid


def test_interrupted_read_leaves_no_stale_answer(numbered_video: Path, reader: DeadlineReader) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    pid = _started(reader, numbered_video)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            reader.read(numbered_video, np.array([3]), "pyav")
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert frame_numbers(reader.read(numbered_video, np.array([7]), "pyav")) == [7]


def test_killed_parent_leaves_no_orphan_even_where_the_decoder_hangs(numbered_video: Path) -> None:
    script = """
        import os, signal, sys, time
        import numpy as np
        from gcvideo.data.decoding.deadline import DeadlineReader
        reader = DeadlineReader(60)
        reader.read(sys.argv[1], np.array([0]), "pyav")
        os.kill(reader.pid, signal.SIGSTOP)
        print(reader.pid, flush=True)
        reader.read(sys.argv[1], np.array([0]), "pyav")
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(numbered_video)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_running(pid)
        parent.kill()
    _wait_for(lambda: not _is_running(pid))


def test_server_ends_when_its_socket_is_closed() -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "gcvideo.data.decoding.decode_server", str(os.getpid()), "0", "0"]
    with theirs, subprocess.Popen(command, stdin=theirs.fileno()) as server:
        with ours:
            assert ours.recv(4) == b"\0\0\0\x0f"
        assert server.wait(20) == 0


def test_forgotten_reader_ends_its_process_in_silence(numbered_video: Path) -> None:
    script = """
        import sys
        import numpy as np
        from gcvideo.data.decoding.deadline import DeadlineReader
        reader = DeadlineReader(60)
        reader.read(sys.argv[1], np.array([0]), "pyav")
        print(reader.pid)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(numbered_video)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    _wait_for(lambda: not _is_running(int(ended.stdout)))


class _Numbers(Dataset[tuple[int | None, list[int], int]]):
    """Item k: the subprocess before the read, the number read from frame k, and the subprocess that read it."""

    def __init__(self, path: Path, reader: DeadlineReader) -> None:
        self.path, self.reader = path, reader

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[int | None, list[int], int]:
        before = self.reader.pid
        frames = self.reader.read(self.path, np.array([index]), "pyav")
        assert self.reader.pid is not None
        return before, frame_numbers(frames), self.reader.pid


@pytest.mark.parametrize(("context", "num_workers"), [("fork", 2), pytest.param("spawn", 1, marks=pytest.mark.long)])
def test_loader_workers_start_their_own(
    numbered_video: Path, reader: DeadlineReader, context: str, num_workers: int
) -> None:
    own = _started(reader, numbered_video)
    dataset = _Numbers(numbered_video, reader)
    items = list(DataLoader(dataset, None, num_workers=num_workers, multiprocessing_context=context))
    assert [numbers for _, numbers, _ in items] == [[k] for k in range(8)]
    pids = {pid for _, _, pid in items}
    assert len(pids - {own}) == num_workers
    assert {before for before, _, _ in items} == {None, *pids}
    assert _started(reader, numbered_video) == own  # the workers left it alone
    _wait_for(lambda: not any(_is_running(pid) for pid in pids))


def test_pickle_carries_the_settings_and_no_process(numbered_video: Path) -> None:
    with closing(DeadlineReader(20, max_bytes=1 << 30)) as reader:
        pid = _started(reader, numbered_video)
        with closing(pickle.loads(pickle.dumps(reader))) as copy:
            assert (copy.seconds, copy.max_bytes, copy.pid) == (20, 1 << 30, None)
            assert _started(copy, numbered_video) != pid


def test_two_hundred_reads_with_replacements_leave_nothing(numbered_video: Path) -> None:
    def held() -> tuple[list[str], str]:
        files = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)]
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return sorted(re.sub(r"\d+", "", name) for name in files), children

    before = held()
    with closing(DeadlineReader(20)) as reader:
        for number in range(200):
            if number % 25 == 24:
                os.kill(_started(reader, numbered_video), signal.SIGSTOP)
                reader.seconds = 0.05
                with pytest.raises(DecodeError, match="within"):
                    reader.read(numbered_video, np.array([0]), "pyav")
                reader.seconds = 20
            reader.read(numbered_video, np.array([number % 3]), "pyav")
    assert held() == before


def _is_open(name: str) -> bool:
    """Not the descriptor that the listing itself used."""
    return os.path.lexists(f"/proc/self/fd/{name}")


@pytest.mark.skipif(not is_installed("decord"), reason="PyAV is silent")
def test_noise_of_a_decoder_neither_shows_nor_blocks(
    numbered_video: Path, reader: DeadlineReader, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = numbered_video.with_name("damaged.mp4")
    content = bytearray(numbered_video.read_bytes())
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    damaged.write_bytes(content)

    def outcome(read: Callable[..., np.ndarray]) -> str:
        try:
            return str(read(damaged, np.arange(40), "decord").shape)
        except DecodeError:  # decord's message differs from time to time
            return "refused"

    pid = _started(reader, numbered_video)
    expected = outcome(read_frames)
    noise = len(capfd.readouterr().err)
    assert noise > 100
    for _ in range(200_000 // noise):  # three times what a pipe holds
        assert outcome(reader.read) == expected
    assert reader.pid == pid  # no deadline passed
    assert capfd.readouterr().err == ""


def test_clip_beyond_the_memory_limit_is_refused_and_the_next_read_works(numbered_video: Path) -> None:
    with closing(DeadlineReader(20, max_bytes=600 << 20)) as reader:
        pid = _started(reader, numbered_video)
        with pytest.raises(DecodeError, match=rf"{numbered_video}: its frames take more than the 600 MiB of memory"):
            reader.read(numbered_video, np.zeros(100_000, np.int64), "pyav")
        assert _started(reader, numbered_video) == pid


def test_modules_of_the_working_folder_are_not_taken(
    numbered_video: Path, reader: DeadlineReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('the wrong av')")
    monkeypatch.chdir(tmp_path)
    assert frame_numbers(reader.read(numbered_video, np.array([7]), "pyav")) == [7]


def test_process_that_does_not_start_says_why(
    numbered_video: Path, reader: DeadlineReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    why = r"ended with exit code 1 \(ImportError: libavcodec is missing\) before it began"
    with pytest.raises(RuntimeError, match=why):
        reader.read(numbered_video, np.array([0]), "pyav")
    assert reader.pid is None


def test_server_does_without_torch() -> None:
    code = "import sys, gcvideo.data.decoding.decode_server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("seconds", "max_bytes"), [(0.0, None), (-1.0, None), (float("nan"), None), (1.0, 0)])
def test_limits_that_are_none_are_refused(seconds: float, max_bytes: int | None) -> None:
    with pytest.raises(InputError, match="above 0"):
        DeadlineReader(seconds, max_bytes=max_bytes)
