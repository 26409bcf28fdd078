"""One request as the routes see it: its path's parts, parameters, headers and body; and the answers they give."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from services.gcs.errors import StorageError, invalid
from services.gcs.rules.fields import select
from services.gcs.rules.values import MOST_JSON_BYTES, MOST_LEVELS
from services.gcs.server import Server

HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class Call:
    """A request.

    Args:
        server: what all requests share.
        request: what has arrived.
        params: the parts of the path that the route names, decoded.
    """

    def __init__(self, server: Server, request: Request, params: Mapping[str, str]) -> None:
        self.server, self.store, self.request, self.params = server, server.store, request, params
        self.headers = with_google_names(request.headers)
        self.query = read_query(request.scope["query_string"])
        self.body = b""

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.method

    @cached_property
    def base(self) -> str:
        """The address that the client uses for this server, without a path."""
        host = self.headers.get("host", "")
        return f"http://{host}" if HOST.fullmatch(host) else "http://localhost:4443"

    async def read_body(self, most: int = MOST_JSON_BYTES) -> None:
        """Read a body that is small."""
        pieces, size = [], 0
        async for piece in self.stream():
            size += len(piece)
            if size > most:
                raise StorageError(413, "uploadTooLarge", f"The request's body is larger than {most} bytes.")
            pieces.append(piece)
        self.body = b"".join(pieces)

    async def stream(self) -> AsyncIterator[bytes]:
        """Return the body as it arrives; where the request says that it is compressed, unpacked."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding != "gzip":
            async for piece in self.request.stream():
                yield piece
            return
        unpack = zlib.decompressobj(wbits=31)
        try:
            async for piece in self.request.stream():
                while piece:
                    yield unpack.decompress(piece, 2**20)
                    piece = unpack.unconsumed_tail
            yield unpack.flush()
        except zlib.error:
            raise _not_gzip() from None
        if not unpack.eof:
            raise _not_gzip()

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object; without a body an empty one."""
        return parse_json(self.body)

    def answer(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Return an answer in JSON, with those of its fields that the client asks for."""
        if wanted := self.query.get("fields"):
            content = select(content, wanted)
        return json_response(content, status, headers)

    @property
    def is_full(self) -> bool:
        """Whether the client asks for lists of access, too (`projection=full`)."""
        projection = self.query.get("projection", "noAcl")
        if projection not in ("full", "noAcl"):
            raise invalid(f"Invalid value for projection: {projection[:100]}", "projection")
        return projection == "full"


def with_google_names(headers: Headers) -> Headers:
    """Return headers with Google's names beside Amazon's, which clients of S3 send.

    https://cloud.google.com/storage/docs/aws-simple-migration
    """
    given = dict(
        reversed(headers.items())
    )  # of several with one name the first; `dict(headers)` takes seconds for 5,000
    named = {f"x-goog-{name[6:]}": value for name, value in given.items() if name.startswith("x-amz-")}
    return Headers({**named, **given}) if named else headers


def _not_gzip() -> StorageError:
    return invalid("The request's body is not the gzip that its Content-Encoding promises.")


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    try:
        body = orjson.dumps(content)
    except TypeError:
        # Half of a pair of surrogates, which an earlier version may have kept
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    all_headers = {"cache-control": "no-cache, no-store, max-age=0", **(headers or {})}
    return Response(body, status, all_headers, "application/json; charset=UTF-8")


def parse_json(body: bytes) -> dict[str, Any]:
    """Return a JSON object; of nothing, an empty one."""
    if not body.strip():
        return {}
    try:
        found = orjson.loads(body)
    except ValueError:
        raise StorageError(400, "parseError", "Parse Error") from None
    if not isinstance(found, dict) or _is_deeper(found, MOST_LEVELS):
        raise StorageError(400, "parseError", "Parse Error")
    return found


def _is_deeper(content: Any, levels: int) -> bool:
    inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inside)


def decode(text: str) -> str:
    """Return a part of a path as it was before it was percent-encoded."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise invalid("The request's path is not valid UTF-8.") from None


def read_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a request; of several values the last one counts."""
    try:
        return dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200))
    except ValueError:
        raise invalid("The request's query is not valid.") from None
