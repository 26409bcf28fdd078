"""What an upload wants to store, and how its bytes become an object, whichever request brings them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect

from services.gcs.call import Call
from services.gcs.disk.catalogue import Bucket, StoredObject, Upload
from services.gcs.disk.contents import PIECE, Incoming
from services.gcs.errors import StorageError, invalid
from services.gcs.rules import conditions, object_fields, values

KEPT_PARAMETERS = re.compile(r"if\w+|predefinedAcl|projection|fields|userProject")
"""Parameters of the first request that hold for the last one."""


@dataclass
class Plan:
    """What an upload is going to store; `query` are the request's parameters, `md5` and `crc32c` what it promises."""

    bucket: str
    name: str
    resource: dict[str, Any]
    query: dict[str, str] = field(default_factory=dict)
    md5: str | None = None
    crc32c: str | None = None
    key: dict[str, str] | None = None
    length: int | None = None
    generation: int | None = None
    """Of the object, once the upload is complete."""
    tags: dict[str, str] = field(default_factory=dict)
    """The headers If-Match and If-None-Match."""
    is_xml: bool = False

    def conditions(self) -> conditions.Conditions:
        """Return what must hold for the object that is there."""
        if self.is_xml:
            return conditions.from_xml_headers(self.tags)
        return conditions.from_query(self.query, headers=self.tags)


def plan_of(call: Call, resource: dict[str, Any], content_type: str | None) -> Plan:
    """Return what a request of the JSON API wants to store."""
    in_query, in_body = call.query.get("name"), resource.get("name")
    if in_query and in_body and in_query != in_body:
        text = f"Value '{in_body}' in content does not agree with value '{in_query}'."
        rest = " This can happen when a value set through a parameter is inconsistent with a value set in the request."
        raise invalid(text + rest, "name")
    bucket = resource.get("bucket")
    if bucket and bucket != call.params["bucket"]:
        raise invalid(f"Value '{bucket}' in content does not agree with value '{call.params['bucket']}'.", "bucket")
    given = {key: value for key, value in resource.items() if value is not None}
    if content_type:
        given.setdefault("contentType", content_type)
    for name in ("contentEncoding", "kmsKeyName"):
        if value := call.query.get(name):
            given.setdefault(name, value)
    md5, crc32c = object_fields.read_hash_header(call.headers)
    return Plan(
        bucket=call.params["bucket"],
        name=values.check_object_name(in_body or in_query),
        resource=given,
        query={name: value for name, value in call.query.items() if KEPT_PARAMETERS.fullmatch(name)},
        md5=given.get("md5Hash") or md5,
        crc32c=given.get("crc32c") or crc32c,
        key=object_fields.encryption_key(call.headers),
        tags={name: call.headers[name] for name in ("if-match", "if-none-match") if name in call.headers},
    )


async def spool(call: Call, pieces: AsyncIterator[bytes], incoming: Incoming) -> bytes:
    """Write a body as it arrives, the next piece being received while this one is written.

    Returns:
        The last bytes, less than a piece, which are not written yet.
    """
    waiting: list[bytes] = []
    size, total = 0, incoming.size
    writing: asyncio.Future[Any] | None = None
    try:
        async for piece in pieces:
            waiting.append(piece)
            size, total = size + len(piece), total + len(piece)
            check_size(total)
            if size >= PIECE:
                if writing:
                    await writing
                writing = asyncio.ensure_future(call.server.in_thread(incoming.write, b"".join(waiting)))
                waiting, size = [], 0
    except ClientDisconnect:
        # What has arrived of a resumable upload stays, and the client goes on from there
        if writing:
            await writing
        await call.server.in_thread(incoming.write, b"".join(waiting))
        raise
    finally:
        if writing:
            await asyncio.wait([writing])
    if writing:
        await writing
    return b"".join(waiting)


def commit(
    call: Call, plan: Plan, incoming: Incoming, rest: bytes = b"", upload: Upload | None = None
) -> tuple[Bucket, StoredObject]:
    """Store what has arrived as an object; an upload in several requests is complete in the same moment."""
    if rest:
        incoming.write(rest)
    sums = incoming.sums()
    object_fields.check_sums(sums, plan.md5, plan.crc32c)
    incoming.sync()
    with call.store.write() as tx:
        bucket = call.store.bucket_to_write(tx, plan.bucket)
        fields = object_fields.new_fields(plan.resource, bucket, plan.query.get("predefinedAcl"), call.server.account)
        if plan.key:
            fields["customerEncryption"] = plan.key
        stored = call.store.put(tx, bucket, plan.name, fields, incoming, sums, plan.conditions())
        if upload:
            upload.fields["generation"] = stored.generation
            tx.update_upload(upload)
        return bucket, stored


async def store_body(call: Call, plan: Plan, pieces: AsyncIterator[bytes]) -> tuple[Bucket, StoredObject]:
    """Store the content of one request as an object."""
    incoming = call.store.contents.create()
    try:
        rest = await spool(call, pieces, incoming)
        found: tuple[Bucket, StoredObject] = await call.server.in_thread(commit, call, plan, incoming, rest)
        return found
    finally:
        if not incoming.is_kept:
            await call.server.in_thread(incoming.discard)


def check_size(size: int) -> None:
    """Refuse an object that is larger than Google takes (https://cloud.google.com/storage/quotas#objects)."""
    if size > values.MOST_OBJECT_BYTES:
        raise StorageError(413, "uploadTooLarge", "An object has at most 5 TiB.")
