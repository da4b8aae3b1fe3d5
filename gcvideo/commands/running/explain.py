"""Puts jsonargparse's long explanations of a wrong option into one line with the cure."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Sequence

from jsonargparse import ArgumentParser
from torch.optim import Optimizer

from gcvideo.data.datamodule import VideoDataModule
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.block import Block

_MOST_CHARACTERS = 300


def explain(message: str, parser: argparse.ArgumentParser) -> str:
    """The first explanation that fits, or the parser's own words, shortened."""
    key = ".".join(re.findall(r'[Pp]arser key "([\w.]+)"', message))
    for pattern, explain in _PATTERNS:
        match = re.search(pattern, message)
        if match:
            return explain(match, key, parser)
    return shortened(message)


def without_value(message: str, arguments: Sequence[str]) -> str | None:
    """Names the option that was given without a value; of ``--data.root`` argparse says ``--data``.

    Args:
        message: of the parser.
        arguments: of the command.

    Returns:
        None where the message says something else.
    """
    found = re.search(r"argument (?:-\w/)?(--[\w.]+): expected one argument", message)
    if found is None:
        return None
    pairs = zip(arguments, [*arguments[1:], "--"], strict=True)
    bare = (word for word, after in pairs if word.startswith(found[1]) and "=" not in word and after.startswith("-"))
    option = next(bare, found[1])
    return f"{option} has no value; write {option}=VALUE"


def _unknown_init_arg(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """An option that a class named by its class_path does not have."""
    module, _, name = match["path"].rpartition(".")
    known = _parameters(getattr(importlib.import_module(module), name))
    return f"{name} has no option {match['option']!r}{meant(match['option'], known)}; it has {', '.join(known)}"


def _unknown_option(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """An option that the command does not have."""
    option = match[1].partition("=")[0]
    option = f"--{key}.{option.removeprefix('--')}" if key else option
    known = [string for action in parser._actions for string in action.option_strings]
    return f"unknown option {option}{meant(option, known)}; see --help"


def _unknown_key(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A key of a YAML that nothing reads."""
    known = [action.dest for action in parser._actions]
    return f"unknown key {match[1]!r} in the config{meant(match[1], known)}"


def _missing(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """Without a config almost everything is missing."""
    missing = re.sub(r"\b(fit|validate|test)\.", "", match[1])
    return f"nothing says what {missing} are; start from a config, such as --config folder --data.root MY_VIDEOS"


def _not_a_choice(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A word outside a list of words."""
    choices = [
        word for words in re.findall(r"Literal\[(.*?)\]", match.string) for word in re.findall(r"[\w.-]+", words)
    ]
    value = _values(match.string)[0]
    others = " or a list" if "<class 'list'>" in match.string else ""
    return f"{key} is {value!r}{meant(value, choices)}; expected one of {', '.join(dict.fromkeys(choices))}{others}"


def _lacks_a_value(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A part that was begun and not finished."""
    return f"{key}: {match['path'].rpartition('.')[2]} needs a value for {match['missing']}"


def _no_class(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A class name that nothing has."""
    base = next((base for part, base in _BASES.items() if key.endswith(part)), None)
    names = sorted({cls.__name__ for cls in _subclasses(base) if not cls.__name__.startswith("_")}) if base else []
    listed = f"; there are {', '.join(names)}" if names else ""
    return f"{key}: there is no class {match[1]!r}{meant(match[1], names)}{listed}"


def _wrong_type(match: re.Match[str], key: str, parser: argparse.ArgumentParser) -> str:
    """A value of another type than the key takes."""
    wanted = dict.fromkeys(re.findall(r"Expected a <class '(?:\w+\.)*(\w+)'>", match[0]))
    value = shortened(_values(match[0])[0])
    return f"{key} is {value}; expected {' or '.join(wanted).replace('NoneType', 'null')}"


def _values(message: str) -> list[str]:
    """The values that were given, the innermost first."""
    return re.findall(r"(?:Got|Given) value: (.*?)(?= - |$| Given|\. Got)", message)


_Explain = Callable[[re.Match[str], str, argparse.ArgumentParser], str]
_PATTERNS: tuple[tuple[str, _Explain], ...] = (
    (r"callable class: Option '(?P<option>[\w.]+)' is not accepted.*?class_path='(?P<path>[\w.]+)'", _unknown_init_arg),
    (r".*class_path '(?P<path>[\w.]+)': Option '(?P<option>[\w.]+)' is not accepted", _unknown_init_arg),
    (r"unrecognized arguments: (\S+)", _unknown_option),
    (r"Subcommand '\w+' does not accept option '([\w.]+)'", _unknown_key),
    (r"class_path '(?P<path>[\w.]+)': the following arguments are required: (?P<missing>\w+)", _lacks_a_value),
    (r"arguments are required: (.*)", _missing),
    (r"Expected a typing\.Literal\[", _not_a_choice),
    (r"Expected a <class '(?:int|float|bool|str)'> - Expected .*", _wrong_type),
    (r"Expected a dot import path string: (\w+)", _no_class),
    (r"Expected a <class '\w+'>\. Got value: .*", _wrong_type),
)
_BASES: dict[str, type] = {"optimizer": Optimizer, "block": Block, "backbone": Backbone, "data": VideoDataModule}


def _subclasses(cls: type) -> set[type]:
    direct: list[type] = cls.__subclasses__()
    return {found for subclass in direct for found in (subclass, *_subclasses(subclass))}


def _parameters(cls: type) -> list[str]:
    """Names of the options of a class, those it hands on to its base classes included."""
    parser = ArgumentParser(exit_on_error=False)
    return [name.removeprefix("of.") for name in parser.add_class_arguments(cls, "of", fail_untyped=False)]


def meant(word: str, known: Iterable[str]) -> str:
    """A question after the nearest of the known words; empty where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_line(message: str) -> str:
    """Blanks for line breaks."""
    return re.sub(r"\s+", " ", message).strip()


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " …"
