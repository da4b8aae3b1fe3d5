"""An exported file against its network, in another runtime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gcvideo.errors import InputError
from gcvideo.exporting.export import Exported, export_model
from gcvideo.models.block import Block
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.network import Network
from tests.exporting.saved_models import Restless, many, network, one, saved
from tests.models.blocks.catalogue import FAMILY, NON_LOCAL, SUBSAMPLED

ALL = ("batch", "frames", "height", "width")
TOLERANCE = {"onnx": 1e-4, "torch-export": 1e-5}
both = pytest.mark.parametrize("kind", TOLERANCE)


def _run(path: Path, clips: Tensor) -> Tensor:
    """What a program without gcvideo would call."""
    if path.suffix == ".pt2":
        result: Tensor = torch.export.load(path).module()(clips)
        return result.detach()
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"clips": clips.numpy()})[0])


def _clips(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8).float().div(32).floor().mul(32).to(torch.uint8)


def _agree(made: Network, exported: Exported, tolerance: float, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        clips = _clips(*shape)
        with torch.inference_mode():
            wanted = made(clips).softmax(1)
        torch.testing.assert_close(_run(exported.path, clips), wanted, rtol=0, atol=tolerance)
        assert wanted.amax() - wanted.amin() > 0.01  # the classes are told apart


def _export(folder: Path, made: Network, kind: str, **options: Any) -> Exported:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    crop = options.pop("crop_px", 48)
    return export_model(saved(folder, made, crop_px=crop), kind, **options)


@pytest.mark.parametrize("kind", ["onnx", pytest.param("torch-export", marks=pytest.mark.long)])
def test_all_blocks_export_with_open_sizes(kind: str, tmp_path: Path) -> None:
    """Every preset of the catalogue but the subsampled ones at a place of its own, and those of a whole network."""
    makes = [make for name, make in FAMILY.items() if name not in (*SUBSAMPLED, *NON_LOCAL)]
    made = network({**many([*NON_LOCAL.values(), *makes[:12]])})
    exported = _export(tmp_path, made, kind)
    assert exported.dynamic == ALL
    assert exported.difference <= TOLERANCE[kind]
    _agree(made, exported, TOLERANCE[kind], (3, 3, 4, 48, 48), (1, 3, 7, 80, 64))


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILY)
def test_each_block_exports(name: str, tmp_path: Path) -> None:
    """To onnxruntime within 1e-4, to torch.export within 1e-5.

    At 48 px features are 3 px wide, and torch.export may bind a size that pooling by 2 makes 1.
    """
    made = network(one(FAMILY[name]))
    allowed = [ALL, ("batch", "frames")] if name in SUBSAMPLED else [ALL]
    other = (1, 3, 6, 48, 48) if name in SUBSAMPLED else (1, 3, 6, 64, 80)
    for kind, tolerance in TOLERANCE.items():
        exported = _export(tmp_path, made, kind)
        assert exported.dynamic in allowed
        _agree(made, exported, tolerance, (2, 3, 4, 48, 48), other)


_OTHERS: dict[str, Callable[[int], Block]] = {
    "over time": partial(NonLocal, axes="time"),
    "over space": partial(NonLocal, axes="space", subsample=(1, 2, 2)),
    "groups of frames": partial(NonLocal, group_frames=2),
}


@pytest.mark.long
@both
def test_other_forms_of_the_non_local_block_export(kind: str, tmp_path: Path) -> None:
    made = network(many(list(_OTHERS.values())))
    exported = _export(tmp_path, made, kind)
    assert exported.dynamic == ALL
    _agree(made, exported, TOLERANCE[kind], (2, 3, 4, 48, 48), (1, 3, 6, 64, 80))


@pytest.mark.long
@pytest.mark.parametrize("block", ["none", "GC", *NON_LOCAL])
@pytest.mark.parametrize("backbone", ["i3d", "c2d"])
@both
def test_other_backbones_export(kind: str, backbone: str, block: str, tmp_path: Path) -> None:
    made = network(one(FAMILY[block]) if block in FAMILY else None, backbone)
    exported = _export(tmp_path, made, kind)
    assert exported.dynamic == ALL
    _agree(made, exported, TOLERANCE[kind], (2, 3, 4, 48, 48), (1, 3, 9, 64, 80))


@pytest.mark.long
@pytest.mark.parametrize("head", ["pytorchvideo", "pyslowfast"])
@both
def test_heads_with_windows_export(kind: str, head: str, tmp_path: Path) -> None:
    """Larger clips have several windows; torch.export binds a picture of one window to its size."""
    made = network(head=head)
    exported = _export(tmp_path, made, kind, crop_px=224)
    assert exported.dynamic == (ALL if kind == "onnx" else ("batch", "frames"))
    assert exported.least == ({"frames": 1, "height": 193, "width": 193} if kind == "onnx" else {"frames": 1})
    size = (256, 288) if kind == "onnx" else (224, 224)
    _agree(made, exported, TOLERANCE[kind], (2, 3, 4, 224, 224), (1, 3, 6, *size))


def test_fixed_sizes_are_fixed_and_said_to_be(tmp_path: Path) -> None:
    made = network()
    exported = _export(tmp_path, made, "torch-export", dynamic="none")
    assert exported.dynamic == ()
    assert json.loads(exported.beside[0].read_text())["input"]["shape"] == [1, 3, 4, 48, 48]
    _agree(made, exported, 1e-5, (1, 3, 4, 48, 48))
    with pytest.raises((AssertionError, RuntimeError)):
        _run(exported.path, _clips(2, 3, 4, 48, 48))


def test_what_differs_from_its_network_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    model = saved(tmp_path, network(one(Restless)))
    with pytest.raises(InputError, match=r"probabilities differ from the network's by .* on clips \(1, 3, 4, 48, 48\)"):
        export_model(model, "torch-export", str(tmp_path / "out"), "none")
    assert list((tmp_path / "out").iterdir()) == []


def test_description_says_what_comes_in_and_what_comes_out(tmp_path: Path) -> None:
    """Of a network in channels_last that was trained in bfloat16; it is exported in float32."""
    made = network(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25)).to(memory_format=torch.channels_last_3d)
    exported = export_model(saved(tmp_path, made, "bf16-mixed"), "torch-export", dynamic="batch")
    _agree(made, exported, 1e-5, (2, 3, 4, 48, 48))
    about = json.loads(exported.beside[0].read_text())
    assert about["model"] == exported.path.name == "best.pt2"
    assert about["input"]["shape"] == ["batch", 3, 4, 48, 48]
    assert about["classes"] == ["bow", "jump", "run", "sit", "wave"]
    assert about["normalisation"]["mean"] == [0.5, 0.4, 0.3]
    digest = hashlib.sha256(b"a checkpoint").hexdigest()
    assert about["checkpoint"] == {"file": "best.ckpt", "sha256": digest, "step": 7, "epoch": 2}
    assert about["preprocessing"]["val_views"] == {"num_clips": 1, "num_crops": 1, "crop_px": 48}
    assert [check["clips"] for check in about["checks"]] == [[2, 3, 4, 48, 48], [1, 3, 4, 48, 48]]
    assert "start = max(0, n - 7) // 2" in about["steps"][1]
    assert (about["precision"]["trained"], about["precision"]["exported"]) == ("bf16-mixed", "float32")
    assert exported.bf16 is not None
    assert 1e-5 < exported.bf16 == about["precision"]["largest_difference_of_bf16"] < 0.1
