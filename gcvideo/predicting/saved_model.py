"""A network out of a checkpoint, with what the checkpoint knows: its classes, and how videos come before it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

import gcvideo.models.backbones
import gcvideo.models.blocks
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.errors import InputError
from gcvideo.evaluation.exact_sums import ViewAverage
from gcvideo.models.network import Network
from gcvideo.safe_load import load_safely

_DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")
_OUR_OWN = ("gcvideo.", "torch.nn.")


@dataclass(frozen=True)
class SavedModel:
    """What predicts, and is exported.

    Attributes:
        path: of the checkpoint.
        network: with the weights that were validated, on the processor, in evaluation mode.
        classes: their names; the position is the class number.
        preprocessing: how videos come before it.
        precision: that it was trained and validated with, in Lightning's words, such as ``bf16-mixed``.
        step: optimizer steps it was trained for.
        epoch: in which it was saved, from 1.
        view_average: what is averaged over the views of a video, as in its validation.
    """

    path: Path
    network: Network
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    precision: str
    step: int
    epoch: int
    view_average: ViewAverage = "probabilities"


def load_model(path: Path | str) -> SavedModel:
    """Builds the network of a checkpoint that a run of gcvideo left; nothing that stands in the file is run.

    Raises:
        InputError: if there is no such file, it is damaged, or it is no such checkpoint; the message says which.
    """
    path = Path(path).expanduser()
    state = load_checkpoint(path)
    data = _data_state(state, path)
    network = _network(state["hyper_parameters"], path)
    weights = {name.removeprefix("network."): tensor for name, tensor in state["state_dict"].items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise InputError(f"checkpoint {path}: its weights are not those of its network: {first}") from error
    if state["hyper_parameters"].get("channels_last"):
        network.to(memory_format=torch.channels_last_3d)
    return SavedModel(
        path,
        network.eval().requires_grad_(False),
        tuple(data["classes"]),
        _preprocessing(data["preprocessing"]),
        str(state["config"]["trainer"]["precision"] or "32-true"),
        int(state["global_step"]),
        int(state["epoch"]) + 1,
        state["hyper_parameters"].get("view_average", "probabilities"),
    )


def load_checkpoint(path: Path, *, verify: bool = True) -> dict[str, Any]:
    """The content of a checkpoint that knows its configuration.

    Args:
        path: of the checkpoint.
        verify: whether its digest is compared, for which the whole file is read once.

    Raises:
        InputError: if there is no such file, it is damaged, or it is none that ``gcvideo fit`` left.
    """
    if not path.is_file():
        kind = "is a folder; name a file in it, such as" if path.is_dir() else "does not exist; a run leaves"
        raise InputError(f"checkpoint {path} {kind} best.ckpt")
    state = load_safely(path, "checkpoint", verify=verify)
    if not isinstance(state, dict) or not {"config", "hyper_parameters", "state_dict"} <= set(state):
        raise InputError(
            f"checkpoint {path} does not say how its network is built and its videos are prepared: "
            "expected one that gcvideo fit left (best.ckpt)"
        )
    return state


def _data_state(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found = [part for part in state.values() if isinstance(part, dict) and {"classes", "preprocessing"} <= set(part)]
    if not found:
        raise InputError(f"checkpoint {path} does not name its classes: expected one that gcvideo fit left (best.ckpt)")
    return found[0]


def _preprocessing(values: Mapping[str, Any]) -> Preprocessing:
    views = {name: Views(**values[name]) for name in ("val_views", "test_views")}
    return Preprocessing(**{**values, **views})


def _network(options: Mapping[str, Any], path: Path) -> Network:
    """The network that the options of a task describe."""
    import_network_parts()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Network, "network")
    wanted = {name: options[name] for name in signature(Network).parameters if name in options}
    check_own_classes(wanted, path)
    try:
        network: Network = parser.instantiate_classes(parser.parse_object({"network": wanted})).network
    except Exception as error:  # jsonargparse's, and what a constructor refuses
        raise InputError(f"checkpoint {path}: its network cannot be built: {str(error).splitlines()[-1]}") from error
    return network


def import_network_parts() -> None:
    """Imports every block and backbone, so that each can be named."""
    for package in (gcvideo.models.blocks, gcvideo.models.backbones):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def check_own_classes(options: Mapping[str, Any], path: Path) -> None:
    """Refuses what could be taken for the name of a class outside of gcvideo and torch.nn: to import it is to run it.

    Args:
        options: of a checkpoint, as nested plain values.
        path: of the checkpoint.

    Raises:
        InputError: naming the class.
    """
    for name in _dotted_words(options):
        if not name.startswith(_OUR_OWN):
            raise InputError(
                f"checkpoint {path} asks for {name}, which is no part of gcvideo; it is not imported, "
                "as that would run it"
            )


def _dotted_words(options: Any) -> Iterator[str]:
    for value in options.values() if isinstance(options, Mapping) else options:
        if isinstance(value, str) and _DOTTED.fullmatch(value):
            yield value
        elif isinstance(value, Mapping | list | tuple):
            yield from _dotted_words(value)
