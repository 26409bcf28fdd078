"""Several calls of the JSON API in one request (https://cloud.google.com/storage/docs/batch)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from services.gcs.call import Call
from services.gcs.errors import StorageError
from services.gcs.router import Route, route
from services.gcs.routes.related import read_boundary
from services.gcs.rules.values import MOST_CALLS

MOST_BYTES = 10 * 2**20
"""https://cloud.google.com/storage/docs/batch#overview"""
REQUEST_LINE = re.compile(rb"([A-Z]{3,7}) (\S{1,8192})(?: HTTP/1\.[01])?")


@dataclass(frozen=True)
class Part:
    """One call: its Content-ID, and what it asks for."""

    number: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


async def run(call: Call) -> Response:
    """Run the calls one after the other; each has an answer of its own."""
    await call.read_body(MOST_BYTES)
    given = read_boundary(call.headers.get("content-type", ""))
    if not given:
        raise StorageError(400, "badContent", "Missing or invalid boundary in the Content-Type of a batch.")
    parts = _read_parts(call.body, given)
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    answers = [await _answer(call, part) for part in parts]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + answer for answer in answers)
    return Response(body + b"--" + boundary.encode() + b"--\r\n", media_type=f"multipart/mixed; boundary={boundary}")


def _read_parts(body: bytes, boundary: bytes) -> list[Part]:
    text = b"\n" + body
    pieces = re.split(rb"\r?\n--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?=\r?\n|$)", text)[1:]
    parts = [_read_part(re.sub(rb"^\r?\n", b"", piece)) for piece in pieces if piece.strip()]
    if not 0 < len(parts) <= MOST_CALLS:
        raise StorageError(400, "badContent", f"A batch has 1 to {MOST_CALLS} calls; this one has {len(parts)}.")
    return parts


def _read_part(piece: bytes) -> Part:
    outer, inner = _split(piece)
    line, _, rest = inner.lstrip().partition(b"\n")
    asked = REQUEST_LINE.fullmatch(line.strip())
    if not asked:
        raise StorageError(400, "badContent", "A part of the batch does not begin with a request.")
    headers, body = _split(rest)
    number = _headers(outer).get("content-id", "")
    size = _headers(headers).get("content-length", "")
    content = body[: int(size)] if re.fullmatch(r"\d{1,12}", size, re.ASCII) else body
    return Part(number, asked[1].decode(), asked[2].decode("latin-1"), _headers(headers), content)


def _split(piece: bytes) -> tuple[bytes, bytes]:
    """Return headers and body."""
    if piece.startswith((b"\n", b"\r\n")):
        return b"", piece.partition(b"\n")[2]
    found = re.search(rb"\r?\n\r?\n", piece)
    return (piece[: found.start()], piece[found.end() :]) if found else (piece, b"")


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.decode("latin-1").splitlines()[:100])
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


async def _answer(call: Call, part: Part) -> bytes:
    """Run one call as if it had come alone."""
    target = urlsplit(part.target)
    scope = dict(call.request.scope)
    headers = {**{"host": call.headers.get("host", "")}, **part.headers, "content-length": str(len(part.body))}
    scope |= {
        "method": part.method,
        "path": target.path,
        "raw_path": target.path.encode("latin-1"),
        "query_string": target.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": part.body, "more_body": False}

    is_media = "media" in dict(parse_qsl(target.query)).get("alt", "")
    if target.path.startswith(("/storage/v1/", "/b/")) and not is_media:
        response = await call.server.respond(Request(scope, receive))
    else:
        response = Response(b"Only calls of the JSON API without media can be part of a batch.", 400)
    lines = [f"HTTP/1.1 {response.status_code} {_phrase(response.status_code)}"]
    lines += [f"{name.decode()}: {value.decode('latin-1')}" for name, value in response.raw_headers]
    number = part.number.replace("<", "<response-", 1) if part.number.startswith("<") else f"response-{part.number}"
    outer = "Content-Type: application/http\r\n" + (f"Content-ID: {number}\r\n" if part.number else "")
    head = "\r\n".join([outer, *lines, "", ""])
    return head.encode("latin-1", "replace") + bytes(response.body) + b"\r\n"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


ROUTES: tuple[Route, ...] = (route("POST", r"/batch(/storage/v1)?/?", run),)
