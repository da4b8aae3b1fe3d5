"""Weights of pytorchvideo's and torchvision's own networks, loaded into ours."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from pytorchvideo.models import hub
from torch import nn

from gcvideo.errors import InputError
from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from gcvideo.models.weights import load_pretrained

GC = {"gc": Insertion(GlobalContext, {"res4": "last"})}


@pytest.fixture(scope="module")
def image_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torchvision ResNet-50 whose norms do something."""
    torch.manual_seed(0)
    network = torchvision.models.resnet50()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.3, 0.6)
        nn.init.normal_(norm.get_buffer("running_mean"), std=0.1)
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(network.state_dict(), path)
    return path


def _picture_features(path: Path, picture: torch.Tensor) -> torch.Tensor:
    network = torchvision.models.resnet50()
    network.load_state_dict(torch.load(path))
    network.fc = nn.Identity()
    with torch.inference_mode():
        features: torch.Tensor = network.eval()((picture - 0.45) / 0.225)
    return features


def test_zoo_files_load_without_renaming(tmp_path: Path) -> None:
    theirs = hub.slow_r50()
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "slow.pyth")
    network = Network(SlowOnly(), 400)
    assert load_pretrained(network, str(tmp_path / "slow.pyth")) == []
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in theirs.state_dict().items())


def test_other_classes_get_a_new_classifier_and_new_blocks_stay_the_identity(tmp_path: Path) -> None:
    source = Network(SlowOnly(width=8), 400)
    torch.save({"state_dict": {f"network.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "a.ckpt")
    network = Network(SlowOnly(width=8), 5, GC)
    before = network.state_dict()["blocks.5.proj.weight"].clone()
    notes = load_pretrained(network, str(tmp_path / "a.ckpt"))
    assert notes == [
        "the classifier of 5 classes is new (the weights had 400 classes)",
        "1 context blocks are new",
    ]
    assert torch.equal(network.state_dict()["blocks.5.proj.weight"], before)
    clips = torch.rand(1, 3, 4, 64, 64)
    features, expected = network.normalize(clips), source.normalize(clips)
    for ours, theirs in zip(network.eval().blocks[:-1], source.eval().blocks[:-1], strict=True):
        features, expected = ours(features), theirs(expected)
    assert torch.equal(features, expected)


def test_c2d_of_a_still_clip_is_the_2d_network(image_net: Path) -> None:
    network = Network(C2D(), 7).eval()
    assert load_pretrained(network, str(image_net)) == ["the classifier of 7 classes is new"]
    picture = torch.rand(1, 3, 64, 64)
    x = network.normalize(picture[:, :, None].repeat(1, 1, 4, 1, 1))
    with torch.inference_mode():
        for block in network.blocks[:-1]:
            x = block(x)
    torch.testing.assert_close(x.mean((2, 3, 4)), _picture_features(image_net, picture), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("inflation", ["average", "center"])
@pytest.mark.parametrize("kind", [SlowOnly, I3D])
def test_inflated_network_sees_a_still_clip_as_the_2d_network_in_its_middle_frames(
    kind: Any, inflation: Any, image_net: Path
) -> None:
    """Zero padding in time reaches the outer frames of averaged filters, so these are left out."""
    frames = 64 if kind is I3D else 24
    network = Network(kind(), 7).eval()
    load_pretrained(network, str(image_net), inflation)
    picture = torch.rand(1, 3, 32, 32)
    x = network.normalize(picture[:, :, None].repeat(1, 1, frames, 1, 1))
    with torch.inference_mode():
        for block in network.blocks[:-1]:
            x = block(x)
    middle = x[:, :, x.shape[2] // 2].mean((2, 3))
    torch.testing.assert_close(middle, _picture_features(image_net, picture), rtol=1e-4, atol=1e-4)


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path, image_net: Path) -> None:
    small, path = Network(SlowOnly(width=8), 5), tmp_path / "weights.pth"
    with pytest.raises(
        InputError, match=r"blocks.0.conv.weight is \(64, 3, 1, 7, 7\) there and \(8, 3, 1, 7, 7\) here"
    ):
        load_pretrained(small, str(image_net))
    state = small.state_dict()
    torch.save({**state, "extra": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"extra has no place in it \(1 such\)"):
        load_pretrained(small, str(path))
    torch.save({k: v for k, v in state.items() if k != "blocks.1.res_blocks.0.branch2.conv_a.weight"}, path)
    with pytest.raises(InputError, match=r"blocks.1.res_blocks.0.branch2.conv_a.weight is not in the file \(1 such\)"):
        load_pretrained(small, str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "weights.pth is empty; name another one"),
        (b"text", "weights.pth cannot be read: .*; name another one"),
        (
            pickle.dumps({"a": print}),
            "weights.pth is damaged, or holds more than weights .* could run code",
        ),
    ],
)
def test_file_that_is_no_file_of_weights_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"model.pretrained .*{message}"):
        load_pretrained(Network(SlowOnly(width=8), 5), str(path))


def test_unknown_source_lists_what_there_is() -> None:
    with pytest.raises(InputError, match="no such file, and not one of IMAGENET1K_V1, IMAGENET1K_V2, pytorchvideo"):
        load_pretrained(Network(SlowOnly(width=8), 5), "IMAGENET")


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds no weights"):
        load_pretrained(Network(SlowOnly(width=8), 5), str(tmp_path / "a.pth"))


def test_mean_and_std_of_the_config_hold_and_a_difference_is_said(tmp_path: Path) -> None:
    source = Network(SlowOnly(width=8), 5)
    torch.save({"state_dict": {f"network.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "a.ckpt")
    network = Network(SlowOnly(width=8), 5, mean=(0.1, 0.2, 0.3))
    (note,) = load_pretrained(network, str(tmp_path / "a.ckpt"))
    assert note == "they were trained with model.mean [0.45, 0.45, 0.45], and the config has [0.1, 0.2, 0.3]"
    assert torch.allclose(network.mean, torch.tensor([0.1, 0.2, 0.3]))
