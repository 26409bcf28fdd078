"""Runs an ASGI application on uvicorn so that every request has an answer: what is no HTTP, too long or too slow, too.

For the servers that stand for Google's: the answers have the form of Google's errors.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 65536
IDLE_SECONDS = 60
"""How long a connection stays open without a request, or in the middle of one without a byte."""
MOST_CONNECTIONS = 800
"""Each is a file for the system, which by default allows a process 1,024."""
BACKLOG = 512
LINGER_SECONDS = 2
STOP_SECONDS = 3
"""How long requests that are being answered may take once the server is to end."""


class AnsweringProtocol(HttpToolsProtocol):
    """Answers where uvicorn would only close the connection, or wait for ever."""

    _head = 0
    _in_head = _dropping = False
    _last = 0.0
    _timer: Any = None

    def connection_made(self, transport: Any) -> None:
        """Begin to watch for a client that says nothing."""
        super().connection_made(transport)
        self._heard()
        self._timer = self.loop.call_later(IDLE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the watch."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a request's headers."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """End the count; a head that came in one piece is counted now."""
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) > MOST_HEADER_BYTES:
            self.refuse(HTTPStatus.BAD_REQUEST, "The headers of the request are too long.")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on, unless the request was refused."""
        if not self._dropping:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request, unless it was refused."""
        if not self._dropping:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as the headers are of a sane size."""
        if self._dropping:
            return
        if not self._in_head:  # all of a head must come in time
            self._heard()
        super().data_received(data)
        if self._in_head and not self._dropping:
            self._head += len(data)
            if self._head > MOST_HEADER_BYTES:
                self.refuse(HTTPStatus.BAD_REQUEST, "The headers of the request are too long.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the last request of a client that has closed its half of the connection."""
        if self._in_head and not self._dropping:
            self.refuse(HTTPStatus.BAD_REQUEST, "The request is not complete.")
            return True
        if self._dropping or self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        text = "The body of the request is not complete."
        return not self.cycle.more_body or self._give_up(HTTPStatus.BAD_REQUEST, text)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP."""
        self.refuse(HTTPStatus.BAD_REQUEST, msg)

    def refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer with an error, and close the connection once the client has had the time to read that."""
        one = {"message": text, "domain": "global", "reason": "badRequest"}
        body = json.dumps({"error": {"code": int(status), "message": text, "errors": [one]}}).encode()
        head = f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: application/json\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        # Closed at once, with bytes of the client's unread, the connection would be reset and the answer lost
        self._dropping = True
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _give_up(self, status: HTTPStatus, text: str) -> bool:
        """End a request whose body will never be complete; whether the client gets to know why."""
        started = self.cycle.response_started
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if not started:
            self.refuse(status, text)
        return not started

    def _heard(self) -> None:
        self._last = time.monotonic()

    def _look(self) -> None:
        """Refuse a request that does not go on; a client that waits for its answer says nothing, rightly."""
        left = IDLE_SECONDS - (time.monotonic() - self._last)
        self._timer = self.loop.call_later(max(left, 1), self._look)
        # Where the server itself has stopped reading, the client is not late
        if left > 0 or self._dropping or self.flow.read_paused:
            return
        text = f"The request is not complete, and nothing came for {IDLE_SECONDS} seconds."
        if self._in_head:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, text)
        elif self.cycle is None or (
            not self.cycle.response_complete
            and self.cycle.more_body
            and not self._give_up(HTTPStatus.REQUEST_TIMEOUT, text)
        ):
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        OSError: the port is in use.
    """
    listening = socket.create_server((host, port), backlog=BACKLOG)
    # Else the kernel keeps the end of an answer until the client has confirmed its beginning, for 40 ms at times.
    # Connections inherit it; asyncio sets it only where it has made the socket itself
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def new_server(app: Any, protocol: type[AnsweringProtocol] = AnsweringProtocol) -> uvicorn.Server:
    """Return a server; `run(sockets=[...])` serves until SIGTERM or Ctrl-C."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
        backlog=BACKLOG,
    )
    return uvicorn.Server(config)


def raw_path(scope: MutableMapping[str, Any]) -> str:
    """Return the path of an ASGI request as the client has encoded it, without the query."""
    raw = scope.get("raw_path") or scope["path"].encode()
    return str(raw.partition(b"?")[0].decode("latin-1"))
