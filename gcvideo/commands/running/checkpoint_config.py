"""validate and test without ``--config``: a checkpoint knows what it is of, and which videos it was chosen on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from gcvideo.commands.running.folders import find_checkpoint, quoted
from gcvideo.errors import InputError
from gcvideo.models.network import Network
from gcvideo.predicting.devices import precision_here
from gcvideo.predicting.safe_options import data_options, network_options
from gcvideo.predicting.saved_model import load_checkpoint, said_of
from gcvideo.tracking.checkpoint_io import BEST

_SOURCES = ("root", "manifest")
_NOTHING = ("", "null")
_OF_THE_NETWORK = (*signature(Network).parameters, "channels_last", "view_average")


def config_of_checkpoint(arguments: list[str]) -> list[str]:
    """``--config`` with the content of a configuration, for the checkpoint that the arguments name; none without one.

    Network, data and precision are the training's; where it runs, and what ``fit`` alone needs, are not taken over. A
    run folder alone means its best checkpoint.

    Raises:
        InputError: if nothing is named, there is none, or it asks for classes that are no part of gcvideo.
    """
    if not arguments:
        raise InputError("nothing to measure: name a checkpoint with --ckpt_path=FILE (a run leaves best.ckpt)", 2)
    wanted, folder = _value(arguments, "--ckpt_path"), _value(arguments, "--run_dir")
    if not (wanted or folder) or {"-h", "--help"} & set(arguments):
        return []
    path = _find(wanted or "best", folder)
    state = load_checkpoint(path, verify=False)  # it was, when it was found
    with said_of(path):
        taken = _taken(state["config"], _value(arguments, "--trainer.accelerator") or "auto")
    _check(taken, path)
    taken["data"] = {**taken["data"], "init_args": _videos(taken["data"]["init_args"], state, arguments, path)}
    return ["--config", json.dumps(taken), *([] if wanted else [f"--ckpt_path={path}"])]


def _find(wanted: str, folder: str | None) -> Path:
    """A run folder alone means its best checkpoint."""
    named = Path(wanted).expanduser()
    if named.is_dir() and wanted not in ("best", "last"):
        raise InputError(f"--ckpt_path {wanted} is a folder; name a file in it: --ckpt_path {quoted(named / BEST)}", 2)
    return Path(str(find_checkpoint(wanted, folder)))


def _videos(options: Mapping[str, Any], state: Mapping[str, Any], arguments: list[str], path: Path) -> dict[str, Any]:
    """The data's options: the classes are those that were learned, the videos may be others.

    Raises:
        InputError: if the videos of the training are no longer where they were, and no others are named.
    """
    learned = next((part for part in state.values() if isinstance(part, dict) and "classes" in part), None)
    classes = {"classes": list(map(str, learned["classes"]))} if learned and "classes" in options else {}
    taken = {**options, **classes}
    named = {name for name in _SOURCES if (_value(arguments, *_spellings(name)) or "null") not in _NOTHING}
    if named:
        return {name: None if name in set(_SOURCES) - named else value for name, value in taken.items()}
    for name in _SOURCES:
        if taken.get(name) and not Path(str(taken[name])).expanduser().exists():
            raise InputError(
                f"checkpoint {path} was trained with --data.{name} {taken[name]}, and that is not here; say where the "
                "videos are with --data.root=FOLDER or --data.manifest=FILE"
            )
    return taken


def _spellings(name: str) -> tuple[str, str]:
    return f"--data.{name}", f"--data.init_args.{name}"


def _taken(config: dict[str, Any], accelerator: str) -> dict[str, Any]:
    precision = config["trainer"]["precision"]
    return {
        "seed_everything": int(config["seed_everything"]),
        "name": str(config["name"]),
        "trainer": {"precision": None if precision is None else precision_here(str(precision), accelerator)},
        "model": {name: config["model"][name] for name in _OF_THE_NETWORK if name in config["model"]},
        "data": config["data"],
    }


def _check(taken: dict[str, Any], path: Path) -> None:
    try:
        network_options(taken["model"], path)
        data_options(taken["data"], path)
    except InputError as error:
        raise InputError(f"{error}; name a configuration that you trust: --config FILE") from error


def _value(arguments: list[str], *options: str) -> str | None:
    """The last value of an option that may be spelt in several ways."""
    value = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        if argument in options:
            value = following
        elif argument.partition("=")[0] in options:
            value = argument.partition("=")[2]
    return value
