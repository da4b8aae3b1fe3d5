"""One video has one answer: of the validation, of a test of one view, of ``gcvideo predict`` and in Python."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import gcvideo
from gcvideo.cli import run
from gcvideo.data.decoding.decode import read_frames
from gcvideo.data.indexing.probe import probe_video
from tests.predicting.conftest import MakeValidated
from tests.predicting.validated import BACKBONES, CONTEXTS

_ALWAYS = [("slow", "bare"), ("slow", "gc"), ("i3d", "nl_embedded_gaussian")]
_CASES = [
    pytest.param(backbone, context, marks=[] if (backbone, context) in _ALWAYS else [pytest.mark.sampled])
    for backbone in BACKBONES
    for context in CONTEXTS
]


@pytest.mark.parametrize(("backbone", "context"), _CASES)
def test_validation_test_command_and_python_say_the_same(
    validated: MakeValidated, tmp_path: Path, backbone: str, context: str
) -> None:
    made = validated(backbone, context)
    names = [str(path) for path in made.videos]
    assert run(_predict(made.checkpoint, tmp_path / "out.json", names)) == 0
    in_python = gcvideo.load(made.checkpoint, device="cpu").predict(names, top=2)
    wanted = made.probabilities
    assert wanted.std(dim=0).min() > 1e-4, "all videos look alike to the network, so the test could not fail"
    assert (made.tested - wanted).abs().max() <= 1e-5
    assert (torch.tensor([one.scores for one in in_python]) - wanted).abs().max() <= 1e-5
    assert (_written(tmp_path / "out.json") - wanted).abs().max() <= 1e-5
    assert [one.path for one in in_python] == names


@pytest.mark.parametrize(("backbone", "context"), _CASES)
def test_exported_model_says_what_the_validation_says(
    validated: MakeValidated, tmp_path: Path, backbone: str, context: str
) -> None:
    """The whole way: the written script decodes the video, and onnxruntime runs the network."""
    pytest.importorskip("onnxruntime")
    made = validated(backbone, context)
    assert (
        run(["export", "--ckpt_path", str(made.checkpoint), "--format", "onnx", "--out", str(tmp_path / "m.onnx")]) == 0
    )
    probabilities = runpy.run_path(str(tmp_path / "run_m_onnx.py"))["probabilities"]
    found = torch.stack([torch.as_tensor(probabilities(str(video))) for video in made.videos])
    assert (found - made.probabilities).abs().max() <= 1e-5


def test_decoder_of_the_validation_is_that_of_the_prediction(
    validated: MakeValidated, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = validated()
    state = torch.load(made.checkpoint, weights_only=True)
    state["VideoFolder"]["reading"]["reader"] = "pyav"
    other = made.checkpoint.with_name("pyav.ckpt")
    torch.save(state, other)
    used: list[str] = []

    def noted(path: Any, at: Any, reader: str) -> Any:
        used.append(reader)
        return read_frames(path, at, reader)

    monkeypatch.setattr("gcvideo.data.decoding.reading.read_frames", noted)
    gcvideo.load(other, device="cpu").predict(made.videos[0])
    gcvideo.load(made.checkpoint, device="cpu").predict(made.videos[0])
    assert used[0].startswith("pyav:")
    assert used[1] == probe_video(made.videos[0]).readers.split()[0]


def test_half_precision_agrees_with_a_validation_in_half_precision(validated: MakeValidated) -> None:
    made = validated("slow", "gc", "bf16-mixed")
    found = gcvideo.load(made.checkpoint, device="cpu").predict(made.videos)
    assert (torch.tensor([one.scores for one in found]) - made.probabilities).abs().max() <= 1e-5
    exact = gcvideo.load(made.checkpoint, device="cpu", precision="32-true").predict(made.videos)
    difference = (torch.tensor([one.scores for one in exact]) - made.probabilities).abs().max()
    assert 1e-5 < difference < 0.05


def test_frames_in_memory_have_the_answer_of_their_file(validated: MakeValidated) -> None:
    made = validated()
    model = gcvideo.load(made.checkpoint, device="cpu")
    frames = torch.from_numpy(read_frames(made.videos[0], torch.arange(12).numpy(), "pyav"))
    of_frames, of_file = model.predict(frames, views="2x3"), model.predict(made.videos[0], views="2x3")
    assert of_frames.scores == pytest.approx(of_file.scores, abs=1e-6)


def _predict(checkpoint: Path, out: Path, names: list[str]) -> list[str]:
    options = ["--out", str(out), "--top", "2", "--accelerator", "cpu", "--num_workers", "0"]
    return ["predict", "--ckpt_path", str(checkpoint), *options, *names]


def _written(path: Path) -> torch.Tensor:
    content = json.loads(path.read_text())
    rows = [{named["label"]: named["probability"] for named in video["top"]} for video in content["videos"]]
    return torch.tensor([[row[name] for name in content["classes"]] for row in rows])
