"""Finds a config by name (those in gcvideo/configs) or by path."""

from __future__ import annotations

import difflib
from pathlib import Path

from gcvideo.errors import InputError

CONFIGS = Path(__file__).parents[1] / "configs"


def config_names() -> list[str]:
    """The shipped configs, such as ``demo`` or ``kinetics400/slowonly_r50_8x8``."""
    return sorted(str(path.relative_to(CONFIGS).with_suffix("")) for path in CONFIGS.rglob("*.yaml"))


def config_families() -> str:
    """The shipped configs in a few words: those of a folder as one."""
    names = config_names()
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    counts = [f"{folder}/… ({sum(name.startswith(f'{folder}/') for name in names)})" for folder in folders]
    return ", ".join([name for name in names if "/" not in name] + counts)


def find_config(name_or_file: str) -> Path:
    """The path of a config.

    Raises:
        InputError: if it is neither a file nor a shipped name; the message lists the names.
    """
    path = Path(name_or_file).expanduser()
    if path.is_file():
        return path
    shipped = CONFIGS / f"{name_or_file.removesuffix('.yaml')}.yaml"
    if shipped.is_file():
        return shipped
    near = [name for name in config_names() if name.endswith(f"/{name_or_file}")]
    near = near or difflib.get_close_matches(name_or_file, config_names(), n=1)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(
        f"config {name_or_file!r}: no such file, and not a shipped config; {hint}there are {config_families()}; "
        "gcvideo models lists the published ones",
        exit_code=2,
    )


def with_found_configs(arguments: list[str]) -> tuple[list[str], list[Path]]:
    """The arguments with every ``--config NAME_OR_FILE`` (or ``-c``) replaced by its path, and those paths."""
    found: list[Path] = []
    result: list[str] = []
    is_value = False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if is_value:
            found.append(find_config(argument))
            result.append(str(found[-1]))
        elif option == "--config" and equals:
            found.append(find_config(value))
            result.append(f"--config={found[-1]}")
        else:
            result.append(argument)
        is_value = argument in ("--config", "-c")
    return result, found
