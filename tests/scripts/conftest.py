from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scripts.mirror_server import Mirror, serve


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server on this machine; a proxy must not stand between."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = Mirror()
    server = serve(result)
    yield result
    server.shutdown()
    server.server_close()
