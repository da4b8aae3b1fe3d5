"""The network of a config, built where nothing is allocated: what ``count`` and ``models`` look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser

from gcvideo.commands._configs import find_config
from gcvideo.commands.running.errors import explained_building, explained_parsing
from gcvideo.commands.running.options import import_all_parts
from gcvideo.data.labels import find_classes
from gcvideo.errors import InputError
from gcvideo.models.counting import Clip
from gcvideo.models.network import Network
from gcvideo.training.task import ActionRecognition

KINETICS_CLASSES = 400


@dataclass(frozen=True)
class Model:
    """A config as a network on the meta device.

    Attributes:
        name: of the config, or its path.
        config: the whole YAML.
        network: on the meta device.
        clip: the size that the config trains on.
        num_classes: of the config's class list; 400 where the videos decide.
    """

    name: str
    config: Mapping[str, Any]
    network: Network
    clip: Clip
    num_classes: int


def read_model(name_or_file: str, overrides: Sequence[str] = ()) -> Model:
    """Builds the network of a config.

    Args:
        name_or_file: as for ``--config``.
        overrides: options such as ``--model.backbone.depth=101``.

    Raises:
        InputError: if the config or an option is wrong.
    """
    path = find_config(name_or_file)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        model, data = config["model"], config["data"]["init_args"]
        clip = Clip(data["num_frames"], data["crop_px"], data["crop_px"])
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise InputError(f"config {path}: no complete config of a model and its data ({error})", exit_code=2) from error
    num_classes = len(find_classes(data["classes"])) if data.get("classes") else KINETICS_CLASSES
    network = _build({**model, "num_classes": num_classes}, overrides)
    return Model(name_or_file, config, network, clip, num_classes)


def _build(model: Mapping[str, Any], overrides: Sequence[str]) -> Network:
    import_all_parts()
    parser = ArgumentParser(exit_on_error=False, prog="gcvideo count", default_env=False)
    parser.add_class_arguments(ActionRecognition, "model", fail_untyped=False, sub_configs=True)
    with explained_parsing(parser):
        config = parser.parse_args([f"--model={yaml.safe_dump(dict(model))}", *overrides])
    with explained_building(), torch.device("meta"):
        task: ActionRecognition = parser.instantiate_classes(config).model
    return task.network
