"""What a checkpoint may ask for: classes of gcvideo by name, and plain values. To import another would be to run it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import gcvideo.data
import gcvideo.models.backbones
import gcvideo.models.blocks
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import InputError
from gcvideo.models.network import Network

_WORD = re.compile(r"[\w-]*")  # no dots, so nothing to import, and no signs of YAML
_OF_A_CLASS = {"class_path", "init_args"}


def network_options(options: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Those of a task's options that the network is built of, as far as they are harmless.

    The command line's parser imports what it takes for the name of a class, and reads texts as YAML, so that names
    stand in texts as well: class paths are of gcvideo's own list, and other texts and all keys are single words.

    Args:
        options: of a checkpoint, as nested plain values.
        path: of the checkpoint.

    Raises:
        InputError: naming what is neither.
    """
    wanted = {name: options[name] for name in inspect.signature(Network).parameters if name in options}
    _check(wanted, _classes_in(gcvideo.models.backbones) | _classes_in(gcvideo.models.blocks), path)
    return wanted


def data_options(data: Any, path: Path) -> dict[str, Any]:
    """Those of the data, as far as they are harmless: texts are names of files there, and no option is a class.

    Args:
        data: of a checkpoint, as nested plain values: ``class_path`` and ``init_args``.
        path: of the checkpoint.

    Raises:
        InputError: naming what is not.
    """
    if not isinstance(data, Mapping) or set(data) - _OF_A_CLASS or not isinstance(data.get("init_args"), Mapping):
        raise _refused(str(data)[:80], path)
    ours = {name: found for name, found in _classes_in(gcvideo.data).items() if issubclass(found, VideoDataModule)}
    if data.get("class_path") not in ours:
        raise _refused(str(data.get("class_path")), path)
    for name, value in data["init_args"].items():
        is_nested = isinstance(value, Mapping)
        if is_nested != (name in ("augmentation", "reading")) or (is_nested and not _is_plain(value)):
            raise _refused(f"data.{name} {str(value)[:80]}", path)
    return dict(data)


def _check(options: Any, ours: Mapping[str, type], path: Path) -> None:
    """Goes through nested values; ``init_args`` alone stands beside ``class_path``."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            if not isinstance(key, str) or not _WORD.fullmatch(key):
                raise _refused(str(key), path)
            if key != "class_path":
                _check(value, ours, path)
            elif value not in ours or set(options) - _OF_A_CLASS:
                raise _refused(str(value), path)
    elif isinstance(options, list | tuple):
        for value in options:
            _check(value, ours, path)
    elif not isinstance(options, int | float | None) and not (isinstance(options, str) and _WORD.fullmatch(options)):
        raise _refused(str(options), path)


def _is_plain(value: Any) -> bool:
    """Numbers, texts, and lists and mappings of them, without a class among them."""
    if isinstance(value, Mapping):
        return not _OF_A_CLASS & set(value) and all(_is_plain(part) for part in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    return isinstance(value, str | int | float | None)


def _classes_in(package: ModuleType) -> dict[str, type]:
    """All classes that the files of a package define, by their names, long and short."""
    found: dict[str, type] = {}
    for file in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if file.ispkg:
            continue
        module = importlib.import_module(file.name)
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == file.name:
                found[name] = found[f"{file.name}.{name}"] = value
    return found


def _refused(name: str, path: Path) -> InputError:
    return InputError(
        f"checkpoint {path} asks for {name}, which is no part of gcvideo; it is not imported, as that would run it"
    )
