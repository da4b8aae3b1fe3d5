"""validate and test without ``--config``: a checkpoint knows what it is of, and which videos it was chosen on."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any

from gcvideo.commands.running.folders import find_checkpoint
from gcvideo.errors import InputError
from gcvideo.models.network import Network
from gcvideo.predicting.saved_model import check_own_classes, load_checkpoint

_OF_THE_NETWORK = (*signature(Network).parameters, "channels_last", "view_average")


def config_of_checkpoint(arguments: list[str]) -> list[str]:
    """``--config`` with the content of a configuration, for the checkpoint that the arguments name; none without one.

    Network, data and precision are the training's; where it runs, and what ``fit`` alone needs, are not taken over.

    Raises:
        InputError: if nothing is named, there is none, or it asks for classes that are no part of gcvideo.
    """
    if not arguments:
        raise InputError("nothing to measure: name a checkpoint with --ckpt_path=FILE (a run leaves best.ckpt)", 2)
    wanted = _value(arguments, "--ckpt_path")
    if wanted is None or {"-h", "--help"} & set(arguments):
        return []
    path = Path(str(find_checkpoint(wanted, _value(arguments, "--run_dir"))))
    config = load_checkpoint(path, verify=False)["config"]  # it was, when it was found
    taken = {
        "seed_everything": config["seed_everything"],
        "name": config["name"],
        "trainer": {"precision": config["trainer"]["precision"]},
        "model": {name: config["model"][name] for name in _OF_THE_NETWORK if name in config["model"]},
        "data": config["data"],
    }
    _check(taken, path)
    return ["--config", json.dumps(taken)]


def _check(taken: dict[str, Any], path: Path) -> None:
    try:
        check_own_classes(taken["model"], path)
        check_own_classes({"class_path": taken["data"]["class_path"]}, path)
    except InputError as error:
        raise InputError(f"{error}; name a configuration that you trust: --config FILE") from error


def _value(arguments: list[str], option: str) -> str | None:
    """The last value of an option."""
    value = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        if argument == option:
            value = following
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value
