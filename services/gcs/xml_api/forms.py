"""Forms that store an object, with a signed policy (https://cloud.google.com/storage/docs/xml-api/post-object-forms)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.errors import StorageError, invalid
from services.gcs.routes import storing
from services.gcs.routes.related import read_boundary
from services.gcs.routes.storing import Plan
from services.gcs.rules import access, signatures, values
from services.gcs.xml_api.text import document, xml_etag

MOST_FIELD_BYTES = 2**20
"""Of all fields before the file."""
NAME = re.compile(r";\s*name=\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE)
FILE_NAME = re.compile(r";\s*filename=\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE)


class Form:
    """Reads the fields of a form, up to the file; then the file.

    Args:
        content_type: the request's.
        pieces: the body as it arrives.
    """

    def __init__(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        boundary = read_boundary(content_type)
        if not boundary or not content_type.lower().startswith("multipart/form-data"):
            raise StorageError(412, "invalid", "Bucket POST must be of the enclosure-type multipart/form-data")
        self._mark = b"\r\n--" + boundary
        self._pieces, self._waiting = pieces, bytearray(b"\r\n")
        self.fields: dict[str, str] = {}
        self.file_type, self.file_name = "", ""

    async def _until(self, mark: bytes) -> bytes:
        while (at := self._waiting.find(mark)) < 0:
            piece = await anext(self._pieces, None)
            if piece is None or len(self._waiting) > MOST_FIELD_BYTES:
                raise invalid("The body of the form is not complete.", xml_code="MalformedPOSTRequest")
            self._waiting += piece
        found = bytes(self._waiting[:at])
        del self._waiting[: at + len(mark)]
        return found

    async def read_fields(self) -> None:
        """Read everything before the file."""
        await self._until(self._mark)
        size = 0
        while True:
            await self._until(b"\r\n")
            head = (await self._until(b"\r\n\r\n")).decode("utf-8", "replace")
            name = NAME.search(head)
            if not name:
                raise invalid("A part of the form has no name.", xml_code="MalformedPOSTRequest")
            if name[1] == "file":
                kind = re.search(r"^content-type:([^\r\n]*)", head, re.IGNORECASE | re.MULTILINE)
                file = FILE_NAME.search(head)
                self.file_type, self.file_name = kind[1].strip() if kind else "", file[1] if file else ""
                return
            content = await self._until(self._mark)
            size += len(content) + len(name[1])
            if size > MOST_FIELD_BYTES:
                raise invalid("The fields of the form are too long.", xml_code="MalformedPOSTRequest")
            self.fields[name[1].lower()] = content.decode("utf-8", "replace")

    async def file(self) -> AsyncIterator[bytes]:
        """Return the file's content."""
        while (at := self._waiting.find(self._mark)) < 0:
            ready = len(self._waiting) - len(self._mark)
            if ready > 0:
                yield bytes(self._waiting[:ready])
                del self._waiting[:ready]
            piece = await anext(self._pieces, None)
            if piece is None:
                raise invalid("The body of the form is not complete.", xml_code="MalformedPOSTRequest")
            self._waiting += piece
        yield bytes(self._waiting[:at])
        async for _ in self._pieces:
            pass


def plan_of(bucket: str, form: Form) -> Plan:
    """Return what a form wants to store."""
    fields = form.fields
    names = {
        "content-encoding": "contentEncoding",
        "content-disposition": "contentDisposition",
        "cache-control": "cacheControl",
    }
    resource: dict[str, Any] = {field: fields[name] for name, field in names.items() if fields.get(name)}
    prefix = "x-goog-meta-"
    metadata = {name.removeprefix(prefix): text for name, text in fields.items() if name.startswith(prefix)}
    resource |= {"metadata": metadata} if metadata else {}
    if kind := fields.get("content-type") or form.file_type:
        resource["contentType"] = kind
    acl = fields.get("acl") or fields.get("x-goog-acl")
    name = values.check_object_name(fields.get("key", "").replace("${filename}", form.file_name))
    return Plan(bucket, name, resource, {"predefinedAcl": access.XML_NAMES.get(acl, acl)} if acl else {}, is_xml=True)


async def upload(call: Call) -> Response:
    """Store the file of a form."""
    form = Form(call.headers.get("content-type", ""), call.request.stream())
    await form.read_fields()
    bucket = call.params["bucket"]
    plan = plan_of(bucket, form)
    incoming = call.store.contents.create()
    try:
        rest = await storing.spool(call, form.file(), incoming)
        if form.fields.keys() & {"policy", "x-goog-signature", "x-goog-credential"}:
            fields = {**form.fields, "bucket": bucket}
            size = incoming.size + len(rest)
            await call.server.in_thread(signatures.check_form, fields, call.server.keys, datetime.now(UTC), size)
        _, stored = await call.server.in_thread(storing.commit, call, plan, incoming, rest)
    finally:
        await call.server.in_thread(incoming.discard)
    return _answer(call, form.fields, plan, xml_etag(stored))


def _answer(call: Call, fields: Mapping[str, str], plan: Plan, tag: str) -> Response:
    address = f"{call.base}/{plan.bucket}/{quote(plan.name)}"
    headers = {"etag": f'"{tag}"', "location": address}
    if target := fields.get("success_action_redirect"):
        if re.match(r"https?://[^\s\r\n]+$", target) and target.isascii():
            more = f"bucket={quote(plan.bucket)}&key={quote(plan.name, safe='')}&etag=%22{tag}%22"
            return Response(b"", 303, {**headers, "location": target + ("&" if "?" in target else "?") + more})
    status = fields.get("success_action_status", "204")
    if status == "201":
        content = {"Location": address, "Bucket": plan.bucket, "Key": plan.name, "ETag": f'"{tag}"'}
        return document("PostResponse", content, 201, headers)
    return Response(None if status != "200" else b"", 200 if status == "200" else 204, headers)
