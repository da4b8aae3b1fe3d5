"""One command ``gcvideo``: finds the file of the command asked for, and opens nothing else.

A command is a file in ``gcvideo/commands``: the first line of its docstring is its line in the help, and its
``main(arguments)`` gives the exit code. This file imports nothing heavy, so that ``--help`` comes at once.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import logging
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from gcvideo import __version__
from gcvideo.errors import InputError, plain

_FOLDER = Path(__file__).parent / "commands"
_REMARKS = (
    "The `srun` command is available",  # on every login node; the README has a script for SLURM
    ".*`torch.jit.script` is deprecated.*",  # fvcore scripts a function when it is imported
    ".*does not have many workers which may be a bottleneck.*",  # measured, not guessed: see perf/data_wait
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*could not find the monitored key.*",  # an epoch without a validation keeps no new best
    ".*'pin_memory' argument is set as true but no accelerator is found.*",
    ".*sync_dist=True.*",  # what is logged of an evaluation is the same on every process
    ".*callbacks used to create the checkpoint need to be provided.*",  # test and validate save none
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",  # inside Lightning
    ".*in eval mode at the start of training.*",  # frozen norms
    ".*Grad strides do not match bucket view strides.*",  # of weights such as (1, C, 1, 1, 1)
)
_OPTIONS = """options:
  -h, --help              this text; gcvideo COMMAND --help tells more
  --version               the version
  --print_completion SHELL  a completion script for bash, zsh or tcsh
  --debug                 (with any command) the traceback of an error

first steps:
  gcvideo demo                                        the whole job on embedded videos, in minutes
  gcvideo fit --config folder --data.root MY_VIDEOS   train on a folder with a folder per class
  gcvideo doctor                                      what is installed, what is missing for what"""


def run(arguments: list[str]) -> int:
    """Runs a command.

    Returns:
        0 when it went well, 1 when it failed, 2 when it was called wrongly.
    """
    if "--debug" in arguments:
        os.environ["GCVIDEO_DEBUG"] = "1"  # for the commands that a command runs, too
    arguments = [argument for argument in arguments if argument != "--debug"]
    _speak_plainly()
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        print("gcvideo: interrupted", file=sys.stderr)
        return 130
    except InputError as error:
        if os.environ.get("GCVIDEO_DEBUG"):
            traceback.print_exc()
        print(plain(f"gcvideo: error{_on_rank()}: {error}"), file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if os.environ.get("GCVIDEO_DEBUG"):
            traceback.print_exc()
        print(plain(_unexpected(error)), file=sys.stderr)
        return 1


def command_names() -> list[str]:
    """Every command, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if not path.name.startswith("_"))


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help", "help"):
        print(_help())
        return 0
    if first == "--version":
        print(f"gcvideo {__version__}")
        return 0
    if first.startswith("--print_completion"):
        shell = first.partition("=")[2] or (arguments[1] if len(arguments) > 1 else "bash")
        command = importlib.import_module("gcvideo.commands._completion")
        return int(command.print_completion(shell, command_names()))
    if first not in command_names():
        raise InputError(f"unknown command {first!r}{_suggestion(first)}; gcvideo --help lists them all", exit_code=2)
    return int(importlib.import_module(f"gcvideo.commands.{first}").main(arguments[1:]))


def _on_rank() -> str:
    """Which of several processes speaks; nothing for the first, or where there is one."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")  # torchrun's, SLURM's, Lightning's
    rank = next((os.environ[name] for name in names if name in os.environ), "0")
    return "" if rank == "0" else f" on rank {rank}"


def _unexpected(error: Exception) -> str:
    """One line of an error that nothing explains; the traceback is kept in a file, if there is room for one."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="gcvideo-", suffix=".txt", delete=False, errors="replace") as file:
            traceback.print_exception(error, file=file)
        where = f"its traceback is in {file.name}"
    except OSError:
        where = "see its traceback with --debug, as the temporary folder cannot be written to"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
    return f"gcvideo: error{_on_rank()}: {what}\n  gcvideo does not know this one; {where}"


class _PlainFormatter(logging.Formatter):
    """The message alone, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def _speak_plainly() -> None:
    """Plain lines of our own, and none of the libraries' remarks that a user can do nothing about."""
    logging.basicConfig()
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_PlainFormatter("%(message)s"))
    logging.getLogger("gcvideo").setLevel(logging.INFO)
    for message in _REMARKS:
        warnings.filterwarnings("ignore", message)


def _help() -> str:
    rows = "\n".join(f"  {name:<12}{_first_line(name)}" for name in command_names())
    return f"usage: gcvideo COMMAND [options]\n\nAction recognition in video.\n\ncommands:\n{rows}\n\n{_OPTIONS}"


def _first_line(name: str) -> str:
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _suggestion(word: str) -> str:
    near = difflib.get_close_matches(word, command_names(), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
