"""Contents of objects: whole, or a range of their bytes; the JSON API and the XML API answer the same.

https://cloud.google.com/storage/docs/json_api/v1/parameters#range and https://cloud.google.com/storage/docs/transcoding
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import format_datetime
from io import FileIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from services.gcs.call import Call
from services.gcs.disk.catalogue import Bucket, StoredObject
from services.gcs.disk.contents import PIECE
from services.gcs.errors import StorageError, invalid
from services.gcs.router import json_route
from services.gcs.routes import objects
from services.gcs.rules import conditions, object_fields
from services.gcs.rules.resources import object_etag

SMALL = 2**16
"""Bytes that are read at once."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a range (RFC 9110, section 14.1.2); None if the whole content is to be sent.

    A range that is reversed, or that cannot be read, counts as none.
    """
    found = RANGE.fullmatch("".join((header or "").split()))
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        if int(found[2]) == 0 or size == 0:
            raise _not_satisfiable()
        return max(size - int(found[2]), 0), size - 1
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    if first >= size:
        raise _not_satisfiable()
    return first, min(last, size - 1)


def _not_satisfiable() -> StorageError:
    text = "Request range not satisfiable"
    return StorageError(416, "requestedRangeNotSatisfiable", text, "Range", "header")


def content_headers(bucket: Bucket, stored: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object (https://cloud.google.com/storage/docs/xml-api/reference-headers)."""
    fields = stored.fields
    found = {
        "content-type": fields.get("contentType", "application/octet-stream"),
        "etag": object_etag(stored),
        "last-modified": format_datetime(datetime.fromisoformat(stored.updated), usegmt=True),
        "accept-ranges": "bytes",
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-storage-class": fields.get("storageClass", "STANDARD"),
        "x-goog-stored-content-encoding": fields.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(stored.size),
        "x-goog-hash": f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else ""),
        "cache-control": fields.get("cacheControl", "private, max-age=0"),
    }
    names = (
        ("contentEncoding", "content-encoding"),
        ("contentDisposition", "content-disposition"),
        ("contentLanguage", "content-language"),
    )
    found |= {header: fields[name] for name, header in names if name in fields}
    if "componentCount" in fields:
        found["x-goog-component-count"] = str(fields["componentCount"])
    for name, value in fields.get("metadata", {}).items():
        if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            found[f"x-goog-meta-{name.lower()}"] = value
    if key := fields.get("customerEncryption"):
        found |= {"x-goog-encryption-algorithm": "AES256", "x-goog-encryption-key-sha256": key["keySha256"]}
    return {name: _header_text(value) for name, value in found.items()}


def _header_text(value: str) -> str:
    """Return a header's value; a character that no header may hold is percent-encoded."""
    text = CONTROLS.sub(" ", value)
    return text if text.isascii() else quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", errors="replace")


def must_decompress(stored: StoredObject, headers: Mapping[str, str]) -> bool:
    """Return whether an object is stored as gzip and the client does not take that."""
    encoding, cache = stored.fields.get("contentEncoding", ""), stored.fields.get("cacheControl", "")
    return encoding == "gzip" and "no-transform" not in cache and "gzip" not in headers.get("accept-encoding", "")


async def get(call: Call) -> Response:
    """Answer with an object's content (`alt=media`) or its metadata."""
    alt = call.query.get("alt", "media" if call.request.url.path.startswith("/download/") else "json")
    if alt == "media":
        return await download(call)
    if alt != "json":
        raise invalid(f"Invalid value for alt: {alt[:100]}", "alt")
    return objects.get(call)


async def download(call: Call) -> Response:
    """Answer with an object's content."""
    given = conditions.from_query(call.query, headers=call.headers)
    return await open_content(call, given)


async def open_content(call: Call, given: conditions.Conditions) -> Response:
    """Return the answer with the content; a deletion after this does not touch it."""
    key = object_fields.encryption_key(call.headers)
    with call.store.read() as tx:
        bucket, stored = objects.find(call, tx)
        given.check(stored, object_etag(stored), reading=True)
        object_fields.check_key(stored, key)
        headers = content_headers(bucket, stored)
        if call.method == "HEAD":
            return Response(None, 200, {**headers, "content-length": str(stored.size)})
        decompress = must_decompress(stored, call.headers)
        span = None if decompress else read_range(call.headers.get("range"), stored.size)
        # Not a bare number: it is closed, too, if the client has gone before its content is sent
        file = FileIO(call.store.contents.path(stored.generation))
    in_thread, (first, last) = call.server.in_thread, span or (0, stored.size - 1)
    if span:
        headers["content-range"] = f"bytes {first}-{last}/{stored.size}"
    if decompress:
        headers.pop("content-encoding")
        headers["warning"] = "214 UploadServer gunzipped"
        return StreamingResponse(_unpack(call, file, stored.size), 200, headers)
    size = last - first + 1
    if size <= PIECE:
        with file:
            # To wake a thread takes longer than to read a few bytes
            number, is_small = file.fileno(), size <= SMALL
            content = os.pread(number, size, first) if is_small else await in_thread(os.pread, number, size, first)
            return Response(content, 206 if span else 200, headers)
    headers["content-length"] = str(size)
    return StreamingResponse(_pieces(call, file, first, last), 206 if span else 200, headers)


async def _pieces(call: Call, file: FileIO, first: int, last: int) -> AsyncIterator[bytes]:
    """Read a file a piece at a time; the next one while the client takes this one."""
    with file:
        while first <= last:
            piece = await call.server.in_thread(os.pread, file.fileno(), min(PIECE, last - first + 1), first)
            if not piece:
                return
            first += len(piece)
            yield piece


async def _unpack(call: Call, file: FileIO, size: int) -> AsyncIterator[bytes]:
    """Decompress a file a piece at a time; what is no gzip is sent as it is stored."""
    unpack = zlib.decompressobj(wbits=31)
    packed, sent = True, False
    async for piece in _pieces(call, file, 0, size - 1):
        while packed and piece:
            try:
                content = await call.server.in_thread(unpack.decompress, piece, PIECE)
            except zlib.error:
                if sent:
                    return
                packed = False
                break
            sent = sent or bool(content)
            yield content
            piece = unpack.unconsumed_tail
        if not packed:
            yield piece


ROUTES = (
    json_route("GET", objects.OBJECT, get),
    json_route("GET", objects.OBJECT, get, "/download/storage/v1"),
)
