"""Turns the libraries' errors about a user's mistake into one line with the cure."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from lightning.fabric.utilities.exceptions import MisconfigurationException

from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import InputError
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.block import Block

_MOST_CHARACTERS = 300


@contextmanager
def explained_parsing(parser: argparse.ArgumentParser) -> Iterator[None]:
    """A wrong key or value ends with exit code 2 and, where one is near, with the key that was meant."""
    try:
        yield
    except ArgumentError as error:
        raise InputError(_explain(_one_line(str(error)), parser), exit_code=2) from error


@contextmanager
def explained_building() -> Iterator[None]:
    """What a constructor refuses, and what the trainer refuses, is the user's to mend."""
    try:
        yield
    except (ValueError, MisconfigurationException) as error:
        own = next((cause for cause in _chain(error) if isinstance(cause, InputError)), None)
        if own is not None:
            raise own from error
        hint = "; gcvideo doctor tells what is at hand" if isinstance(error, MisconfigurationException) else ""
        raise InputError(_one_line(str(next(_chain(error, deepest=True)))) + hint) from error


@contextmanager
def explained_loading(ckpt_path: str | None) -> Iterator[None]:
    """A checkpoint whose names or shapes are not those of the network."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        first = next(line.strip() for line in str(error).splitlines()[1:] if line.strip())
        raise InputError(
            f"checkpoint {ckpt_path} does not fit this network ({first[:200]}); take the config of its run, "
            f"--config RUN/config.yaml"
        ) from error


@contextmanager
def explained_checks() -> Iterator[None]:
    """What a check of gcvideo itself refuses while a run goes; a library's error keeps its traceback."""
    try:
        yield
    except ValueError as error:
        innermost = traceback.extract_tb(error.__traceback__)[-1].filename
        if isinstance(error, InputError) or not Path(innermost).is_relative_to(Path(__file__).parents[1]):
            raise
        raise InputError(_one_line(str(error))) from error


def check_config(path: Path, parser: argparse.ArgumentParser) -> None:
    """Refuses a YAML that is not one, and a key at its top that nothing reads.

    Raises:
        InputError: naming the file, and the line or key.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"config {path} is not a YAML file: {_one_line(str(error))}", exit_code=2) from error
    if not isinstance(config, dict):
        raise InputError(f"config {path}: expected keys with values, such as trainer: ..., model: ...", exit_code=2)
    known = sorted({action.dest.partition(".")[0] for action in parser._actions})
    for key in config:
        if key not in known:
            raise InputError(f"config {path}: unknown key {str(key)!r}{_meant(str(key), known)}", exit_code=2)


def _explain(message: str, parser: argparse.ArgumentParser) -> str:
    """The first explanation that fits, or the parser's own words, shortened."""
    key = ".".join(re.findall(r'[Pp]arser key "([\w.]+)"', message))
    for pattern, explain in _PATTERNS:
        match = re.search(pattern, message)
        if match:
            return explain(match, key, parser)
    return _shortened(message)


def _unknown_init_arg(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """An option that a class named by its class_path does not have."""
    module, _, name = match["path"].rpartition(".")
    known = _parameters(getattr(importlib.import_module(module), name))
    return f"{name} has no option {match['option']!r}{_meant(match['option'], known)}; it has {', '.join(known)}"


def _unknown_option(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """An option that the command does not have."""
    option = match[1].partition("=")[0]
    option = f"--{key}.{option.removeprefix('--')}" if key else option
    known = [string for action in parser._actions for string in action.option_strings]
    return f"unknown option {option}{_meant(option, known)}; see --help"


def _unknown_key(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A key of a YAML that nothing reads."""
    known = [action.dest for action in parser._actions]
    return f"unknown key {match[1]!r} in the config{_meant(match[1], known)}"


def _missing(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """Without a config almost everything is missing."""
    missing = re.sub(r"\b(fit|validate|test)\.", "", match[1])
    return f"nothing says what {missing} are; start from a config, such as --config folder --data.root MY_VIDEOS"


def _not_a_choice(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A word outside a list of words."""
    choices = re.findall(r"'([^']*)'", match[1])
    return f"{key} is {match[2]!r}{_meant(match[2], choices)}; expected one of {', '.join(choices)}"


def _no_class(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A class name that nothing has."""
    names = sorted({cls.__name__ for base in (Backbone, Block, VideoDataModule) for cls in _subclasses(base)})
    return f"{key}: there is no class {match[1]!r}{_meant(match[1], names)}; gcvideo has {', '.join(names)}"


def _wrong_type(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A value of another type than the key takes."""
    wanted = dict.fromkeys(re.findall(r"Expected a <class '(?:\w+\.)*(\w+)'>", match[0]))
    values = re.findall(r"(?:Got|Given) value: (.*?)(?= - |$| Given)", match[0])
    return f"{key} is {_shortened(values[0])}; expected {' or '.join(wanted).replace('NoneType', 'null')}"


_Explain = Callable[[re.Match[str], str, argparse.ArgumentParser], str]
_PATTERNS: tuple[tuple[str, _Explain], ...] = (
    (r"callable class: Option '(?P<option>[\w.]+)' is not accepted.*?class_path='(?P<path>[\w.]+)'", _unknown_init_arg),
    (r".*class_path '(?P<path>[\w.]+)': Option '(?P<option>[\w.]+)' is not accepted", _unknown_init_arg),
    (r"unrecognized arguments: (\S+)", _unknown_option),
    (r"Subcommand '\w+' does not accept option '([\w.]+)'", _unknown_key),
    (r"arguments are required: (.*)", _missing),
    (r"Expected a typing\.Literal\[(.*?)\]\. Got value: (\S+)", _not_a_choice),
    (r"Expected a dot import path string: (\w+)", _no_class),
    (r"Expected a <class '(?:int|float|bool|str)'> - Expected .*", _wrong_type),
    (r"Expected a <class '\w+'>\. Got value: .*", _wrong_type),
)


def _subclasses(cls: type) -> set[type]:
    direct: list[type] = cls.__subclasses__()
    return {found for subclass in direct for found in (subclass, *_subclasses(subclass))}


def _parameters(cls: type) -> list[str]:
    """Names of the options of a class, those it hands on to its base classes included."""
    parser = ArgumentParser(exit_on_error=False)
    return [name.removeprefix("of.") for name in parser.add_class_arguments(cls, "of", fail_untyped=False)]


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _chain(error: BaseException, deepest: bool = False) -> Iterator[BaseException]:
    """An error and its causes; the innermost first where that is wanted."""
    errors: list[BaseException] = [error]
    while errors[-1].__cause__ is not None:
        errors.append(errors[-1].__cause__)
    return iter(reversed(errors) if deepest else errors)


def _one_line(message: str) -> str:
    return re.sub(r"\s+", " ", message).strip()


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " …"
