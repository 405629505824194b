"""One HTTP request whose reply is bounded in time and size, whatever the server does."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Bounds:
    """What a reply may take.

    Args:
        bytes: Its size.
        seconds: Its time, from the request to the last byte.
        slow_seconds: After these, it must have come at `bytes_per_second` on average.
        bytes_per_second: That speed.
        silent_seconds: How long nothing may come.
    """

    bytes: int = 1 << 30
    seconds: float = 3600.0
    slow_seconds: float = 60.0
    bytes_per_second: float = 2000.0
    silent_seconds: float = 20.0


class TooLarge(ValueError):
    """A reply is larger than it may be."""


class ReplyTimeout(TimeoutError):
    """A reply takes longer than it may."""


@contextmanager
def bounded_reply(url: str, bounds: Bounds) -> Iterator[tuple[int | None, Iterator[bytes]]]:
    """Asks for an address; the reply's announced size, if it has one, and its bytes in chunks.

    Also a reply whose headers, or single chunks, never end is cut off.

    Args:
        url: An http or https address.
        bounds: What the reply may take.

    Raises:
        TooLarge: It is larger than that.
        ReplyTimeout: It takes longer than that.
        OSError, http.client.HTTPException: As `urllib.request.urlopen`.
    """
    with (
        _Watch(bounds) as watch,
        watch.opener.open(url, timeout=bounds.silent_seconds) as response,
    ):
        length = response.headers.get("Content-Length")
        announced = int(length) if length is not None and length.isdecimal() else None
        if announced is not None and announced > bounds.bytes:
            raise TooLarge(f"{url} announces {announced:,} bytes; {bounds.bytes:,} are allowed")
        yield announced, _chunks(url, response, bounds, watch)


def _chunks(
    url: str, response: http.client.HTTPResponse, bounds: Bounds, watch: _Watch
) -> Iterator[bytes]:
    while chunk := response.read1(_CHUNK_BYTES):  # what has come; `read` waits for so many bytes
        watch.received += len(chunk)
        if watch.received > bounds.bytes:
            raise TooLarge(f"{url} gives more than the {bounds.bytes:,} bytes that are allowed")
        yield chunk


class _Watch:
    """Closes the connections of a request that takes too long, and raises `ReplyTimeout`.

    A thread of its own: `http.client` waits for whole lines and chunks, and a byte now and then
    keeps the socket's own timeout from ending that.
    """

    def __init__(self, bounds: Bounds):
        self.received = 0
        self.opener = urllib.request.build_opener(_HTTP(self), _HTTPS(self), _NoFTP())
        self._bounds, self._why = bounds, ""
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def add(self, connected: socket.socket) -> None:
        # Another name of the same connection: TLS takes the first one for itself.
        self._sockets.append(connected.dup())

    def __enter__(self) -> _Watch:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
        # Cut off, a reply without an announced size looks like a whole one.
        if self._why and not isinstance(error, TooLarge):
            raise ReplyTimeout(self._why) from error

    def _look(self) -> None:
        bounds = self._bounds
        while not self._ended.wait(min(1.0, bounds.slow_seconds / 4)):
            seconds = time.monotonic() - self._started
            slow = self.received < seconds * bounds.bytes_per_second
            if seconds > bounds.seconds or (slow and seconds > bounds.slow_seconds):
                self._why = f"only {self.received:,} bytes came in {seconds:.0f} s"
                for each in self._sockets:
                    _shut(each)
                return


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was quicker
        return


def _watched(connection: type[Any], watch: _Watch) -> type[Any]:
    """A class of connections, `http.client`'s own or its child, that are watched."""

    class Watched(connection):
        def connect(self) -> None:
            create: Callable[..., socket.socket] = self._create_connection

            def created(*arguments: Any, **options: Any) -> socket.socket:
                connected = create(*arguments, **options)
                watch.add(connected)
                return connected

            # Not after `connect`, which for https ends with a handshake.
            self._create_connection = created
            super().connect()

    return Watched


class _HTTP(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch):
        super().__init__()
        self._connection = _watched(http.client.HTTPConnection, watch)

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._connection, request)


class _HTTPS(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch):
        super().__init__()
        self._connection = _watched(http.client.HTTPSConnection, watch)

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._connection, request, context=self._context)


class _NoFTP(urllib.request.FTPHandler):
    """A redirection to where nothing is watched ends there."""

    def ftp_open(self, request: urllib.request.Request) -> Any:
        raise urllib.error.URLError(f"leads to {request.full_url}, which is not http or https")
