"""Load jobs with their file: multipart, or resumable in several requests.

https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.responses import Response

from services.bigquery.errors import BigQueryError
from services.bigquery.routes.call import Call, Upload, json_response, parse_json, route
from services.bigquery.routes.jobs import begin
from services.bigquery.schema import invalid

KEPT_SECONDS = 7 * 86_400
"""How long a resumable upload may pause."""
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


async def insert(call: Call) -> Any:
    """Begins a load job with its file, or an upload."""
    kind = call.query.get("uploadType", "")
    if call.query.get("upload_id"):
        return await resume(call)
    if kind == "multipart":
        resource, data = read_multipart(call.headers.get("content-type", ""), call.body)
        file = new_file(call)
        call.api.store.require_room(len(data))
        await asyncio.get_running_loop().run_in_executor(None, file.write_bytes, data)
        return await begin(call, resource, file)
    if kind == "resumable":
        return start(call)
    raise invalid(f"Invalid value for uploadType: {kind[:100]}")


def new_file(call: Call) -> Path:
    """A new file's path."""
    call.api.uploads.mkdir(parents=True, exist_ok=True)
    return call.api.uploads / secrets.token_hex(16)


def read_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The job and the file in a `multipart/related` body.

    Raises:
        BigQueryError: It has not two parts.
    """
    found = _BOUNDARY.search(content_type)
    if not found:
        raise invalid("Missing boundary in the header Content-Type of a multipart upload")
    parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    if len(parts) < 4:
        raise invalid("A multipart upload has two parts: the job and the file")
    contents = [part.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
    return parse_json(contents[0]), contents[1]


def start(call: Call) -> Response:
    """Begins a resumable upload."""
    number = secrets.token_urlsafe(32)
    uploads = call.api.open_uploads
    for name, upload in list(uploads.items()):
        if time.monotonic() - upload.began > KEPT_SECONDS:
            uploads.pop(name).file.unlink(missing_ok=True)
    uploads[number] = Upload(call.project, call.json(), new_file(call), time.monotonic())
    uploads[number].file.touch()
    path = f"/upload/bigquery/v2/projects/{call.project}/jobs?uploadType=resumable&upload_id={number}"
    return Response(b"", 200, {"location": f"{call.base}{path}", "x-guploader-uploadid": number})


async def resume(call: Call) -> Any:
    """Takes a piece of a resumable upload; with the last one the job begins."""
    upload = call.api.open_uploads.get(call.query["upload_id"])
    if upload is None or upload.project != call.project:
        raise BigQueryError("notFound", "Not found: Upload", status=404)
    if upload.answer is not None:
        return upload.answer
    size = upload.file.stat().st_size
    header = call.headers.get("content-range")
    found = _RANGE.fullmatch(header.strip()) if header else None
    if header and not found:
        raise invalid(f'Failed to parse Content-Range header "{header[:100]}".')
    first = int(found[1]) if found and found[1] else (size if found else 0)
    total = None if found is None or found[3] == "*" else int(found[3])
    if first > size:
        raise invalid(f"Invalid request. The upload has {size} bytes, and the piece begins at {first}.")
    if found is None or found[1]:
        await _append(call, upload.file, first)
    size = upload.file.stat().st_size
    if found is not None and (total is None or size < total):
        headers = {"range": f"bytes=0-{size - 1}"} if size else {}
        return Response(None, 308, {**headers, "content-length": "0"})
    upload.answer = await begin(call, upload.resource, upload.file)
    return json_response(upload.answer)


async def _append(call: Call, file: Path, first: int) -> None:
    """Writes a piece as it comes; what a client that goes away has sent of it stays."""
    loop = asyncio.get_running_loop()
    os.truncate(file, first)
    with file.open("ab") as target:
        async for data in call.stream or _nothing():
            call.api.store.require_room(len(data))
            await loop.run_in_executor(None, target.write, data)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


ROUTES = (route("POST PUT", "/projects/{project}/jobs", insert, "(?:/resumable)?/upload/bigquery/v2"),)
