"""Where an exported file goes, and that it appears whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gcvideo
from gcvideo.errors import InputError
from gcvideo.exporting.destination import appearing, check_free, destination
from gcvideo.exporting.formats import TORCH_EXPORT, check_installed
from gcvideo.exporting.program import Traced

PACKAGE = Path(gcvideo.__file__).parent


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        (None, "run/best.onnx"),
        ("folder", "folder/best.onnx"),
        ("new/deep", "new/deep/best.onnx"),
        ("there.d", "there.d/best.onnx"),
        ("model.onnx", "model.onnx"),
        ("new/model.onnx", "new/model.onnx"),
    ],
)
def test_place(out: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.d").mkdir()
    assert destination(Path("run/best.ckpt"), ".onnx", out) == Path(expected)


def test_another_suffix_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"--out model.bin: expected a folder, or a file that ends with .onnx"
    ) as error:
        destination(Path("best.ckpt"), ".onnx", "model.bin")
    assert error.value.exit_code == 2


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("old")
    with pytest.raises(InputError, match=r"b exists; --force overwrites it, --out names another file"):
        check_free([tmp_path / "a", tmp_path / "b"], force=False)
    check_free([tmp_path / "a", tmp_path / "b"], force=True)
    (tmp_path / "c").mkdir()
    with pytest.raises(InputError, match="is a folder; name another file"):
        check_free([tmp_path / "c"], force=True)


def test_no_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out: .*file/below cannot be a folder: Not a directory; name another one"):
        check_free([tmp_path / "file" / "below" / "m.onnx"], force=False)
    with pytest.raises(InputError, match=r"--out: .*file cannot be a folder: File exists; name another one"):
        check_free([tmp_path / "file" / "m.onnx"], force=False)


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    files = [tmp_path / "model", tmp_path / "about"]
    files[0].write_text("old")

    def write(fail: bool) -> None:
        with appearing(files) as hidden:
            for file in files:
                (hidden / file.name).write_text("new")
            assert files[0].read_text() == "old"
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"model": "old"}
    write(fail=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"model": "new", "about": "new"}


def test_missing_package_is_named_with_its_cure() -> None:
    with pytest.raises(
        InputError, match=r"needs no_such_package, which is not installed: pip install 'gcvideo\[export\]'"
    ):
        check_installed("onnx", ("json", "no_such_package"))


_ENDED = """
import os, signal, sys, time
from pathlib import Path
from gcvideo.exporting.destination import appearing
with appearing([Path(sys.argv[1]) / "model"]) as hidden:
    (hidden / "model").write_text("half")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
"""


def test_sigterm_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _ENDED, str(tmp_path)], check=False, cwd=PACKAGE.parent)
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []
    before = signal.getsignal(signal.SIGTERM)
    with appearing([tmp_path / "model"]) as hidden:
        (hidden / "model").write_text("whole")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """Torch's own writer of files ends the process there."""
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    (tmp_path / "m.pt2").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        TORCH_EXPORT.write(Traced(program, ()), tmp_path / "m.pt2")
