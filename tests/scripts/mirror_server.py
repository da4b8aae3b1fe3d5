"""A real HTTP server with ranges and ETags, as S3 has them, that can also misbehave."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

# What a fault changes in one GET of a file; each is used up once.
BUSY, CUT, NO_RANGES, OTHER_PIECE, GARBLED = "busy", "cut", "no ranges", "other piece", "garbled"


@dataclass
class Mirror:
    """The files by path, what goes wrong with them, and what was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    claimed_sizes: dict[str, int] = field(default_factory=dict)
    with_validators: bool = True
    bytes_per_second: float = 0.0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    num_sent: int = 0

    def gets(self, path: str) -> list[str]:
        """The ranges of all GETs of a file; empty for the whole file."""
        return [span for method, asked, span in self.asked if method == "GET" and asked == path]

    def add_tar(self, path: str, members: dict[str, bytes], mode: str = "w:gz") -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self.files[path] = buffer.getvalue()


def serve(mirror: Mirror) -> ThreadingHTTPServer:
    """Starts the server in a thread; the caller shuts it down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(mirror))
    server.daemon_threads = True
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    return server


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            path = unquote(self.path).lstrip("/")
            mirror.asked.append(("HEAD", path, ""))
            if path not in mirror.files:
                return self.send_error(404)
            size = mirror.claimed_sizes.get(path, len(mirror.files[path]))
            self._head(200, size, mirror.files[path])

        def do_GET(self) -> None:
            path, span = unquote(self.path).lstrip("/"), self.headers.get("Range", "")
            mirror.asked.append(("GET", path, span))
            if path not in mirror.files:
                return self.send_error(404)
            fault = (mirror.faults.get(path) or [""]).pop(0)
            if fault == BUSY:
                return self.send_error(503)
            content = mirror.files[path]
            ranged = span and fault != NO_RANGES and self.headers.get("If-Range") == _etag(content)
            start = int(span.removeprefix("bytes=").removesuffix("-")) if ranged else 0
            if fault == OTHER_PIECE:
                start = max(0, start - 1)
            body = content[start:]
            if fault == GARBLED:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
            self._head(206 if ranged else 200, len(body), content, start)
            self._body(body[: len(body) // 2] if fault == CUT else body)

        def _head(self, status: int, size: int, content: bytes, start: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(size))
            if mirror.with_validators:
                self.send_header("ETag", _etag(content))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()

        def _body(self, body: bytes) -> None:
            step = max(1, int(mirror.bytes_per_second / 50)) if mirror.bytes_per_second else len(body) or 1
            for first in range(0, len(body), step):
                self.wfile.write(body[first : first + step])
                mirror.num_sent += step
                time.sleep(step / mirror.bytes_per_second if mirror.bytes_per_second else 0)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the other side was killed
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for something that another process does; fails if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
