"""Turns the libraries' errors about a user's mistake into one line with the cure."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException

from gcvideo.commands.running.explain import explain, meant, one_line, without_value
from gcvideo.commands.running.folders import to_go_on
from gcvideo.errors import InputError


@contextmanager
def explained_parsing(parser: argparse.ArgumentParser, arguments: Sequence[str] = ()) -> Iterator[None]:
    """A wrong key or value ends with exit code 2 and, where one is near, with the key that was meant."""
    try:
        yield
    except ArgumentError as error:
        message = one_line(str(error))
        raise InputError(without_value(message, arguments) or explain(message, parser), exit_code=2) from error


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
        raise InputError(one_line(str(next(_chain(error, deepest=True)))) + hint) from error


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
        raise InputError(one_line(str(error))) from error


@contextmanager
def explained_workers(folder: Path) -> Iterator[None]:
    """A loader process that was killed, mostly by the system because the memory was full.

    torch tells of it wherever the main process is, also within a call of a library that fails because of it.
    """
    try:
        yield
    except RuntimeError as error:
        of_worker = next((e for e in _chain(error) if str(e).startswith("DataLoader worker")), None)
        if of_worker is None:
            raise
        what = f"a loader process ended: {one_line(str(of_worker)).rstrip('. ')}"
        cure = "if nobody killed it, the memory was full: lower --data.num_workers or --data.batch_size"
        raise InputError(f"{what}; {cure}; {to_go_on(folder)}") from error


def check_config(path: Path, parser: argparse.ArgumentParser) -> None:
    """Refuses a YAML that is not one, and a key at its top that nothing reads.

    Raises:
        InputError: naming the file, and the line or key.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"config {path} is not a YAML file: {one_line(str(error))}", exit_code=2) from error
    if not isinstance(config, dict):
        raise InputError(f"config {path}: expected keys with values, such as trainer: ..., model: ...", exit_code=2)
    known = sorted({action.dest.partition(".")[0] for action in parser._actions})
    for key in config:
        if key not in known:
            raise InputError(f"config {path}: unknown key {str(key)!r}{meant(str(key), known)}", exit_code=2)


def _chain(error: BaseException, deepest: bool = False) -> Iterator[BaseException]:
    """An error and what it came of; the innermost first where that is wanted."""
    errors: list[BaseException] = [error]
    while (before := errors[-1].__cause__ or errors[-1].__context__) is not None:
        errors.append(before)
    return iter(reversed(errors) if deepest else errors)
