"""What is configured of W&B here: server, key and mode. Nothing is started for it, and no server is asked."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

import wandb
from pydantic import ValidationError  # what W&B's settings raise

from gcvideo.errors import InputError

# W&B's own server has moved; keys that were kept under its earlier name are still taken (wandb 0.31).
_EARLIER_NAMES = {"api.forge.coreweave.com": "api.wandb.ai"}


def wandb_settings() -> wandb.Settings:
    """W&B's own settings as it reads them itself: its files (``wandb login --host`` writes one), then the environment.

    Raises:
        InputError: naming the variable that W&B refuses.
    """
    settings = wandb.Settings(silent=True)
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    settings.settings_system = str(folder / "settings")
    settings.update_from_system_settings()
    try:
        settings.update_from_env_vars(dict(os.environ))
    except ValidationError as error:
        raise InputError(_refused(error), exit_code=2) from error
    return settings


def has_api_key(settings: wandb.Settings) -> bool:
    """Whether a key, or a token file, is configured for the server in use: in the environment, .netrc or a setting."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or settings.api_key:
        return True
    server = urlsplit(settings.base_url).netloc
    names = [name for name in (server, _EARLIER_NAMES.get(server)) if name]
    try:
        found = netrc.netrc(_netrc_file())
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False
    return any((entry := found.authenticators(name)) is not None and entry[2] for name in names)


def planned_mode(settings: wandb.Settings) -> str:
    """The mode that is set; where none is, ``online`` with a key and ``offline`` without."""
    if "WANDB_MODE" in os.environ or settings.mode != "online":
        return str(settings.mode)
    return "online" if has_api_key(settings) else "offline"


def _netrc_file() -> Path:
    """Where W&B looks; named to ``netrc``, which then takes it with any permissions, as W&B does."""
    if os.environ.get("NETRC"):
        return Path(os.environ["NETRC"]).expanduser()
    usual, windows = Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()
    return windows if windows.exists() and not usual.exists() else usual


def _refused(error: ValidationError) -> str:
    first = error.errors()[0]
    name = f"WANDB_{str(first['loc'][0]).upper()}" if first["loc"] else "a WANDB_ variable"
    value = "not what W&B takes" if "KEY" in name else repr(first["input"])
    cure = "; 'disabled' keeps no W&B run" if name == "WANDB_MODE" else ""
    return f"{name} is {value}; {first['msg'].replace('Input should be', 'expected')}{cure}"
