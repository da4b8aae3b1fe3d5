from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.tracking.wandb_run import has_api_key


def test_key_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_api_key()
    monkeypatch.setenv("WANDB_API_KEY", "local-" + 40 * "0")
    assert has_api_key()


def test_key_is_found_in_netrc_for_the_server_in_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n  login user\n  password " + 40 * "0" + "\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert has_api_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://other.example:8080")
    assert not has_api_key()


def test_broken_netrc_counts_as_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine\nmachine machine")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not has_api_key()
