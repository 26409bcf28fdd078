"""The XML API's uploads in parts, which are joined at the end.

https://cloud.google.com/storage/docs/multipart-uploads and https://cloud.google.com/storage/docs/xml-api/post-object-multipart
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import Transaction, Upload, timestamp
from services.gcs.disk.contents import Incoming
from services.gcs.errors import StorageError, invalid, not_found
from services.gcs.routes.storing import Plan, spool
from services.gcs.rules import object_fields, values
from services.gcs.xml_api.text import document, elements, xml_etag

KIND = "multipart"
MOST_PARTS = 10_000
SMALLEST_PART = 5 * 2**20
"""Bytes of every part but the last."""
NUMBER = re.compile(r"<PartNumber>\s*(\d{1,5})\s*</PartNumber>")
TAG = re.compile(r"<ETag>\s*(?:\"|&quot;|&#34;)?([0-9a-fA-F]{32})(?:\"|&quot;|&#34;)?\s*</ETag>")


def initiate(call: Call, plan: Plan) -> Response:
    """Begin an upload."""
    number = secrets.token_urlsafe(48)
    with call.store.write() as tx:
        bucket = call.store.bucket_to_write(tx, plan.bucket)
        object_fields.new_fields(plan.resource, bucket, plan.query.get("predefinedAcl"), call.server.account)
        tx.insert_upload(Upload(number, plan.bucket, plan.name, timestamp(), asdict(plan)), KIND)
    return document("InitiateMultipartUploadResult", {"Bucket": plan.bucket, "Key": plan.name, "UploadId": number})


def _find(call: Call, tx: Transaction) -> Upload:
    found = tx.upload(call.query["uploadId"], KIND)
    if not found or (found.bucket, found.name) != (call.params["bucket"], call.params["object"]):
        raise _no_upload()
    return found


def _no_upload() -> StorageError:
    error = not_found("The requested upload was not found.")
    error.xml_code = "NoSuchUpload"
    return error


async def put_part(call: Call) -> Response:
    """Store a part."""
    number = values.integer(call.query.get("partNumber"), "partNumber") or 0
    if not 1 <= number <= MOST_PARTS:
        raise invalid(f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive.")
    incoming = Incoming(call.store.contents.part(f"part-{secrets.token_hex(12)}"))
    kept = False
    try:
        rest = await spool(call, call.request.stream(), incoming)
        answer, old = await call.server.in_thread(_keep_part, call, number, incoming, rest)
        kept = True
        for file in old:
            call.store.contents.part(file).unlink(missing_ok=True)
        return answer  # type: ignore[no-any-return]
    finally:
        if not kept:
            await call.server.in_thread(incoming.discard)


def _keep_part(call: Call, number: int, incoming: Incoming, rest: bytes) -> tuple[Response, list[str]]:
    incoming.write(rest)
    sums = incoming.sums()
    object_fields.check_sums(sums, *object_fields.read_hash_header(call.headers))
    incoming.sync()
    incoming.close()
    with call.store.write() as tx:
        upload = _find(call, tx)
        where = [upload.id, number]
        old = [row[0] for row in tx.execute("SELECT file FROM parts WHERE upload = ? AND number = ?", where)]
        row = [*where, incoming.path.name, sums.size, sums.md5, sums.crc32c, timestamp()]
        tx.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    tag = base64.b64decode(sums.md5 or "").hex()
    return Response(b"", 200, {"etag": f'"{tag}"', "x-goog-hash": f"crc32c={sums.crc32c},md5={sums.md5}"}), old


def _parts(tx: Transaction, upload: Upload) -> Iterator[tuple[int, str, int, str, str]]:
    sql = "SELECT number, file, size, md5, created FROM parts WHERE upload = ? ORDER BY number"
    return iter(tx.execute(sql, [upload.id]).fetchall())


def complete(call: Call, _: Plan) -> Response:
    """Join the parts that the client names."""
    wanted = _read_wanted(call.body)
    with call.store.read() as tx:
        upload = _find(call, tx)
        stored_parts = {number: (file, size, md5) for number, file, size, md5, _ in _parts(tx, upload)}
    files = []
    for place, (number, tag) in enumerate(wanted):
        file, size, md5 = stored_parts.get(number, ("", 0, ""))
        if not file or base64.b64decode(md5).hex() != tag:
            raise invalid("One or more of the specified parts could not be found.", xml_code="InvalidPart")
        if size < SMALLEST_PART and place < len(wanted) - 1:
            raise invalid(
                "Your proposed upload is smaller than the minimum allowed object size.", xml_code="EntityTooSmall"
            )
        files.append(file)
    plan = Plan(**upload.fields)
    incoming = call.store.contents.join(call.store.contents.part(file) for file in files)
    try:
        bucket, stored, unneeded = _store(call, plan, upload, incoming)
    finally:
        incoming.discard()
    for file in unneeded:
        call.store.contents.part(file).unlink(missing_ok=True)
    content = {"Location": f"{call.base}/{bucket}/{plan.name}", "Bucket": bucket, "Key": plan.name}
    headers = {"x-goog-generation": str(stored.generation), "x-goog-hash": f"crc32c={stored.crc32c}"}
    return document("CompleteMultipartUploadResult", {**content, "ETag": f'"{xml_etag(stored)}"'}, headers=headers)


def _store(call: Call, plan: Plan, upload: Upload, incoming: Incoming) -> tuple[str, Any, list[str]]:
    sums = incoming.sums()
    with call.store.write() as tx:
        bucket = call.store.bucket_to_write(tx, plan.bucket)
        fields = object_fields.new_fields(plan.resource, bucket, plan.query.get("predefinedAcl"), call.server.account)
        stored = call.store.put(
            tx, bucket, plan.name, fields, incoming, type(sums)(sums.size, None, sums.crc32c), plan.conditions()
        )
        return bucket.name, stored, tx.forget_upload(upload.id)


def _read_wanted(body: bytes) -> list[tuple[int, str]]:
    """Return number and tag of the parts that a client names, which must be in order."""
    found = []
    for part in elements(body.decode("utf-8", "replace"), "Part"):
        number, tag = NUMBER.search(part), TAG.search(part)
        if not number or not tag:
            raise invalid("The XML you provided was not well-formed.", xml_code="MalformedXML")
        found.append((int(number[1]), tag[1].lower()))
    if not 0 < len(found) <= MOST_PARTS:
        raise invalid("The XML you provided was not well-formed.", xml_code="MalformedXML")
    if [number for number, _ in found] != sorted({number for number, _ in found}):
        raise invalid("The list of parts was not in ascending order.", xml_code="InvalidPartOrder")
    return found


def abort(call: Call) -> Response:
    """End an upload without an object."""
    with call.store.write() as tx:
        files = tx.forget_upload(_find(call, tx).id)
    for file in files:
        call.store.contents.part(file).unlink(missing_ok=True)
    return Response(status_code=204)


def list_parts(call: Call) -> Response:
    """Answer with the parts that have arrived."""
    with call.store.read() as tx:
        upload = _find(call, tx)
        rows = list(_parts(tx, upload))
    content: list[tuple[str, Any]] = [("Bucket", upload.bucket), ("Key", upload.name), ("UploadId", upload.id)]
    content += [("IsTruncated", "false")]
    for number, _, size, md5, created in rows:
        tag = base64.b64decode(md5).hex()
        content.append(("Part", {"PartNumber": number, "LastModified": created, "ETag": f'"{tag}"', "Size": size}))
    return document("ListPartsResult", content)


def list_uploads(call: Call, tx: Transaction) -> Response:
    """Answer with a bucket's uploads that are not complete."""
    most = values.integer(call.query.get("max-uploads"), "max-uploads")
    size = values.MOST_RESULTS if most is None else min(max(most, 0), values.MOST_RESULTS)
    prefix, after = (
        call.query.get("prefix", ""),
        (call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")),
    )
    sql = (
        "SELECT name, id, created FROM uploads WHERE bucket = ? AND kind = ? AND substr(name, 1, ?) = ? "
        "AND (name, id) > (?, ?) ORDER BY name, id LIMIT ?"
    )
    # Without an upload, the marker stands for all uploads of its name
    last = "\U0010ffff" if after[0] and not after[1] else after[1]
    rows = tx.execute(sql, [call.params["bucket"], KIND, len(prefix), prefix, after[0], last, size + 1]).fetchall()
    content: list[tuple[str, Any]] = [("Bucket", call.params["bucket"]), ("Prefix", prefix), ("MaxUploads", size)]
    content.append(("IsTruncated", str(len(rows) > size).lower()))
    if len(rows) > size > 0:
        content += [("NextKeyMarker", rows[size - 1][0]), ("NextUploadIdMarker", rows[size - 1][1])]
    for name, number, created in rows[:size]:
        content.append(("Upload", {"Key": name, "UploadId": number, "Initiated": created}))
    return document("ListMultipartUploadsResult", content)
