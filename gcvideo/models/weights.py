"""Starts a network from weights that were trained elsewhere: of a video network, or of a 2D ResNet that is inflated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pytorchvideo.models.hub.resnet import checkpoint_paths
from torch import Tensor
from torchvision.models import get_model_weights

from gcvideo.errors import InputError
from gcvideo.models.network import Network
from gcvideo.safe_load import load_safely, load_safetensors

Inflation = Literal["average", "center"]
ZOO = ("slow_r50", "i3d_r50", "c2d_r50")  # of pytorchvideo, Kinetics-400, 8x8
_PARTS = {
    "conv1": "branch2.conv_a",
    "bn1": "branch2.norm_a",
    "conv2": "branch2.conv_b",
    "bn2": "branch2.norm_b",
    "conv3": "branch2.conv_c",
    "bn3": "branch2.norm_c",
    "downsample.0": "branch1_conv",
    "downsample.1": "branch1_norm",
}


def load_pretrained(network: Network, source: str, inflation: Inflation = "average") -> list[str]:
    """Fills a network with the weights of another one, in place.

    Context blocks and a classifier of other classes keep their initialisation; everything else must be there.

    Args:
        network: to be filled; blocks may stand in it already.
        source: a file (pytorchvideo's zoo, a checkpoint of gcvideo or its .safetensors, or a torchvision ResNet), or a
            name, which is downloaded once: torchvision's IMAGENET1K_V1 or IMAGENET1K_V2, pytorchvideo/slow_r50, i3d_r50
            or c2d_r50.
        inflation: how a 2D filter becomes one of k frames: average: k times the filter, divided by k; center: the
            filter in the middle frame, zeros around it (Carreira and Zisserman, https://arxiv.org/abs/1705.07750).

    Returns:
        What is new, in words, for the user to read.

    Raises:
        InputError: if the file cannot be read, or its weights do not fit; it names the first that does not.
    """
    weights = _read(source, network)
    notes = _drop_normalisation(weights, network)
    if "conv1.weight" in weights and weights["conv1.weight"].ndim == 4:
        weights = _inflated(_renamed(weights, network), network, inflation)
    own = network.state_dict()
    notes += (new_classifier := _drop_other_classifier(weights, own))
    fresh = [path for path in network.block_paths if not any(name.startswith(f"{path}.") for name in weights)]
    missing = [name for name in own if name not in weights and not _may_miss(name, fresh)]
    if new_classifier:
        missing = [name for name in missing if not name.startswith(_classifier(own))]
    _check(source, weights, own, missing)
    network.load_state_dict({**own, **weights})
    return notes + ([f"{len(fresh)} context blocks are new"] if fresh else [])


def check_source(source: str, network: Network) -> None:
    """Refuses what is neither a file nor a name of published weights; opens and downloads nothing.

    Args:
        source: as for ``load_pretrained``.
        network: to be filled; torchvision publishes weights for ResNets of its depth.

    Raises:
        InputError: with the names there are.
    """
    names = [weights.name for weights in _torchvision_weights(network)] + [f"pytorchvideo/{name}" for name in ZOO]
    if source not in names and not Path(source).expanduser().is_file():
        raise InputError(f"model.pretrained {source!r}: no such file, and not one of {', '.join(names)}", exit_code=2)


def _read(source: str, network: Network) -> dict[str, Tensor]:
    path = Path(source).expanduser()
    if path.is_file():
        return _read_file(path)
    check_source(source, network)
    try:
        return _download(source, network)
    except OSError as error:
        raise InputError(f"model.pretrained {source}: cannot be downloaded ({error}); name a file instead") from error


def _download(source: str, network: Network) -> dict[str, Tensor]:
    zoo = source.removeprefix("pytorchvideo/")
    if zoo == source:
        return dict(_torchvision_weights(network)[source].get_state_dict(progress=True, check_hash=True))
    content = torch.hub.load_state_dict_from_url(checkpoint_paths[zoo], map_location="cpu", weights_only=True)
    return dict(content["model_state"])


def _torchvision_weights(network: Network) -> Any:
    blocks = sum(name.endswith("branch2.conv_c.weight") for name in network.state_dict())
    return get_model_weights(f"resnet{3 * blocks + 2}")


def _read_file(path: Path) -> dict[str, Tensor]:
    read = load_safetensors if path.suffix == ".safetensors" else load_safely
    content: Any = read(path, "model.pretrained")
    for key in ("state_dict", "model_state"):  # Lightning and OpenMMLab; pytorchvideo and PySlowFast
        content = content.get(key, content) if isinstance(content, Mapping) else content
    tensors = content if isinstance(content, Mapping) else {}
    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise InputError(f"model.pretrained {path}: holds no weights (a mapping of names to tensors was expected)")
    return {name.removeprefix("network."): value for name, value in tensors.items()}


def _renamed(weights: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Names of torchvision's ResNet to those of the zoo; its classifier is left out."""
    numbers = {name: paths[0] for name, paths in network.stages().items()}
    result: dict[str, Tensor] = {}
    for name, value in weights.items():
        if stem := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
            result[f"blocks.0.{'conv' if stem[1] == 'conv' else 'norm'}.{stem[2]}"] = value
        elif block := re.fullmatch(r"layer(\d)\.(\d+)\.(conv\d|bn\d|downsample\.\d)\.(\w+)", name):
            stage, index, part, leaf = block.groups()
            result[f"{numbers[f'res{int(stage) + 1}']}.res_blocks.{index}.{_PARTS[part]}.{leaf}"] = value
    return result


def _inflated(weights: Mapping[str, Tensor], network: Network, inflation: Inflation) -> dict[str, Tensor]:
    own = network.state_dict()
    result = {}
    for name, value in weights.items():
        frames = own[name].shape[2] if name in own and own[name].ndim == 5 else 0
        if frames and inflation == "average":
            value = value[:, :, None].repeat(1, 1, frames, 1, 1) / frames
        elif frames:
            middle = torch.zeros(*value.shape[:2], frames, *value.shape[2:])
            middle[:, :, frames // 2] = value
            value = middle
        result[name] = value
    return result


def _drop_normalisation(weights: dict[str, Tensor], network: Network) -> list[str]:
    """The config's mean and std hold; weights that were trained with others say so."""
    notes = []
    for name in ("mean", "std"):
        theirs, ours = weights.pop(name, None), network.get_buffer(name)
        if theirs is not None and not torch.allclose(theirs, ours.cpu()):
            had, has = ([round(float(v), 3) for v in values] for values in (theirs, ours))
            notes.append(f"they were trained with model.{name} {had}, and the config has {has}")
    return notes


def _drop_other_classifier(weights: dict[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """A classifier of another number of classes, or none, is no mistake: it is learned anew."""
    name = f"{_classifier(own)}weight"
    theirs = weights.get(name)
    if theirs is not None and theirs.shape == own[name].shape:
        return []
    for part in ("weight", "bias"):
        weights.pop(f"{_classifier(own)}{part}", None)
    before = f" (the weights had {theirs.shape[0]} classes)" if theirs is not None else ""
    return [f"the classifier of {own[name].shape[0]} classes is new{before}"]


def _check(source: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor], missing: list[str]) -> None:
    where = f"model.pretrained {source}: not the weights of this network: "
    if unknown := [name for name in weights if name not in own]:
        raise InputError(f"{where}{unknown[0]} has no place in it ({len(unknown)} such)")
    if missing:
        raise InputError(f"{where}{missing[0]} is not in the file ({len(missing)} such)")
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise InputError(f"{where}{name} is {tuple(value.shape)} there and {tuple(own[name].shape)} here")


def _may_miss(name: str, fresh: list[str]) -> bool:
    """Names that files of others do not hold: normalisation, counters, blocks that were put in."""
    counters = name in ("mean", "std") or name.endswith("num_batches_tracked")
    return counters or any(name.startswith(f"{path}.") for path in fresh)


def _classifier(own: Mapping[str, Tensor]) -> str:
    return next(name for name in own if name.endswith("proj.weight")).removesuffix("weight")
