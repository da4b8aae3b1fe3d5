from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.errors import InputError
from gcvideo.tracking.wandb_account import has_api_key, planned_mode, wandb_settings

KEY = 40 * "0"


def _netrc(folder: Path, monkeypatch: pytest.MonkeyPatch, machine: str, key: str = KEY) -> None:
    (folder / "netrc").write_text(f"machine {machine}\n  login user\n  password {key}\n")
    (folder / "netrc").chmod(0o644)
    monkeypatch.setenv("NETRC", str(folder / "netrc"))


def _settings_file(folder: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """What ``wandb login --host`` and ``wandb offline`` write."""
    (folder / "settings").write_text(f"[default]\n{line}\n")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(folder))


def test_key_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_api_key(wandb_settings())
    monkeypatch.setenv("WANDB_API_KEY", "local-" + KEY)
    assert has_api_key(wandb_settings())


@pytest.mark.parametrize("machine", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_key_is_found_in_netrc_for_the_server_in_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str
) -> None:
    _netrc(tmp_path, monkeypatch, machine)
    assert has_api_key(wandb_settings())
    monkeypatch.setenv("WANDB_BASE_URL", "http://other.example:8080")
    assert not has_api_key(wandb_settings())


def test_key_of_an_own_server_that_login_has_written_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _netrc(tmp_path, monkeypatch, "wandb.example:8080")
    assert planned_mode(wandb_settings()) == "offline"
    _settings_file(tmp_path, monkeypatch, "base_url = http://wandb.example:8080")
    assert has_api_key(wandb_settings())
    assert planned_mode(wandb_settings()) == "online"


def test_broken_netrc_and_one_without_a_key_count_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _netrc(tmp_path, monkeypatch, "api.wandb.ai", key='""')
    assert not has_api_key(wandb_settings())
    (tmp_path / "netrc").write_text("machine\nmachine machine")
    assert not has_api_key(wandb_settings())


def test_mode_that_is_set_goes_before_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    _settings_file(tmp_path, monkeypatch, "mode = offline")
    assert planned_mode(wandb_settings()) == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert planned_mode(wandb_settings()) == "disabled"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WANDB_MODE", "off", r"WANDB_MODE is 'off'; expected 'online', 'offline',.*'disabled' keeps no W&B run"),
        ("WANDB_MODE", "OFFLINE", "WANDB_MODE is 'OFFLINE'; expected 'online', 'offline'"),
        ("WANDB_MODE", "", "WANDB_MODE is ''; expected 'online', 'offline'"),
        ("WANDB_BASE_URL", "here", "WANDB_BASE_URL is 'here'; expected a valid URL"),
    ],
)
def test_variable_that_wandb_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        wandb_settings()
