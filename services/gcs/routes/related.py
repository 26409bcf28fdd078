"""Bodies of two parts: an object's metadata and its content (`multipart/related`, RFC 2387).

https://cloud.google.com/storage/docs/json_api/v1/how-tos/multipart-upload. Some clients end lines with a bare LF, gcsfs
among them; the first line says which it is, since a content may end with a CR of its own.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Any

from services.gcs.call import parse_json
from services.gcs.errors import StorageError, invalid
from services.gcs.rules.values import MOST_JSON_BYTES

BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
LONGEST_LINE = 16384


def read_boundary(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names; empty if it names none that is valid."""
    found = BOUNDARY.search(content_type)
    return (found[1] or found[2]).encode() if found else b""


class Related:
    """Reads such a body: first `read_metadata`, then `media`.

    Args:
        content_type: the request's.
        pieces: the body as it arrives.
    """

    def __init__(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        boundary = read_boundary(content_type)
        if not boundary or not content_type.lower().lstrip().startswith("multipart/"):
            text = "Missing or invalid boundary in the Content-Type of a multipart upload."
            raise StorageError(400, "badContent", text)
        self._mark = b"--" + boundary
        self._pieces, self._waiting, self._ended = pieces, bytearray(), False
        self._crlf = True
        self.headers: dict[str, str] = {}

    async def _more(self) -> bool:
        """Wait for more of the body; return whether there is any."""
        if not self._ended:
            piece = await anext(self._pieces, None)
            self._ended = piece is None
            self._waiting += piece or b""
        return not self._ended

    async def _until(self, mark: bytes, most: int) -> bytes:
        """Return what comes before a mark, and go behind it."""
        searched = 0
        while (at := self._waiting.find(mark, max(searched - len(mark), 0))) < 0:
            searched = len(self._waiting)
            if searched > most or not await self._more():
                raise StorageError(400, "badContent", "Missing end boundary in multipart body.")
        found = bytes(self._waiting[:at])
        del self._waiting[: at + len(mark)]
        return found

    async def _read_headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while line := (await self._until(b"\n", LONGEST_LINE)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            found[name.strip().lower()] = value.strip()
            if len(found) > 100:
                raise StorageError(400, "badContent", "Too many headers in a part of a multipart body.")
        return found

    async def read_metadata(self) -> dict[str, Any]:
        """Return the resource in the first part."""
        for _ in range(100):
            line = await self._until(b"\n", LONGEST_LINE)
            if line.rstrip() == self._mark:
                break
        else:
            raise StorageError(400, "badContent", "The multipart body does not begin with its boundary.")
        self._crlf = line.endswith(b"\r")
        await self._read_headers()
        metadata = await self._until(b"\n" + self._mark, MOST_JSON_BYTES)
        if (await self._until(b"\n", LONGEST_LINE)).strip():
            raise StorageError(400, "badContent", "A multipart upload has two parts: metadata and content.")
        self.headers = await self._read_headers()
        return parse_json(metadata)

    def media(self) -> AsyncIterator[bytes]:
        """Return the content in the second part."""
        encoding = self.headers.get("content-transfer-encoding", "binary").lower()
        return _decode(self._media()) if encoding == "base64" else self._media()

    async def _media(self) -> AsyncIterator[bytes]:
        while len(self._waiting) < len(self._mark) and await self._more():
            pass
        if self._waiting.startswith(self._mark):
            return
        mark = (b"\r\n" if self._crlf else b"\n") + self._mark
        while (at := self._waiting.find(mark)) < 0:
            ready = len(self._waiting) - len(mark)
            if ready > 0:
                yield bytes(self._waiting[:ready])
                del self._waiting[:ready]
            if not await self._more():
                raise StorageError(400, "badContent", "Missing end boundary in multipart body.")
        yield bytes(self._waiting[:at])
        while await self._more():
            self._waiting.clear()


async def _decode(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the content that base64 stands for."""
    rest = b""
    async for piece in pieces:
        text = rest + b"".join(piece.split())
        ready = len(text) // 4 * 4
        rest = text[ready:]
        try:
            yield base64.b64decode(text[:ready], validate=True)
        except binascii.Error:
            raise invalid("The content is not the base64 that its Content-Transfer-Encoding promises.") from None
    if rest:
        raise invalid("The content is not the base64 that its Content-Transfer-Encoding promises.")
