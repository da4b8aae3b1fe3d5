"""Turns the libraries' errors about a user's mistake into one line with the cure."""

from __future__ import annotations

import argparse
import difflib
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException

from gcvideo.errors import InputError

_MOST_CHARACTERS = 400


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
        raise InputError(_one_line(str(next(_chain(error, deepest=True))))) from error


def _explain(message: str, parser: argparse.ArgumentParser) -> str:
    for pattern, explain in _PATTERNS:
        match = re.search(pattern, message)
        if match:
            return explain(match, parser)
    return message


def _unknown_option(match: re.Match[str], parser: argparse.ArgumentParser) -> str:
    """An option that the command does not have."""
    option = match[1].partition("=")[0]
    known = [string for action in parser._actions for string in action.option_strings]
    return f"unknown option {option}{_meant(option, known)}; see --help"


def _unknown_init_arg(match: re.Match[str], parser: argparse.ArgumentParser) -> str:
    """An option that a class named by its class_path does not have."""
    class_path, option = match[1], match[2]
    module, _, name = class_path.rpartition(".")
    known = _parameters(getattr(importlib.import_module(module), name))
    return f"{name} has no option {option!r}{_meant(option, known)}; it has {', '.join(known)}"


def _unknown_key(match: re.Match[str], parser: argparse.ArgumentParser) -> str:
    """A key of a YAML that nothing reads."""
    key = match[1]
    known = [action.dest for action in parser._actions]
    return f"unknown key {key!r} in the config{_meant(key, known)}"


def _wrong_type(match: re.Match[str], parser: argparse.ArgumentParser) -> str:
    """A value of another type than the key takes."""
    wanted = " or ".join(dict.fromkeys(re.findall(r"Expected a <class '(?:builtins\.)?(\w+)'>", match[0])))
    value = re.search(r"Given value: (.*)$", match[0])
    return f"{match[1]} is {value[1] if value else '?'!s}; expected {wanted.replace('NoneType', 'null')}"


_PATTERNS = (
    (r"unrecognized arguments: (\S+)", _unknown_option),
    (r"class_path '([\w.]+)': Option '([\w.]+)' is not accepted", _unknown_init_arg),
    (r"(?:Key|Group key|key) '([\w.]+)' is not expected", _unknown_key),
    (r"[Kk]ey \"([\w.]+)\": Does not validate.*Expected a <class '(?:int|float|bool|str)'>.*", _wrong_type),
)


def _parameters(cls: type) -> list[str]:
    """Names of the options of a class, those it hands on to its base classes included."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        parameters = inspect.signature(base.__init__).parameters.values() if "__init__" in vars(base) else []  # type: ignore[misc]
        names |= {p.name: None for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [name for name in names if name != "self"]


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
    text = re.sub(r"\s+", " ", message).strip()
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " …"
