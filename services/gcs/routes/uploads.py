"""Uploads: in one request (`media`, `multipart`), or in several that can be repeated (`resumable`).

https://cloud.google.com/storage/docs/uploads-downloads and
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import Bucket, StoredObject, Upload, timestamp
from services.gcs.disk.contents import Incoming
from services.gcs.errors import StorageError, invalid, not_found, required
from services.gcs.router import json_route
from services.gcs.routes.objects import answer_object
from services.gcs.routes.related import Related
from services.gcs.routes.storing import Plan, check_size, commit, plan_of, spool, store_body
from services.gcs.rules import object_fields, values
from services.gcs.rules.resources import object_etag

RESUMABLE = "resumable"
CONTENT_RANGE = re.compile(r"bytes[ =](?:\*|(\d{1,19})-(\d{1,19}|\*))/(\*|\d{1,19})")


async def insert(call: Call) -> Response:
    """Begin an upload, or go on with one."""
    if "upload_id" in call.query:
        return await resume(call)
    kind = call.query.get("uploadType")
    if kind == RESUMABLE:
        await call.read_body()
        answer: Response = await call.server.in_thread(begin_json, call)
        return answer
    content_type = call.headers.get("content-type")
    if kind == "media":
        plan = plan_of(call, {}, content_type)
        return answer_object(call, *await store_body(call, plan, call.stream()), call.is_full)
    if kind == "multipart":
        body = Related(content_type or "", call.stream())
        resource = await body.read_metadata()
        plan = plan_of(call, resource, body.headers.get("content-type"))
        return answer_object(call, *await store_body(call, plan, body.media()), call.is_full)
    raise required("uploadType") if not kind else invalid(f"Invalid value for uploadType: {kind[:100]}", "uploadType")


# --- resumable uploads ---


def begin_json(call: Call) -> Response:
    """Begin a resumable upload of the JSON API."""
    plan = plan_of(call, call.json(), call.headers.get("x-upload-content-type"))
    plan.length = _read_length(call.headers.get("x-upload-content-length"))
    number = begin(call, plan)
    address = f"{call.base}/upload/storage/v1/b/{quote(plan.bucket)}/o?uploadType=resumable&upload_id={number}"
    return Response(b"", 200, {"location": address, "x-guploader-uploadid": number})


def _read_length(text: str | None) -> int | None:
    """Return the length of the content that the header X-Upload-Content-Length promises."""
    length = values.integer(text, "X-Upload-Content-Length")
    if length is not None and length < 0:
        raise invalid(f"Invalid value for header X-Upload-Content-Length: {length}", "X-Upload-Content-Length")
    check_size(length or 0)
    return length


def begin(call: Call, plan: Plan) -> str:
    """Begin a resumable upload; return its name."""
    number = secrets.token_urlsafe(48)
    with call.store.write() as tx:
        bucket = call.store.bucket_to_write(tx, plan.bucket)
        live = tx.object(bucket, plan.name)
        plan.conditions().check(live, object_etag(live) if live else "")
        object_fields.new_fields(plan.resource, bucket, plan.query.get("predefinedAcl"), call.server.account)
        tx.insert_upload(Upload(number, plan.bucket, plan.name, timestamp(), asdict(plan)), RESUMABLE)
    return number


@dataclass(frozen=True)
class Span:
    """What a request of an upload brings: bytes from `first` to `last`, of `total`; None where it does not say.

    Google's client for Node.js sends all that is left with `last` unknown: `bytes 0-*/*`.
    """

    first: int | None = None
    last: int | None = None
    total: int | None = None
    is_whole: bool = False


def read_content_range(headers: Mapping[str, str]) -> Span:
    """Return what the header Content-Range says; without it, the body is the whole content."""
    text = headers.get("content-range")
    if text is None:
        return Span(first=0, is_whole=True)
    found = CONTENT_RANGE.fullmatch(text.strip())
    if not found:
        raise invalid(f'Failed to parse Content-Range header "{text[:100]}".')
    first, last, total = (int(each) if each and each != "*" else None for each in found.groups())
    if first is not None and last is not None and (last < first or (total is not None and last >= total)):
        raise invalid(f'Failed to parse Content-Range header "{text[:100]}".')
    check_size(max(total or 0, (last or 0) + 1))
    return Span(first, last, total)


async def resume(call: Call) -> Response:
    """Go on with an upload: take bytes, say how many there are, or end it."""
    number = call.query["upload_id"]
    async with call.server.lock(number):
        upload, plan = await call.server.in_thread(_find_upload, call, number)
        if plan.generation is not None:
            async for _ in call.request.stream():
                pass
            return await _answer_done(call, plan)
        incoming = await call.server.in_thread(call.server.open_upload, number)
        return await _take(call, upload, plan, incoming)


def _find_upload(call: Call, number: str) -> tuple[Upload, Plan]:
    with call.store.read() as tx:
        upload = tx.upload(number, RESUMABLE)
    if not upload or upload.bucket != call.params["bucket"]:
        raise not_found(f"No such upload: {number[:100]}")
    return upload, Plan(**upload.fields)


async def _take(call: Call, upload: Upload, plan: Plan, incoming: Incoming) -> Response:
    span = read_content_range(call.headers)
    length = (
        None
        if "content-encoding" in call.headers
        else values.integer(call.headers.get("content-length"), "Content-Length")
    )
    total = span.total
    if span.is_whole and incoming.size:
        if length == 0:
            return _incomplete(call, upload, incoming)
        await call.server.in_thread(incoming.truncate, 0)
    if plan.length is not None and total is not None and total != plan.length:
        raise invalid(f"Invalid request. The upload was begun with {plan.length} bytes, and now has {total}.")
    if span.first is not None:
        _check_span(span, length, incoming.size)
        await _append(call, span, incoming)
        total = incoming.size if span.last is None and total is None else total
    elif span.total is None or span.total != incoming.size:
        return _incomplete(call, upload, incoming)
    if total is None or incoming.size < total:
        return _incomplete(call, upload, incoming)
    if plan.length is not None and incoming.size != plan.length:
        size, incoming_size = plan.length, incoming.size
        await call.server.in_thread(incoming.truncate, 0)
        raise invalid(f"Invalid request. The upload was begun with {size} bytes, and now has {incoming_size}.")
    answer: Response = await call.server.in_thread(_complete, call, upload, plan, incoming)
    return answer


def _check_span(span: Span, length: int | None, size: int) -> None:
    first, last = span.first or 0, span.last
    if first > size:
        offsets = f"the upload offset is {first} byte(s), which exceeds already uploaded size of {size} byte(s)."
        raise invalid(f"Invalid request.  According to the Content-Range header, {offsets}")
    if last is None:
        return
    brought = last - first + 1
    if length is not None and length != brought:
        text = f"There were {length} byte(s) in the request body. There should have been {brought} byte(s)"
        where = f"(starting at offset {first} and ending at offset {last})"
        raise invalid(f"Invalid request.  {text} {where} according to the Content-Range header.")
    if (span.total is None or last + 1 < span.total) and brought % values.CHUNK:
        text = "The number of bytes uploaded is required to be a multiple of 262144, except for the final request."
        rest = f"The received request contained {brought} bytes, which does not meet this requirement."
        raise invalid(f"Invalid request.  {text} {rest}")


async def _append(call: Call, span: Span, incoming: Incoming) -> None:
    """Add the bytes of a request, less those that have arrived before."""
    start, skip = incoming.size, incoming.size - (span.first or 0)
    end = span.total if span.last is None else span.last + 1
    most = None if end is None else end - (span.first or 0)

    async def new_bytes() -> AsyncIterator[bytes]:
        left, seen = skip, 0
        async for piece in call.stream():
            seen += len(piece)
            if most is not None and seen > most:
                raise invalid(
                    f"Invalid request.  The request body is longer than the {most} byte(s) of its Content-Range."
                )
            if len(piece) > left:
                yield piece[left:]
            left = max(left - len(piece), 0)

    try:
        rest = await spool(call, new_bytes(), incoming)
        if rest:
            await call.server.in_thread(incoming.write, rest)
    except ClientDisconnect:
        # The client may ask what has arrived, and go on from there
        raise
    except BaseException:
        await call.server.in_thread(incoming.truncate, start)
        raise


def _incomplete(call: Call, upload: Upload, incoming: Incoming) -> Response:
    headers = {"x-guploader-uploadid": upload.id, "content-length": "0"}
    if incoming.size:
        headers["range"] = f"bytes=0-{incoming.size - 1}"
    if call.headers.get("x-guploader-no-308") == "yes":
        # For the HTTP libraries that take 308 for a redirect; Google's clients for Go ask for it (google-api-go-client)
        return Response(None, 200, {**headers, "x-http-status-code-override": "308"})
    return Response(None, 308, headers)


def _complete(call: Call, upload: Upload, plan: Plan, incoming: Incoming) -> Response:
    try:
        bucket, stored = commit(call, plan, incoming, upload=upload)
    except StorageError:
        # What Google refuses at the end it refuses for good
        with call.store.write() as tx:
            tx.forget_upload(upload.id)
        call.server.close_upload(upload.id).discard()
        raise
    call.server.close_upload(upload.id)
    return _answer(call, plan, bucket, stored)


def _answer(call: Call, plan: Plan, bucket: Bucket, stored: StoredObject) -> Response:
    if plan.is_xml:
        return Response(b"", 200, {"etag": f'"{object_etag(stored)}"', "x-goog-generation": str(stored.generation)})
    call.query = {**plan.query, **call.query}
    return answer_object(call, bucket, stored, call.is_full)


async def _answer_done(call: Call, plan: Plan) -> Response:
    """Answer with the object again, as long as that generation is there."""

    def find() -> Response:
        with call.store.read() as tx:
            bucket = call.store.bucket(tx, plan.bucket)
            return _answer(call, plan, bucket, call.store.object(tx, bucket, plan.name, plan.generation))

    answer: Response = await call.server.in_thread(find)
    return answer


async def cancel(call: Call) -> Response:
    """End an upload (https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload)."""
    number = call.query.get("upload_id", "")

    def forget() -> None:
        _find_upload(call, number)
        with call.store.write() as tx:
            tx.forget_upload(number)
        call.server.close_upload(number).discard()

    async with call.server.lock(number):
        await call.server.in_thread(forget)
    return Response(None, 499, {"content-length": "0"})


UPLOADS = "/b/{bucket}/o/?"
PREFIX = "(?:/resumable)?/upload/storage/v1"
ROUTES = (
    json_route("POST PUT", UPLOADS, insert, PREFIX),
    json_route("DELETE", UPLOADS, cancel, PREFIX),
)
