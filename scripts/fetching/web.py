"""Requests over HTTP that are tried again when a connection drops or a server is busy."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from gcvideo.errors import InputError

_TRANSIENT = frozenset((408, 416, 429, 500, 502, 503, 504))
_LONGEST_WAIT_SECONDS = 60.0
_T = TypeVar("_T")


class Dropped(Exception):
    """A request that failed in a way that may pass."""


class Stopped(Exception):
    """Somebody asked all downloads to stop."""


@dataclass(frozen=True)
class Remote:
    """What a server says of a file.

    Attributes:
        url: where it is.
        num_bytes: its size, or None if the server does not tell.
        validator: a strong ETag, else the date of the last change, else empty: changes when the file does.
    """

    url: str
    num_bytes: int | None
    validator: str


@dataclass(frozen=True)
class Web:
    """Requests with patience.

    Attributes:
        stop: ends all waiting and downloading when it is set.
        tries: failures in a row after which a file is given up.
        backoff_seconds: the first wait; each further one is twice as long, at most a minute.
        timeout_seconds: silence of a server that counts as a dropped connection.
    """

    stop: threading.Event
    tries: int = 7
    backoff_seconds: float = 1.0
    timeout_seconds: float = 60.0

    def ask(self, url: str) -> Remote:
        """Asks for size and validator, without the file.

        Raises:
            InputError: if the server refuses, or does not answer after all tries.
        """
        return self._patiently(url, lambda: self._head(url))

    def read(self, url: str) -> bytes:
        """Reads a small file whole; errors as in ``ask``."""
        return self._patiently(url, lambda: self._get(url))

    def open(self, request: Request) -> http.client.HTTPResponse:
        """One request, once.

        Raises:
            Dropped: if another try may help.
            InputError: if not, with the address and what the server said.
        """
        url = request.full_url
        try:
            answer: http.client.HTTPResponse = urlopen(request, timeout=self.timeout_seconds)
        except HTTPError as error:
            error.close()
            if error.code in _TRANSIENT:
                raise Dropped(f"the server answers {error.code} {error.reason}") from error
            raise InputError(f"{url}: the server answers {error.code} {error.reason}; is --mirror right?") from error
        except URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise InputError(
                    f"{url}: the server's certificate is not trusted ({error.reason.verify_message}); name another "
                    "server with --mirror"
                ) from error
            raise Dropped(f"no connection ({error.reason})") from error
        except (OSError, http.client.HTTPException) as error:
            raise lost(error) from error
        return answer

    def wait(self, url: str, failures: int, reason: Dropped) -> None:
        """Waits before the next try.

        Raises:
            InputError: if these were all.
            Stopped: if ``stop`` is set.
        """
        if failures >= self.tries:
            raise InputError(
                f"{url}: {reason}, {failures} times in a row; run it again later: it goes on where it stopped"
            )
        if self.stop.wait(min(_LONGEST_WAIT_SECONDS, self.backoff_seconds * 2 ** (failures - 1))):
            raise Stopped

    def _patiently(self, url: str, action: Callable[[], _T]) -> _T:
        failures = 0
        while True:
            try:
                return action()
            except Dropped as error:
                failures += 1
                self.wait(url, failures, error)

    def _head(self, url: str) -> Remote:
        with self.open(Request(url, method="HEAD")) as answer:
            return Remote(url, length(answer), validator(answer))

    def _get(self, url: str) -> bytes:
        with self.open(Request(url)) as answer:
            try:
                return bytes(answer.read())  # raises IncompleteRead if the connection is cut
            except (OSError, http.client.HTTPException) as error:
                raise lost(error) from error


def check_url(url: str) -> str:
    """A web address whose blanks and brackets are written as a server wants them; a percent sign stays.

    Raises:
        InputError: if it is no http or https address.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise InputError(f"{url!r} is no web address; expected http://... or https://...", exit_code=2)
    return quote(url, safe="%/:?=&@+,;~!$*")


def lost(error: Exception) -> Dropped:
    """A connection that broke, in words."""
    return Dropped(f"connection lost ({str(error) or type(error).__name__})")


def length(answer: http.client.HTTPResponse) -> int | None:
    """The bytes of this answer, if the server tells."""
    value = answer.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def validator(answer: http.client.HTTPResponse) -> str:
    """What changes when the file does, fit for If-Range; see ``Remote``."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def first_byte(answer: http.client.HTTPResponse) -> int:
    """Where the piece begins that the server sends; 0 if it sends the whole file."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if answer.status == 206 and found else 0
