"""Objects in the JSON API: metadata, lists, changes, deletion, and everything that makes objects from objects.

https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import Bucket, StoredObject, Transaction
from services.gcs.errors import StorageError, invalid, not_built, required
from services.gcs.router import json_route
from services.gcs.rules import conditions, object_fields, values
from services.gcs.rules.listing import Query, list_objects
from services.gcs.rules.resources import object_etag, object_resource


def answer_object(call: Call, bucket: Bucket, stored: StoredObject, full: bool = False) -> Response:
    """Return an object's resource."""
    resource = object_resource(bucket, stored, call.base, full)
    return call.answer(resource, headers={"etag": resource["etag"]})


def find(call: Call, tx: Transaction) -> tuple[Bucket, StoredObject]:
    """Return the object that a request addresses, and its bucket."""
    bucket = call.store.bucket(tx, call.params["bucket"])
    return bucket, call.store.object(tx, bucket, call.params["object"], conditions.generation_of(call.query))


def get(call: Call) -> Response:
    """Answer with an object's metadata; of a soft-deleted one with `softDeleted=true`."""
    given = conditions.from_query(call.query, headers=call.headers)
    with call.store.read() as tx:
        if values.boolean(call.query.get("softDeleted"), "softDeleted"):
            bucket = call.store.bucket(tx, call.params["bucket"])
            generation = conditions.generation_of(call.query)
            if generation is None:
                raise required("generation")
            found = tx.deleted_object(bucket, call.params["object"], generation)
            stored = found or call.store.object(tx, bucket, "", -1)
        else:
            bucket, stored = find(call, tx)
    given.check(stored, object_etag(stored), reading=True)
    return answer_object(call, bucket, stored, call.is_full)


def read_list_query(query: dict[str, str]) -> Query:
    """Return what a request for a list asks for."""
    most = values.page_size(query.get("maxResults"))
    versions = values.boolean(query.get("versions"), "versions")
    soft_deleted = values.boolean(query.get("softDeleted"), "softDeleted")
    if "filter" in query:
        raise not_built("the parameter filter of a list")
    if versions and soft_deleted:
        raise invalid("versions and softDeleted cannot both be true.", "softDeleted")
    end = query.get("endOffset", "")
    return Query(
        prefix=query.get("prefix", "").encode(),
        delimiter=query.get("delimiter", "").encode(),
        start=query.get("startOffset", "").encode(),
        end=end.encode() or None,
        trailing=values.boolean(query.get("includeTrailingDelimiter"), "includeTrailingDelimiter"),
        versions=versions,
        soft_deleted=soft_deleted,
        glob=query.get("matchGlob", ""),
        most=most,
        token=query.get("pageToken", ""),
    )


async def list_all(call: Call) -> Response:
    """Answer with a page of a bucket's objects."""
    if "matchGlob" not in call.query:
        return _list(call)
    # A pattern may fit no object of very many
    answer: Response = await call.server.in_thread(_list, call)
    return answer


def _list(call: Call) -> Response:
    query, full = read_list_query(call.query), call.is_full
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        page = list_objects(tx, bucket, query)
    found: dict[str, Any] = {"kind": "storage#objects"}
    if page.token:
        found["nextPageToken"] = page.token
    if page.prefixes:
        found["prefixes"] = page.prefixes
    if page.items:
        found["items"] = [object_resource(bucket, stored, call.base, full) for stored in page.items]
    return call.answer(found)


def change(call: Call) -> Response:
    """Change an object's metadata: PATCH what is given, PUT everything."""
    given, content = conditions.from_query(call.query, headers=call.headers), call.json()
    overrides = values.boolean(call.query.get("overrideUnlockedRetention"), "overrideUnlockedRetention")
    with call.store.write() as tx:
        bucket, stored = find(call, tx)
        given.check(stored, object_etag(stored))
        object_fields.change(stored, content, bucket, call.method == "PUT", overrides)
        if name := call.query.get("predefinedAcl"):
            stored.fields = object_fields.with_acl(stored.fields, bucket, name, call.server.account)
        tx.update_object(stored)
    return answer_object(call, bucket, stored, full=call.query.get("projection", "full") == "full")


def delete(call: Call) -> Response:
    """Delete an object or one of its generations."""
    given, generation = conditions.from_query(call.query, headers=call.headers), conditions.generation_of(call.query)
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        call.store.delete(tx, bucket, call.params["object"], generation, given)
    return Response(status_code=204)


def restore(call: Call) -> Response:
    """Restore a soft-deleted object."""
    given, generation = conditions.from_query(call.query), conditions.generation_of(call.query)
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        stored = call.store.restore(tx, bucket, call.params["object"], generation, given)
        if not values.boolean(call.query.get("copySourceAcl"), "copySourceAcl"):
            stored.fields.pop("acl", None)
            stored.fields = object_fields.with_acl(stored.fields, bucket, None, call.server.account)
            tx.update_object(stored, touch=False)
    return answer_object(call, bucket, stored, call.is_full)


async def compose(call: Call) -> Response:
    """Join objects (https://cloud.google.com/storage/docs/json_api/v1/objects/compose)."""
    await call.read_body()
    answer: Response = await call.server.in_thread(_compose, call)
    return answer


def read_sources(content: dict[str, Any]) -> list[tuple[str, int | None, conditions.Conditions]]:
    """Return name, generation and conditions of the objects to join."""
    sources = content.get("sourceObjects")
    if not isinstance(sources, list) or not sources:
        raise required("sourceObjects")
    if len(sources) > values.MOST_SOURCES:
        raise invalid(
            f"The number of source components provided ({len(sources)}) exceeds the maximum ({values.MOST_SOURCES})"
        )
    found = []
    for source in sources:
        if not isinstance(source, dict):
            raise required("sourceObjects[].name")
        generation = source.get("generation")
        number = None if generation is None else values.integer(str(generation), "generation")
        found.append(
            (
                values.check_object_name(source.get("name")),
                number,
                conditions.from_json(source.get("objectPreconditions")),
            )
        )
    return found


def _compose(call: Call) -> Response:
    content, given = call.json(), conditions.from_query(call.query, headers=call.headers)
    wanted, name, key = (
        read_sources(content),
        values.check_object_name(call.params["object"]),
        object_fields.encryption_key(call.headers),
    )
    destination = content.get("destination") or {}
    if not isinstance(destination, dict):
        raise invalid("Invalid value for field 'destination'", "destination")
    if kms_key := call.query.get("kmsKeyName"):
        destination["kmsKeyName"] = kms_key
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        sources = call.store.sources(tx, bucket, wanted)
        given.check(tx.object(bucket, name))
        for source in sources:
            object_fields.check_key(source, key)
    try:
        incoming = call.store.contents.join([call.store.contents.path(source.generation) for source in sources])
    except FileNotFoundError:
        raise StorageError(503, "backendError", "A source was deleted while it was read. Try again.") from None
    try:
        with call.store.write() as tx:
            bucket = call.store.bucket(tx, call.params["bucket"])
            fields = object_fields.new_fields(
                destination, bucket, call.query.get("destinationPredefinedAcl"), call.server.account
            )
            fields["componentCount"] = sum(int(source.fields.get("componentCount", 1)) for source in sources)
            if key:
                fields["customerEncryption"] = key
            sums = incoming.sums()
            stored = call.store.put(tx, bucket, name, fields, incoming, type(sums)(sums.size, None, sums.crc32c), given)
            if values.boolean(call.query.get("deleteSourceObjects"), "deleteSourceObjects"):
                for source in {source.generation: source for source in sources if source.name != name}.values():
                    call.store.delete(tx, bucket, source.name, None, conditions.Conditions())
    finally:
        incoming.discard()
    return answer_object(call, bucket, stored, call.is_full)


def _copy(call: Call) -> tuple[Bucket, StoredObject]:
    """Copy an object as copyTo and rewriteTo ask for it."""
    content, params = call.json(), call.params
    given, of_source = conditions.from_query(call.query), conditions.from_query(call.query, source=True)
    name, source_key = values.check_object_name(params["target"]), object_fields.encryption_key(call.headers, "source")
    key = object_fields.encryption_key(call.headers)
    with call.store.write() as tx:
        source_bucket = call.store.bucket(tx, params["bucket"])
        source = call.store.object(
            tx, source_bucket, params["object"], conditions.generation_of(call.query, "sourceGeneration")
        )
        of_source.check(source, object_etag(source))
        object_fields.check_key(source, source_key)
        bucket = call.store.bucket_to_write(tx, params["target_bucket"])
        acl, kms_key = call.query.get("destinationPredefinedAcl"), call.query.get("destinationKmsKeyName")
        content |= {"kmsKeyName": kms_key} if kms_key else {}
        fields = object_fields.new_fields(content, bucket, acl, call.server.account)
        if not set(content) & set(object_fields.SETTABLE):
            # Without metadata of its own the copy takes over the source's
            kept = {
                each: value
                for each, value in source.fields.items()
                if each in (*object_fields.TEXTS, "metadata", "customTime", "contexts")
            }
            fields = {**kept, **fields}
        elif "contentType" not in fields and "contentType" in source.fields:
            fields["contentType"] = source.fields["contentType"]
        if key:
            fields["customerEncryption"] = key
        return bucket, call.store.copy(tx, source, bucket, name, fields, given)


def copy(call: Call) -> Response:
    """Copy an object."""
    bucket, stored = _copy(call)
    return answer_object(call, bucket, stored, call.is_full)


def rewrite(call: Call) -> Response:
    """Copy an object; in several calls only if the client limits the bytes of each.

    https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
    """
    most = values.integer(call.query.get("maxBytesRewrittenPerCall"), "maxBytesRewrittenPerCall")
    if most is not None and (most < 2**20 or most % 2**20):
        raise invalid(
            "Bytes to copy per call must be an integral multiple of 1 MiB (1048576).", "maxBytesRewrittenPerCall"
        )
    if most is not None or "rewriteToken" in call.query:
        if waiting := _rewrite_a_part(call, most):
            return waiting
    bucket, stored = _copy(call)
    resource = object_resource(bucket, stored, call.base, call.is_full)
    size = str(stored.size)
    done = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True}
    return call.answer({**done, "resource": resource})


def _rewrite_a_part(call: Call, most: int | None) -> Response | None:
    """Return the answer to a call that does not complete a rewrite; None for the last one."""
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        source = call.store.object(
            tx, bucket, call.params["object"], conditions.generation_of(call.query, "sourceGeneration")
        )
        conditions.from_query(call.query, source=True).check(source)
    path = call.request.url.path
    done = _read_token(call.query["rewriteToken"], source, path) if "rewriteToken" in call.query else 0
    done += most or source.size
    if done >= source.size:
        return None
    token = base64.urlsafe_b64encode(json.dumps([path, source.generation, done]).encode()).decode()
    waiting = {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(done), "objectSize": str(source.size)}
    return call.answer({**waiting, "done": False, "rewriteToken": token})


def _read_token(token: str, source: StoredObject, path: str) -> int:
    try:
        of_path, generation, done = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if (of_path, generation) == (path, source.generation):
            return int(done)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        pass
    raise invalid("Invalid argument: rewriteToken does not belong to this rewrite.", "rewriteToken")


def move(call: Call) -> Response:
    """Rename an object within its bucket (https://cloud.google.com/storage/docs/json_api/v1/objects/move)."""
    given, of_source = conditions.from_query(call.query), conditions.from_query(call.query, source=True)
    name = values.check_object_name(call.params["target"])
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        source = call.store.object(tx, bucket, call.params["object"])
        of_source.check(source, object_etag(source))
        if name == source.name:
            raise invalid("The source and destination objects must be different.")
        stored = call.store.copy(tx, source, bucket, name, {**source.fields}, given)
        call.store.delete(tx, bucket, source.name, None, conditions.Conditions())
    return answer_object(call, bucket, stored, call.is_full)


OBJECT = "/b/{bucket}/o/{object}"
TARGET = "/b/{target_bucket}/o/{target}"
ROUTES = (
    json_route("GET", "/b/{bucket}/o", list_all),
    json_route("PATCH PUT", OBJECT, change),
    json_route("DELETE", OBJECT, delete),
    json_route("POST", f"{OBJECT}/restore", restore),
    json_route("POST", f"{OBJECT}/compose", compose),
    json_route("POST", f"{OBJECT}/copyTo{TARGET}", copy),
    json_route("POST", f"{OBJECT}/rewriteTo{TARGET}", rewrite),
    json_route("POST", f"{OBJECT}/moveTo/o/{{target}}", move),
)
