"""The XML API: the address of an object is /BUCKET/NAME, which is what signed URLs use.

https://cloud.google.com/storage/docs/xml-api/reference-methods
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from services.gcs.call import Call, decode
from services.gcs.disk.catalogue import Bucket, StoredObject
from services.gcs.errors import StorageError, invalid, not_built
from services.gcs.router import route
from services.gcs.routes import downloads, uploads
from services.gcs.routes.storing import Plan, store_body
from services.gcs.rules import access, bucket_fields, conditions, object_fields, values
from services.gcs.rules.listing import Page, Query, list_objects, successor
from services.gcs.rules.resources import object_etag
from services.gcs.xml_api import forms
from services.gcs.xml_api import uploads as xml_uploads
from services.gcs.xml_api.text import document, read_deletions, xml_etag

SUB_RESOURCES = {
    "accelerate", "acl", "attributes", "billing", "compose", "cors", "customPlacementConfig", "defaultObjectAcl",
    "encryption", "encryptionConfig", "legal-hold", "lifecycle", "location", "logging", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore",
    "retention", "select", "storageClass", "tagging", "versioning", "versions", "website", "websiteConfig",
}  # fmt: skip
"""Parameters that make a request one for something else than the object or the bucket."""


def _refuse_what_is_not_built(call: Call) -> None:
    if "aws-chunked" in call.headers.get("content-encoding", ""):
        raise not_built("bodies in Amazon's chunks (Content-Encoding: aws-chunked)")
    if found := SUB_RESOURCES & call.query.keys():
        raise not_built(f"the XML API's ?{min(found)}")


async def get_object(call: Call) -> Response:
    """Answer with an object's content, or its headers for HEAD."""
    _refuse_what_is_not_built(call)
    if "uploadId" in call.query:
        return await call.server.in_thread(xml_uploads.list_parts, call)  # type: ignore[no-any-return]
    given = conditions.from_xml_headers(call.headers)
    response = await downloads.open_content(call, given)
    if call.headers.get("authorization", "").startswith("AWS"):
        # Clients of S3 look for metadata under Amazon's names
        prefix = "x-goog-meta-"
        metadata = {name: value for name, value in response.headers.items() if name.startswith(prefix)}
        response.headers.update({name.replace(prefix, "x-amz-meta-"): value for name, value in metadata.items()})
    for name, value in call.query.items():
        # https://cloud.google.com/storage/docs/xml-api/reference-headers#responsecontentdisposition
        if name in ("response-content-disposition", "response-content-type") and value.isprintable():
            response.headers[name.removeprefix("response-")] = quote(value, safe=" !\"#$&'()*+,-./:;<=>?@[]_{|}")
    return response


def plan_of(call: Call) -> Plan:
    """Return what the headers of a request say about the object that it stores."""
    names = {
        "content-type": "contentType",
        "content-encoding": "contentEncoding",
        "content-disposition": "contentDisposition",
        "content-language": "contentLanguage",
        "cache-control": "cacheControl",
        "x-goog-storage-class": "storageClass",
        "x-goog-custom-time": "customTime",
    }
    resource: dict[str, Any] = {field: call.headers[name] for name, field in names.items() if name in call.headers}
    prefix = "x-goog-meta-"
    metadata = {name.removeprefix(prefix): text for name, text in call.headers.items() if name.startswith(prefix)}
    query = {}
    if acl := call.headers.get("x-goog-acl"):
        query["predefinedAcl"] = access.XML_NAMES.get(acl, acl)
    tags = {name: text for name, text in call.headers.items() if name.startswith(("x-goog-if-", "if-"))}
    md5, crc32c = object_fields.read_hash_header(call.headers)
    return Plan(
        bucket=call.params["bucket"],
        name=values.check_object_name(call.params["object"]),
        resource={**resource, "metadata": metadata} if metadata else resource,
        query=query,
        md5=md5,
        crc32c=crc32c,
        key=object_fields.encryption_key(call.headers),
        tags=tags,
        is_xml=True,
    )


async def put_object(call: Call) -> Response:
    """Store an object: from the body, from another object, or a part of one."""
    _refuse_what_is_not_built(call)
    if "upload_id" in call.query:
        return await uploads.resume(call)
    if "uploadId" in call.query:
        return await xml_uploads.put_part(call)
    if "x-goog-copy-source" in call.headers:
        return await call.server.in_thread(_copy, call)  # type: ignore[no-any-return]
    _, stored = await store_body(call, plan_of(call), call.request.stream())
    return Response(b"", 200, _stored_headers(stored))


def _stored_headers(stored: StoredObject) -> dict[str, str]:
    sums = f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else "")
    return {
        "etag": f'"{xml_etag(stored)}"',
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-hash": sums,
        "x-goog-stored-content-length": str(stored.size),
    }


def _copy(call: Call) -> Response:
    found = re.fullmatch(r"/?([^/]+)/(.+)", call.headers["x-goog-copy-source"].partition("?")[0])
    if not found:
        raise invalid("x-goog-copy-source must be in the form BUCKET/OBJECT.", xml_code="InvalidArgument")
    plan, number = plan_of(call), call.headers.get("x-goog-copy-source-generation")
    replace = call.headers.get("x-goog-metadata-directive", "COPY").upper() == "REPLACE"
    with call.store.write() as tx:
        source_bucket = call.store.bucket(tx, decode(found[1]))
        source = call.store.object(tx, source_bucket, decode(found[2]), values.integer(number, "generation"))
        of_source = conditions.from_xml_headers(call.headers, "x-goog-copy-source-")
        of_source.check(source, object_etag(source))
        bucket = call.store.bucket_to_write(tx, plan.bucket)
        fields = (
            object_fields.new_fields(plan.resource, bucket, plan.query.get("predefinedAcl"), call.server.account)
            if replace
            else None
        )
        stored = call.store.copy(tx, source, bucket, plan.name, fields, plan.conditions())
    content = {"LastModified": stored.updated, "ETag": f'"{xml_etag(stored)}"'}
    return document("CopyObjectResult", content, headers=_stored_headers(stored))


async def delete_object(call: Call) -> Response:
    """Delete an object, or end an upload."""
    _refuse_what_is_not_built(call)
    if "upload_id" in call.query:
        return await uploads.cancel(call)
    if "uploadId" in call.query:
        return await call.server.in_thread(xml_uploads.abort, call)  # type: ignore[no-any-return]

    def delete() -> Response:
        generation, given = conditions.generation_of(call.query), conditions.from_xml_headers(call.headers)
        with call.store.write() as tx:
            bucket = call.store.bucket(tx, call.params["bucket"])
            call.store.delete(tx, bucket, call.params["object"], generation, given)
        return Response(status_code=204)

    answer: Response = await call.server.in_thread(delete)
    return answer


async def post_object(call: Call) -> Response:
    """Begin a resumable upload or one in parts, or complete one in parts."""
    _refuse_what_is_not_built(call)
    if "upload_id" in call.query:
        return await uploads.resume(call)
    if "uploads" in call.query or "uploadId" in call.query:
        await call.read_body()
        handler = xml_uploads.complete if "uploadId" in call.query else xml_uploads.initiate
        return await call.server.in_thread(handler, call, plan_of(call))  # type: ignore[no-any-return]
    if call.headers.get("x-goog-resumable") != "start":
        raise invalid("A POST to an object needs ?uploads, ?uploadId or the header x-goog-resumable: start.")
    number = await call.server.in_thread(uploads.begin, call, plan_of(call))
    address = f"{call.base}/{call.params['bucket']}/{quote(call.params['object'])}?upload_id={number}"
    return Response(b"", 201, {"location": address, "x-guploader-uploadid": number})


# --- buckets ---


def get_bucket(call: Call) -> Response:
    """Answer with a page of a bucket's objects, or with 200 for HEAD."""
    _refuse_what_is_not_built(call)
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        if call.method == "HEAD":
            return Response(None, 200, {"x-goog-metageneration": str(bucket.metageneration)})
        if "uploads" in call.query:
            return xml_uploads.list_uploads(call, tx)
        query = _list_query(call.query)
        page = list_objects(tx, bucket, query)
    return _list_document(call.query, bucket, query, page)


def _list_query(given: dict[str, str]) -> Query:
    most = values.integer(given.get("max-keys"), "max-keys")
    if most is not None and most < 0:
        raise invalid("max-keys must not be negative", "max-keys")
    after = given.get("marker") or given.get("start-after") or ""
    prefix, delimiter = given.get("prefix", "").encode(), given.get("delimiter", "").encode()
    is_group = bool(delimiter) and after.encode().endswith(delimiter) and after.encode() != prefix
    start = (successor(after.encode()) if is_group else after.encode() + b"\0") if after else b""
    return Query(
        prefix=prefix,
        delimiter=delimiter,
        start=start,
        most=min(values.MOST_RESULTS if most is None else most, values.MOST_RESULTS),
        token=given.get("continuation-token", ""),
    )


def _list_document(given: dict[str, str], bucket: Bucket, query: Query, page: Page) -> Response:
    """https://cloud.google.com/storage/docs/xml-api/get-bucket-list."""
    is_encoded = given.get("encoding-type", "").lower() == "url"

    def written(name: str) -> str:
        return quote(name) if is_encoded else name

    content: list[tuple[str, Any]] = [("Name", bucket.name), ("Prefix", written(given.get("prefix", "")))]
    if "delimiter" in given:
        content.append(("Delimiter", written(given["delimiter"])))
    if is_encoded:
        content.append(("EncodingType", "url"))
    is_truncated = bool(page.token) and query.most > 0
    content += [("MaxKeys", query.most), ("IsTruncated", str(is_truncated).lower())]
    if given.get("list-type") == "2":
        content.append(("KeyCount", len(page.items) + len(page.prefixes)))
        if is_truncated:
            content.append(("NextContinuationToken", page.token))
    else:
        content.append(("Marker", written(given.get("marker", ""))))
        if is_truncated:
            last = max([*page.prefixes, *(each.name for each in page.items)], key=str.encode)
            content.append(("NextMarker", written(last)))
    for each in page.items:
        entry = {
            "Key": written(each.name),
            "Generation": each.generation,
            "MetaGeneration": each.metageneration,
            "LastModified": each.updated,
            "ETag": f'"{xml_etag(each)}"',
            "Size": each.size,
        }
        content.append(("Contents", entry))
    content += [("CommonPrefixes", {"Prefix": written(prefix)}) for prefix in page.prefixes]
    return document("ListBucketResult", content)


def put_bucket(call: Call) -> Response:
    """Create a bucket (https://cloud.google.com/storage/docs/xml-api/put-bucket-create)."""
    _refuse_what_is_not_built(call)
    text = call.body.decode("utf-8", "replace")
    given = {}
    for name, field in (("LocationConstraint", "location"), ("StorageClass", "storageClass")):
        if found := re.search(rf"<{name}>([\w-]+)</{name}>", text):
            given[field] = found[1]
    with call.store.write() as tx:
        call.store.create_bucket(tx, call.params["bucket"], bucket_fields.new_fields(given, {}))
    return Response(b"", 200)


async def post_bucket(call: Call) -> Response:
    """Store the file of a form, or delete the objects that a document names."""
    _refuse_what_is_not_built(call)
    if "delete" not in call.query:
        return await forms.upload(call)
    await call.read_body()
    answer: Response = await call.server.in_thread(_delete_objects, call)
    return answer


def _delete_objects(call: Call) -> Response:
    """https://cloud.google.com/storage/docs/xml-api/post-bucket; an object that is not there counts as deleted."""
    wanted, is_quiet = read_deletions(call.body)
    content: list[tuple[str, Any]] = []
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        for name, version in wanted:
            of_object = {"Key": name, **({"VersionId": version} if version else {})}
            try:
                number = values.integer(version, "VersionId")
                if tx.object(bucket, name, number):
                    call.store.delete(tx, bucket, name, number, conditions.Conditions())
                if not is_quiet:
                    content.append(("Deleted", of_object))
            except StorageError as error:
                content.append(("Error", {**of_object, "Code": error.xml_code, "Message": error.message}))
    return document("DeleteResult", content)


def delete_bucket(call: Call) -> Response:
    """Delete a bucket that has no object."""
    _refuse_what_is_not_built(call)
    with call.store.write() as tx:
        call.store.delete_bucket(tx, call.params["bucket"], conditions.Conditions())
    return Response(status_code=204)


BUCKET = r"/(?P<bucket>[^/]+)/?"
OBJECT = r"/(?P<bucket>[^/]+)/(?P<object>.+)"
OTHER_APIS = r"(?!/(?:storage|upload|download|batch|resumable|b|token|google|counts|backup|prune|retry_test)(?:/|$))"
ROUTES = (
    route("GET HEAD", OTHER_APIS + BUCKET, get_bucket, is_specific=False),
    route("PUT", OTHER_APIS + BUCKET, put_bucket, is_specific=False),
    route("DELETE", OTHER_APIS + BUCKET, delete_bucket, is_specific=False),
    route("POST", OTHER_APIS + BUCKET, post_bucket, is_specific=False),
    route("GET HEAD", OTHER_APIS + OBJECT, get_object, is_specific=False),
    route("PUT", OTHER_APIS + OBJECT, put_object, is_specific=False),
    route("DELETE", OTHER_APIS + OBJECT, delete_object, is_specific=False),
    route("POST", OTHER_APIS + OBJECT, post_object, is_specific=False),
)
