"""The door of Orion's server: what its database cannot store is made storable, or refused, before Orion reads it.

PostgreSQL stores no zero byte and no lone surrogate: Orion would answer 500, and a batch of log lines or the state of a
run would be lost for one character. With an integer of more than 64 bits, Orion could store the run but list no run.
"""

from __future__ import annotations

import json
import re

from orionbox.http_guard import App, AsgiGuard, HttpGuard, Message, Receive, Scope, Send, further_hosts
from services.orion.pages import Pages

ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates is one character
    rb"|\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
"""The escape sequences of JSON (RFC 8259, section 7); the group is a zero byte or a lone surrogate."""
MANY_DIGITS = re.compile(rb"\d{19}")
SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""The integers that Orion can send (orjson's limits)."""
DIGITS_SHOWN = 20
CLOSED = r"/+api/+admin/+database\b"
"""The addresses that empty, delete or create Orion's database; no client of Prefect's uses them."""
INSTEAD = "It changes all of Orion's data at once. To start anew, keep a copy (make backup), then: make reset"


class TooLargeError(ValueError):
    """A number in the request has more than 64 bits."""


def storable(body: bytes) -> bytes:
    r"""Returns a JSON text with zero bytes and lone surrogates as the readable text `\x00` or `\udc80`.

    Raises:
        TooLargeError: it holds an integer that Orion could not send again.
    """
    if MANY_DIGITS.search(body):
        _check_integers(body)
    return ESCAPES.sub(_shown, body)


def _shown(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code is None:
        return found[0]
    return rb"\\x00" if code == b"0000" else rb"\\u" + code.lower()


def _check_integers(body: bytes) -> None:
    def check(digits: str) -> int:
        # Python itself refuses more than 4300 digits
        if len(digits) > DIGITS_SHOWN + 1 or not SMALLEST <= int(digits) <= LARGEST:
            shown = digits if len(digits) <= DIGITS_SHOWN else f"{digits[:DIGITS_SHOWN]}..."
            raise TooLargeError(
                f"the integer {shown} has more than 64 bits, which Orion cannot store; pass it as a text"
            )
        return 0

    try:
        json.loads(body, parse_int=check)
    except TooLargeError:
        raise
    except (ValueError, RecursionError):  # not JSON: Orion says so
        pass


class Door:
    """The server's application behind the door.

    Args:
        app: Orion's own ASGI application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; connections of other kinds, and the server's own start, pass as they are."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope["path"] = scope["path"].replace("\x00", r"\x00")
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return await self._app(scope, receive, send)
        body = await _read(receive)
        if body is None:
            return
        try:
            body = storable(body)
        except TooLargeError as error:
            return await _refuse(send, str(error))
        length = (b"content-length", str(len(body)).encode())
        scope["headers"] = [*(header for header in scope["headers"] if header[0] != length[0]), length]
        await self._app(scope, _with_body(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """Returns the body of the request; None if the client has gone before its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Returns a source of the body, and then of whatever else the client sends."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body() -> Message:
        return messages.pop() if messages else await receive()

    return receive_body


async def _refuse(send: Send, reason: str) -> None:
    """Answers 422, as Orion does for a request that does not fit its schema."""
    body = json.dumps({"exception_message": reason, "detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 422, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_app() -> AsgiGuard:
    """Creates Orion's application, behind the door and the guard."""
    from prefect.server.api.server import create_app as create_orion

    guard = HttpGuard("orion", r"/+api/", CLOSED, INSTEAD, further_hosts())
    return AsgiGuard(Door(Pages(create_orion())), guard)
