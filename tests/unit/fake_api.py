"""A fake API on a port of this machine: it gives the answers that a test lists, and fails as a real one does."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A server that lets many clients connect at once: the first who is refused would try again after a second."""

    request_queue_size = 64


@dataclass
class FakeApi:
    """Answers each request with the next of `answers`, and once there is none with what `route` returns.

    Args:
        answers: the first answers, in order.
        route: returns the JSON, or an Answer, for a path and the JSON that was sent.
    """

    answers: list[Answer] = field(default_factory=list)
    route: Callable[[str, Any], Any] = lambda path, body: {}
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and JSON of every request."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""
    url: str = ""

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[FakeApi]:
        """Answers until the block ends."""
        with Server(("127.0.0.1", port), self._handler()) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(length)) if length else None
                api.requests.append((self.command, self.path, sent))
                api.headers.append(dict(self.headers))
                answer = api.answers.pop(0) if api.answers else api.route(self.path, sent)
                (answer if callable(answer) else json_answer(answer))(self)

            do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


def json_answer(content: Any, status: int = 200) -> Answer:
    """Answers with JSON."""
    return raw_answer(json.dumps(content).encode(), status, kind="application/json")


def raw_answer(content: bytes, status: int = 200, length: int | None = None, kind: str = "text/html") -> Answer:
    """Answers with these bytes; the headers claim `length` and `kind`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.send_header("Content-Type", kind)
        request.end_headers()
        request.wfile.write(content)

    return answer


def reset_connection(request: BaseHTTPRequestHandler) -> None:
    """Resets the connection without an answer, as when a process is killed."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
    request.wfile = request.rfile = open("/dev/null", "rb+", buffering=0)  # type: ignore[assignment]  # nothing is left to flush


def close_connection(request: BaseHTTPRequestHandler) -> None:
    """Closes the connection without an answer."""


def answer_garbage(request: BaseHTTPRequestHandler) -> None:
    """Answers in another protocol than HTTP."""
    request.wfile.write(b"220 mail.example.org ESMTP\r\n")


class HangingAnswer:
    """Does not answer until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self.over.wait(10)
