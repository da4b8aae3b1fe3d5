"""What is written of a model, for whatever its classes and files are called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gcvideo.exporting import sidecar
from gcvideo.exporting.formats import ONNX, TORCH_EXPORT
from gcvideo.exporting.script import script
from gcvideo.exporting.weights_file import export_weights
from gcvideo.predicting.saved_model import SavedModel
from tests.exporting.saved_models import network, saved

NAMES, WRITTEN = ("caf\udce9", "café", "跳", "run", "a\\b"), ["caf\\udce9", "café", "跳", "run", "a\\b"]


def _named(folder: Path) -> SavedModel:
    return replace(saved(folder, network()), classes=NAMES)


def test_names_that_are_no_text_are_written_out(tmp_path: Path) -> None:
    """As in the tables of an evaluation; a lone surrogate in JSON would break whoever prints it."""
    about = sidecar.description(_named(tmp_path), TORCH_EXPORT, (1, 3, 4, 48, 48), (), {})
    sidecar.write(tmp_path / "m.json", {"model": "m\udcff.pt2", **about})
    found = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert found["classes"] == WRITTEN
    assert found["model"] == "m\\udcff.pt2"


def test_weights_of_classes_that_are_no_text_are_written(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors import safe_open

    model = _named(tmp_path)
    torch.save({"config": {}, "hyper_parameters": {}, "state_dict": {}}, model.path)
    with safe_open(export_weights(model), "pt") as file:
        assert json.loads(file.metadata()["classes"]) == WRITTEN


def test_limits_of_the_script_are_said(tmp_path: Path) -> None:
    model = saved(tmp_path, network())
    for text in (script(model, ONNX, "m.onnx", "m.json"), " ".join(sidecar.steps(model))):
        for word in ("stops at a damaged packet", "decord", "10 bit and of odd sizes differ"):
            assert word in " ".join(text.split())
