"""Bodies of requests: read within limits, unpacked within limits, and not too many at once."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from services.bigquery.errors import BigQueryError

MOST_JSON = 32 * 2**20
"""Bytes of a document; Google's limit is 10 MB."""
MOST_UPLOAD = 100 * 2**20
"""Bytes of a job with its file in one request; larger files come in pieces, which go to the disk as they come."""
AT_ONCE = 128 * 2**20
"""Bytes of the bodies that are in memory at the same time; further requests wait for their turn."""
SMALL = 2**18
"""Bytes of a body that needs no room: nobody who sends a large one slowly makes a query wait."""
_GZIP = 31


class Room:
    """Room in memory for bodies."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Waits for room, and keeps it."""
        if size <= SMALL:
            yield
            return
        size = min(size, AT_ONCE)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            async with self._changed:
                self._free += size
                self._changed.notify_all()


def size_of(request: Request, most: int) -> int:
    """How many bytes a body may have.

    Raises:
        BigQueryError: It says that it is too large.
    """
    text = request.headers.get("content-length")
    if text is None:
        return most if "transfer-encoding" in request.headers else 0
    if not text.isdecimal() or len(text) > 15 or int(text) > most:
        raise too_large(most)
    return most if "content-encoding" in request.headers else int(text)


def too_large(most: int) -> BigQueryError:
    """413."""
    return BigQueryError("uploadTooLarge", f"The body of the request is larger than {most} bytes", status=413)


async def read(request: Request, most: int) -> bytes:
    """A body, unpacked.

    Raises:
        BigQueryError: It is too large, or not the gzip that it says it is.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise too_large(most)
        pieces.append(piece)
    body = b"".join(pieces)
    if request.headers.get("content-encoding", "").strip().lower() != "gzip":
        return body
    return await asyncio.get_running_loop().run_in_executor(None, unpacked, body, most)


def unpacked(body: bytes, most: int) -> bytes:
    """What is in a gzip of one or several members."""
    found = b""
    try:
        while body:
            reader = zlib.decompressobj(_GZIP)
            found += reader.decompress(body, most + 1 - len(found))
            if len(found) > most:
                raise too_large(most)
            if not reader.eof:
                raise zlib.error("not complete")
            body = reader.unused_data
    except zlib.error:
        raise BigQueryError("parseError", "The request's body is not valid gzip") from None
    return found
