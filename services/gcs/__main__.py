"""Serves Cloud Storage: `python -m services.gcs --port 4443 --data-dir FOLDER`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sqlite3
import sys
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gcs.app import create_app
from services.gcs.errors import StorageError
from services.gcs.faults import TRANSPORT
from services.gcs.settings import from_environment

MOST_HEADER_BYTES = 65536
IDLE_SECONDS = 60
"""How long a connection stays open whose client sends nothing of a request, or no more of it."""
MOST_CONNECTIONS = 800
"""Each is a file for the system, which by default allows a process 1,024."""
BACKLOG = 512
LINGER_SECONDS = 2
_log = logging.getLogger("gcs")


class Protocol(HttpToolsProtocol):
    """Answers where uvicorn would only close the connection."""

    _head = 0
    _in_head = _dropping = False
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._close_if_silent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no longer."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        """Close the connection if the client owes bytes and sends none; uvicorn itself only does so after an answer."""
        is_waiting = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        if is_waiting and not self.flow.read_paused and self.loop.time() - self._heard > IDLE_SECONDS:
            self.transport.close()
        else:
            self._watch = self.loop.call_later(IDLE_SECONDS / 4, self._close_if_silent)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a request's headers."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """Leave the connection in the request's scope, for faults on purpose."""
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) > MOST_HEADER_BYTES:
            self.send_400_response("The headers of the request are too long.")
            return
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]
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
        self._heard = self.loop.time()
        super().data_received(data)
        if self._in_head and not self._dropping:
            self._head += len(data)
            if self._head > MOST_HEADER_BYTES:
                self.send_400_response("The headers of the request are too long.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the last request of a client that has closed its half of the connection."""
        if self._in_head and not self._dropping:
            self.send_400_response("The request is not complete.")
            return True
        if self._dropping or self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                return False
            self.send_400_response("The body of the request is not complete.")
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP, and close the connection once the client has had the time to read that."""
        body = json.dumps(StorageError(400, "badRequest", msg).as_json()).encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        # Closed at once, with bytes of the client's unread, the connection would be reset and the answer lost
        self._dropping = True
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4443, help="0 takes a free one; the log says which")
    parser.add_argument("--data-dir", type=lambda text: Path(text).resolve(), required=True)
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    arguments = _arguments()
    try:
        app = create_app(from_environment(arguments.data_dir, os.environ))
    except (OSError, sqlite3.Error) as error:
        _log.error("the data in %s cannot be opened: %s. Fix that, and start again", arguments.data_dir, error)
        sys.exit(1)
    listening = socket.create_server((arguments.host, arguments.port), backlog=BACKLOG)
    # Else the kernel keeps the end of an answer until the client has confirmed its beginning, for 40 ms at times.
    # Connections inherit it; asyncio sets it only where it has made the socket itself
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app,
        http=Protocol,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=3,
        limit_concurrency=MOST_CONNECTIONS,
        backlog=BACKLOG,
    )
    _log.info("listening on http://%s:%d", arguments.host, listening.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
