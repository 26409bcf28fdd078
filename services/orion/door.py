"""The door of Orion's server: what its database cannot store is made storable, or refused, before Orion reads it.

PostgreSQL stores no zero byte and no lone surrogate: Orion would answer 500, and a batch of log lines or the state of a
run would be lost for one character. With a whole number of more than 64 bits, or values nested too deeply, Orion could
store the run but list no run.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from orionbox.http_guard import App, AsgiGuard, HttpGuard, Message, Receive, Scope, Send, further_hosts
from services.orion import parameter_schemas, schedules, times
from services.orion.pages import Pages
from services.orion.processor_time import SlowError

ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates is one character
    rb"|\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
"""The escape sequences of JSON (RFC 8259, section 7); the group is a zero byte or a lone surrogate."""
LARGE_NUMBER = re.compile(rb"\d{19}|\d[eE]\+?\d|NaN|Infinity")
"""What a number needs to have to be too large."""
SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""The integers that Orion can send (orjson's limits). PostgreSQL's jsonb makes integers of larger floats, too."""
DEEPEST = 200
"""Levels of lists and objects; orjson sends 254, a few of which are Orion's own."""
TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_LEVELS = bytes(set(range(256)) - set(LEVELS))
DIGITS_SHOWN = 20
LOGS = re.compile(r"/+api/+logs/*")
LARGEST_LEVEL = 2**15 - 1
"""The column is a smallint."""
CLOSED = r"/+api/+admin/+database\b"
"""The addresses that empty, delete or create Orion's database; no client of Prefect's uses them."""
INSTEAD = "It changes all of Orion's data at once. To start anew, keep a copy (make backup), then: make reset"


class NotStorableError(ValueError):
    """The database could not store something in the request, or Orion could not send it again."""


def storable(body: bytes) -> bytes:
    r"""Returns a JSON text with zero bytes and lone surrogates as the readable text `\x00` or `\udc80`.

    Raises:
        NotStorableError: it is not UTF-8 (RFC 8259, section 8.1), or holds what Orion could not send again.
    """
    _require_utf8(body)
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _require_flat(body)
    if LARGE_NUMBER.search(body):
        _require_sendable_numbers(body)
    return ESCAPES.sub(_shown, body)


def storable_logs(body: bytes) -> bytes:
    """Returns lines of logs, of which a level or time that the database cannot store becomes one that it can.

    Orion stores a batch of lines whole or not at all.
    """
    try:
        lines = json.loads(body)
        odd = [line for line in lines if _correct(line)]
    except (ValueError, TypeError, KeyError, RecursionError):  # Orion says what is wrong
        return body
    return json.dumps(lines).encode() if odd else body


def _correct(line: dict[str, Any]) -> bool:
    """Changes a line that the database cannot store; returns whether it has."""
    level = float(line["level"])
    is_odd_level, is_odd_time = abs(level) > LARGEST_LEVEL, str(line["timestamp"])[:4] in ("0001", "9999")
    if is_odd_level:
        line["level"] = LARGEST_LEVEL if level > 0 else -LARGEST_LEVEL
    if is_odd_time:
        line["timestamp"] = datetime.now(UTC).isoformat()
    return is_odd_level or is_odd_time


def _shown(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code is None:
        return found[0]
    return rb"\\x00" if code == b"0000" else rb"\\u" + code.lower()


def _require_utf8(body: bytes) -> None:
    encoding = json.detect_encoding(body)
    try:
        body.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotStorableError("the request is not in UTF-8; send it again in UTF-8") from error
    if not encoding.startswith("utf-8"):
        raise NotStorableError(f"the request is in {encoding}; send it again in UTF-8")


def _require_flat(body: bytes) -> None:
    brackets = TEXTS.sub(b"", body).translate(None, NO_LEVELS)
    if max(accumulate(map(LEVELS.__getitem__, brackets)), default=0) > DEEPEST:
        raise NotStorableError(f"the request has more than {DEEPEST} levels of lists and objects; pass it as a text")


def _require_sendable_numbers(body: bytes) -> None:
    try:
        json.loads(body, parse_int=_check_integer, parse_float=_check_float, parse_constant=_refuse_constant)
    except NotStorableError:
        raise
    except (ValueError, RecursionError):  # not JSON: Orion says so
        pass


def _check_integer(digits: str) -> None:
    # Python itself refuses more than 4300 digits
    if len(digits) > DIGITS_SHOWN + 1 or not SMALLEST <= int(digits) <= LARGEST:
        shown = digits if len(digits) <= DIGITS_SHOWN else f"{digits[:DIGITS_SHOWN]}..."
        raise NotStorableError(
            f"the integer {shown} has more than 64 bits, which Orion cannot store; pass it as a text"
        )


def _check_float(digits: str) -> None:
    value = float(digits)
    if math.isinf(value) or (value.is_integer() and not SMALLEST <= value <= LARGEST):
        shown = digits if len(digits) <= DIGITS_SHOWN else f"{digits[:DIGITS_SHOWN]}..."
        reason = "is a whole number of more than 64 bits, which Orion cannot store"
        raise NotStorableError(f"the number {shown} {reason}; pass it as a text")


def _refuse_constant(name: str) -> None:
    raise NotStorableError(f"the number {name} is none of JSON's, so Orion cannot store it; pass it as a text")


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
            if schedules.DEPLOYMENTS.fullmatch(scope["path"]):
                schedules.require_dates(body)
        except (NotStorableError, SlowError) as error:
            return await _refuse(send, str(error))
        if LOGS.fullmatch(scope["path"]):
            body = storable_logs(body)
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

    for part in (schedules, parameter_schemas, times):
        part.limit()
    guard = HttpGuard("orion", r"/+api/", CLOSED, INSTEAD, further_hosts())
    return AsgiGuard(Door(Pages(create_orion())), guard)
