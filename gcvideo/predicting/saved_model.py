"""A network out of a checkpoint, with what the checkpoint knows: its classes, and how videos come before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from gcvideo.data.decoding.reading import Reading
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.errors import InputError
from gcvideo.evaluation.exact_sums import ViewAverage
from gcvideo.evaluation.scores import VideoScores
from gcvideo.models.network import Network
from gcvideo.predicting.safe_options import network_options
from gcvideo.safe_load import load_safely


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
        reading: which decoders its validation used.
    """

    path: Path
    network: Network
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    precision: str
    step: int
    epoch: int
    view_average: ViewAverage = "probabilities"
    reading: Reading = Reading()  # noqa: RUF009 (frozen)


def load_model(path: Path | str) -> SavedModel:
    """Builds the network of a checkpoint that a run of gcvideo left; nothing that stands in the file is run.

    Raises:
        InputError: if there is no such file, it is damaged, or it is no such checkpoint; the message says which.
    """
    path = Path(path).expanduser()
    state = load_checkpoint(path)
    network = _network(state["hyper_parameters"], path)
    weights = {name.removeprefix("network."): tensor for name, tensor in state["state_dict"].items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise InputError(f"checkpoint {path}: its weights are not those of its network: {first}") from error
    if state["hyper_parameters"].get("channels_last"):
        network.to(memory_format=torch.channels_last_3d)
    with said_of(path):
        return _saved(path, network.eval().requires_grad_(False), state)


def _saved(path: Path, network: Network, state: Mapping[str, Any]) -> SavedModel:
    data = _data_state(state, path)
    classes, number = tuple(map(str, data["classes"])), int(state["hyper_parameters"]["num_classes"])
    if len(classes) != number:
        raise InputError(f"checkpoint {path}: it names {len(classes)} classes, and its network tells {number} apart")
    return SavedModel(
        path,
        network,
        classes,
        _preprocessing(data["preprocessing"]),
        str(state["config"]["trainer"]["precision"] or "32-true"),
        int(state["global_step"]),
        int(state["epoch"]) + 1,
        VideoScores(state["hyper_parameters"].get("view_average", "probabilities")).average,  # or a ValueError
        Reading(**data.get("reading", {})),
    )


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """A checkpoint that lacks something, or has it in another form, is named in one line.

    Raises:
        InputError: naming the checkpoint and the part.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"checkpoint {path}: {error} is missing, or is not as this version of gcvideo writes it; measure it with "
            "the version that wrote it, or with its configuration (--config RUN/config.yaml)"
        ) from error


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
    wanted = network_options(options, path)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Network, "network")
    try:
        network: Network = parser.instantiate_classes(parser.parse_object({"network": wanted})).network
    except Exception as error:  # jsonargparse's, and what a constructor refuses
        raise InputError(f"checkpoint {path}: its network cannot be built: {str(error).splitlines()[-1]}") from error
    return network
