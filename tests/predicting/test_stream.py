from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.data.encode import write_video
from gcvideo.errors import InputError
from gcvideo.predicting.stream import stream_windows
from tests.conftest import frame_numbers, numbered_frames


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *values: object) -> None:
        """Says nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Two seconds at 20 frames a second, served on this machine; frame k shows k."""
    write_video(tmp_path / "numbered.mp4", numbered_frames(40), fps=20, crf=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/numbered.mp4"
    server.shutdown()
    server.server_close()
    thread.join()


def test_stream_is_cut_into_windows_that_leave_no_frame_out(address: str) -> None:
    windows = list(stream_windows(address, 0.75))
    assert [window.start for window in windows] == pytest.approx([0, 0.75, 1.5])
    assert [window.fps for window in windows] == pytest.approx([20, 20, 20])
    shown = [frame_numbers(window.read(window.times.argsort())) for window in windows]
    assert [number for numbers in shown for number in numbers] == list(range(40))


def test_command_prints_a_line_a_window(address: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--stream", address, "--window", "0.5", "--top", "1", "--accelerator", "cpu"]
    assert run(["predict", "--ckpt_path", str(checkpoint), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["0.0", "-", "0.5"],
        ["0.5", "-", "1.0"],
        ["1.0", "-", "1.5"],
        ["1.5", "-", "2.0"],
    ]
    assert all(line.endswith("%") for line in lines)


def test_stream_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--stream http://127\.0\.0\.1:9/x: "):
        list(stream_windows("http://127.0.0.1:9/x", 1.0))
    with pytest.raises(InputError, match="--stream /dev/video77: "):
        list(stream_windows("/dev/video77", 1.0))
