"""Lists of access in the JSON API: of buckets, of objects, and the one that new objects get.

https://cloud.google.com/storage/docs/json_api/v1/bucketAccessControls, .../objectAccessControls and
.../defaultObjectAccessControls
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import StoredObject, Transaction
from services.gcs.router import Route, json_route
from services.gcs.routes import objects
from services.gcs.rules import access
from services.gcs.rules.resources import default_object_acl, object_acl, object_link


class List:
    """One list of access, which a request reads or changes."""

    def __init__(self, call: Call, tx: Transaction, which: str) -> None:
        self.call, self.which = call, which
        self.stored: StoredObject | None = None
        if which == "object":
            self.bucket, self.stored = objects.find(call, tx)
            self.acl = dict(object_acl(self.bucket, self.stored))
        else:
            self.bucket = call.store.bucket(tx, call.params["bucket"])
            kept = self.bucket.fields.get("acl", access.PROJECT_PRIVATE)
            self.acl = dict(kept if which == "bucket" else default_object_acl(self.bucket))
        access.refuse_when_uniform(self.bucket, f"get legacy ACL for {'an object' if self.stored else 'a bucket'}")

    @property
    def kind(self) -> str:
        """Whether its entries are those of a bucket or of an object."""
        return "bucket" if self.which == "bucket" else "object"

    def resource(self, entity: str) -> dict[str, Any]:
        """Return the resource of an entry."""
        link = f"{self.call.base}/storage/v1/b/{self.bucket.name}"
        base = object_link(self.call.base, self.bucket.name, self.stored.name) if self.stored else link
        path = "defaultObjectAcl" if self.which == "default" else "acl"
        role = access.find_role(self.acl, entity)
        return access.entry_resource(self.kind, self.bucket, entity, role, base, self.stored, path)

    def save(self, tx: Transaction) -> None:
        """Write the list."""
        access.refuse_public(self.bucket, self.acl)
        if self.stored:
            self.stored.fields["acl"] = self.acl
            tx.update_object(self.stored)
        else:
            self.bucket.fields["acl" if self.which == "bucket" else "defaultObjectAcl"] = self.acl
            tx.update_bucket(self.bucket)


def get_all(which: str, call: Call) -> Response:
    """Answer with all entries."""
    with call.store.read() as tx:
        found = List(call, tx, which)
    return call.answer(
        {"kind": f"storage#{found.kind}AccessControls", "items": [found.resource(each) for each in found.acl]}
    )


def get(which: str, call: Call) -> Response:
    """Answer with an entry."""
    with call.store.read() as tx:
        found = List(call, tx, which)
    return call.answer(found.resource(call.params["entity"]))


def insert(which: str, call: Call) -> Response:
    """Add an entry."""
    return _put(which, call, "")


def change(which: str, call: Call) -> Response:
    """Change an entry."""
    return _put(which, call, call.params["entity"])


def _put(which: str, call: Call, entity: str) -> Response:
    content = call.json()
    with call.store.write() as tx:
        found = List(call, tx, which)
        if entity:
            access.find_role(found.acl, entity)
        entity, role = access.read_entry(content, found.kind, entity)
        found.acl[entity] = role
        found.save(tx)
    return call.answer(found.resource(entity))


def delete(which: str, call: Call) -> Response:
    """Remove an entry."""
    with call.store.write() as tx:
        found = List(call, tx, which)
        access.find_role(found.acl, call.params["entity"])
        del found.acl[call.params["entity"]]
        found.save(tx)
    return Response(status_code=204)


def _routes(which: str, path: str) -> Iterator[Route]:
    def of(handler: Callable[..., Response]) -> Callable[[Call], Response]:
        return partial(handler, which)

    yield json_route("GET", path, of(get_all))
    yield json_route("POST", path, of(insert))
    yield json_route("GET", f"{path}/{{entity}}", of(get))
    yield json_route("PATCH PUT", f"{path}/{{entity}}", of(change))
    yield json_route("DELETE", f"{path}/{{entity}}", of(delete))


ROUTES = (
    *_routes("bucket", "/b/{bucket}/acl"),
    *_routes("object", f"{objects.OBJECT}/acl"),
    *_routes("default", "/b/{bucket}/defaultObjectAcl"),
)
