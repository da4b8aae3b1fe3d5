from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from scripts import hmdb51, ucf101
from scripts.fetching.command import run
from tests.scripts.mirror_server import Mirror
from tests.scripts.rar_files import needs_rar, rar


def call(script: str, mirror: Mirror, out: Path, *more: str) -> int:
    chosen = {"ucf101": ucf101, "hmdb51": hmdb51}[script]
    return run(chosen.fetch, chosen.parser(), ["--out", str(out), "--mirror", mirror.url, *more])


@pytest.fixture
def both(mirror: Mirror) -> Mirror:
    """The archives of both data sets, as they are laid out inside."""
    mirror.files["UCF101.rar"] = rar({"UCF-101/Archery/v_Archery_g01_c01.avi": b"1", "UCF-101/Typing/v.avi": b"2"})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("ucfTrainTestlist/classInd.txt", "1 Archery\n2 Typing\n")
        file.writestr("ucfTrainTestlist/trainlist01.txt", "Archery/v_Archery_g01_c01.avi 1\n")
    mirror.files["UCF101TrainTestSplits-RecognitionTask.zip"] = packed.getvalue()
    inner = {f"{name}.rar": rar({f"{name}/a.avi": name.encode()}) for name in ("brush_hair", "wave")}
    mirror.files["hmdb51_org.rar"] = rar(inner)
    split = {"testTrainMulti_7030_splits/wave_test_split1.txt": b"a.avi 1 \n"}
    mirror.files["test_train_splits.rar"] = rar(split)
    return mirror


@needs_rar
def test_ucf101_is_laid_out_beside_its_splits(both: Mirror, tmp_path: Path) -> None:
    assert call("ucf101", both, tmp_path) == 0
    assert (tmp_path / "videos" / "Archery" / "v_Archery_g01_c01.avi").read_bytes() == b"1"
    assert (tmp_path / "annotations" / "trainlist01.txt").read_text() == "Archery/v_Archery_g01_c01.avi 1\n"
    assert (tmp_path / "annotations" / "classInd.txt").is_file()
    assert call("ucf101", both, tmp_path) == 0
    assert both.gets("UCF101.rar") == [""]


@needs_rar
def test_hmdb51_is_unpacked_twice_and_laid_out_beside_its_splits(both: Mirror, tmp_path: Path) -> None:
    assert call("hmdb51", both, tmp_path) == 0
    assert {path.parent.name: path.read_bytes() for path in (tmp_path / "videos").rglob("*.*")} == {
        "brush_hair": b"brush_hair",
        "wave": b"wave",
    }
    assert (tmp_path / "annotations" / "wave_test_split1.txt").read_bytes() == b"a.avi 1 \n"


@needs_rar
def test_an_archive_put_there_by_hand_is_not_downloaded(both: Mirror, tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "hmdb51_org.rar").write_bytes(both.files.pop("hmdb51_org.rar"))
    assert call("hmdb51", both, tmp_path) == 0
    assert both.gets("hmdb51_org.rar") == []
    assert (tmp_path / "videos" / "wave" / "a.avi").is_file()


@pytest.mark.parametrize("script", ["ucf101", "hmdb51"])
def test_without_a_program_for_rar_nothing_is_downloaded(
    script: str, both: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(script, both, tmp_path / "out") == 1
    assert "a .rar needs one of the programs unrar, unar" in capsys.readouterr().err
    assert not [method for method, _, _ in both.asked if method == "GET"]


@pytest.mark.parametrize("script", ["ucf101", "hmdb51"])
def test_a_dry_run_needs_no_program(
    script: str, both: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(script, both, tmp_path / "out", "--dry_run") == 0
    assert "2 archives, 2 to fetch" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
