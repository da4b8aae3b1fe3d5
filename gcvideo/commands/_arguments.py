"""The options of a command that is not fit, validate or test; a mistake in them is one line, as there."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from gcvideo.errors import InputError


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong, and which option was meant, without the usage of the command before it."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options.

        Raises:
            InputError: if one is unknown or has a wrong value, or one is missing.
        """
        options, others = self.parse_known_args(args, namespace)
        self.refuse(others)
        return options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """The options, and those of another command."""
        self._given = list(args or [])
        return super().parse_known_args(args, namespace)

    def refuse(self, others: Sequence[str], known: Iterable[str] = (), also: str = "") -> None:
        """Refuses what is left over.

        Args:
            others: words of the command line.
            known: options that would be taken beside those of the command.
            also: a kind of options that would be.

        Raises:
            InputError: naming the first.
        """
        if others:
            name = others[0].partition("=")[0]
            near = difflib.get_close_matches(name, [*self._option_string_actions, *known], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            what = "unknown option" if name.startswith("-") else "one argument too many:"
            beside = f"; it takes {also}, too" if also else ""
            raise InputError(f"{what} {name}{hint}; {self.prog} --help lists them{beside}", exit_code=2)

    def error(self, message: str) -> NoReturn:
        """An unknown option is named first, also where argparse misses something else.

        Raises:
            InputError: always.
        """
        options = (word for word in self._given if word.startswith("--") and len(word) > 2)
        if "required" in message:
            self.refuse([word for word in options if not self._get_option_tuples(word.partition("=")[0])])
        raise InputError(f"{message}; {self.prog} --help lists the options", exit_code=2)
