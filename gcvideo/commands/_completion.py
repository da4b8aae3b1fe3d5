"""The completion script of the shell, made by shtab from the options of every command."""

from __future__ import annotations

import argparse
import importlib

import shtab

from gcvideo.errors import InputError

_TRAINER_COMMANDS = ("fit", "validate", "test")


def print_completion(shell: str, names: list[str]) -> int:
    """Prints the script for bash, zsh or tcsh, with the options of the commands named."""
    if shell not in shtab.SUPPORTED_SHELLS:
        raise InputError(f"no completion for {shell!r}; there is {', '.join(shtab.SUPPORTED_SHELLS)}", exit_code=2)
    root = argparse.ArgumentParser(prog="gcvideo")
    root.add_argument("--version", action="store_true")
    commands = root.add_subparsers()
    for name in names:
        source = _trainer_parser(name) if name in _TRAINER_COMMANDS else _own_parser(name)
        _copy_options(source, commands.add_parser(name, help=source.description, add_help=False))
    print(shtab.complete(root, shell))
    return 0


def _own_parser(name: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = importlib.import_module(f"gcvideo.commands.{name}").parser()
    return parser


def _trainer_parser(name: str) -> argparse.ArgumentParser:
    from gcvideo.commands.running.command_line import parser_of

    return parser_of(name)


def _copy_options(source: argparse.ArgumentParser, target: argparse.ArgumentParser) -> None:
    """The same option names; the types do not matter for completion."""
    for action in source._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            text = str(action.help or "").partition("\n")[0].replace("%", "%%")
            target.add_argument(*action.option_strings, choices=action.choices, help=text)
