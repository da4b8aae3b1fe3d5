"""`gcvideo export`, from a run's checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gcvideo.cli import run
from gcvideo.predicting.saved_model import load_model
from tests.commands.small import SMALL


@pytest.fixture(scope="module")
def trained(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best checkpoint of a short run."""
    base = tmp_path_factory.mktemp("trained")
    arguments = ["fit", "--config", "demo", "--data.root", str(indexed / "videos"), "--run_dir", str(base / "run")]
    options = ["--trainer.logger=false", "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1", "--data.crop_px=48"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCVIDEO_CACHE", str(indexed / "cache"))
        patch.chdir(base)
        assert run([*arguments, *SMALL, *options]) == 0
    return base / "run" / "best.ckpt"


@pytest.fixture
def ckpt(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(trained, tmp_path / "best.ckpt"))


def _export(ckpt: Path, kind: str, *options: str) -> int:
    return run(["export", "--ckpt_path", str(ckpt), "--format", kind, *options])


def test_graph_of_a_run_gives_its_probabilities(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a second time it is not overwritten unasked."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert _export(ckpt, "onnx") == 0
    said = capsys.readouterr().out
    assert "sizes that may vary: batch, frames from 1, height from 1, width from 1\n" in said
    assert said.count("largest difference of a probability") == 4
    assert f"python {ckpt.parent}/run_best_onnx.py VIDEO" in said
    assert {path.name for path in ckpt.parent.iterdir() if not path.is_dir()} == {
        *("best.ckpt", "best.onnx", "best.onnx.json", "run_best_onnx.py")
    }
    session = onnxruntime.InferenceSession(ckpt.with_suffix(".onnx"), providers=["CPUExecutionProvider"])
    assert [size for size in session.get_inputs()[0].shape] == ["batch", 3, "frames", "height", "width"]
    assert session.get_outputs()[0].shape == ["batch", 2]
    clips = torch.randint(0, 256, (3, 3, 4, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        wanted = load_model(ckpt).network(clips).softmax(1)
    found = torch.from_numpy(session.run(None, {"clips": clips.numpy()})[0])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    before = ckpt.with_suffix(".onnx").read_bytes()
    assert _export(ckpt, "onnx") == 1
    assert "best.onnx exists; --force overwrites it" in capsys.readouterr().err
    assert ckpt.with_suffix(".onnx").read_bytes() == before


def test_weights_know_what_they_are_of_and_start_another_run(
    ckpt: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("safetensors")
    from safetensors import safe_open

    from gcvideo.models.weights import load_pretrained

    assert _export(ckpt, "safetensors", "--out", str(tmp_path / "weights")) == 0
    path = tmp_path / "weights" / "best.safetensors"
    assert f"--model.pretrained {path}" in capsys.readouterr().out
    saved = load_model(ckpt)
    with safe_open(path, "pt") as file:
        about = file.metadata()
        for name, value in saved.network.state_dict().items():
            assert torch.equal(file.get_tensor(name), value), name
    assert json.loads(about["classes"]) == list(saved.classes)
    assert json.loads(about["preprocessing"])["num_frames"] == 4
    assert json.loads(about["network"])["backbone"]["init_args"]["width"] == 8
    assert json.loads(about["checkpoint"])["step"] == saved.step
    fresh = load_model(ckpt).network
    for parameter in fresh.parameters():
        parameter.zero_()
    load_pretrained(fresh, str(path))
    for name, value in saved.network.named_parameters():
        assert torch.equal(fresh.get_parameter(name), value), name


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--format", "tflite"], 2, "--format is 'tflite'; expected one of onnx, torch-export, safetensors"),
        (["--format", "safetensors", "--dynamic", "all"], 2, "--dynamic says nothing for safetensors"),
        (["--format", "torch-export", "--dynamic", "some"], 2, "invalid choice: 'some'"),
        (["--format", "torch-export", "--out", "m.onnx"], 2, "expected a folder, or a file that ends with .pt2"),
        (["--format", "torch-export", "--out", "best.ckpt/m.pt2"], 1, "best.ckpt cannot be a folder: File exists"),
        ([], 2, "the following arguments are required: --format"),
    ],
)
def test_mistake_is_one_line(
    options: list[str],
    code: int,
    message: str,
    ckpt: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ckpt.parent)
    assert run(["export", "--ckpt_path", str(ckpt), *options]) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert [path.name for path in ckpt.parent.glob("*.pt2*")] == []


def test_checkpoint_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _export(tmp_path / "none.ckpt", "onnx") == 1
    assert "none.ckpt does not exist" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["export", "--help"])
    said = capsys.readouterr().out
    for word in ("onnx", "torch-export", "safetensors", "uint8", "pip install 'gcvideo[export]'", "--dynamic none"):
        assert word in said
