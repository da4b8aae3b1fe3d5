"""Where an exported file goes, and that it appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.errors import InputError
from gcvideo.exporting.destination import appearing, check_free, destination
from gcvideo.exporting.formats import check_installed


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
