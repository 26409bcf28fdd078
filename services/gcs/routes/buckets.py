"""Buckets in the JSON API, and what belongs to a bucket: its IAM policy, its lock, its notifications.

https://cloud.google.com/storage/docs/json_api/v1/buckets
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import Bucket
from services.gcs.errors import StorageError, invalid, not_found, required
from services.gcs.router import json_route
from services.gcs.rules import access, bucket_fields, conditions, policies, values
from services.gcs.rules.listing import read_token, write_token
from services.gcs.rules.resources import bucket_resource, etag
from services.gcs.store import find_deleted_bucket

MOST_NOTIFICATIONS = 100
"""Of a bucket (https://cloud.google.com/storage/docs/pubsub-notifications#limitations)."""
EVENTS = {"OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE"}


def _answer(call: Call, bucket: Bucket, full: bool = False) -> Response:
    return call.answer(bucket_resource(bucket, call.base, full), headers={"etag": etag(bucket.metageneration)})


def _require_project(call: Call) -> None:
    """Refuse a request without a project; gcsfs sends an empty name where it knows none, and any name will do here."""
    if "project" not in call.query:
        raise required("project")


def insert(call: Call) -> Response:
    """Create a bucket."""
    _require_project(call)
    given = call.json()
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise required("name")
    values.check_bucket_name(name)
    with call.store.write() as tx:
        bucket = call.store.create_bucket(tx, name, bucket_fields.new_fields(given, call.query))
    return _answer(call, bucket, call.is_full or call.query.get("projection") is None and bool(given.get("acl")))


def get(call: Call) -> Response:
    """Answer with a bucket; with a soft-deleted one if `softDeleted=true`."""
    given = conditions.from_query(call.query, headers=call.headers)
    with call.store.read() as tx:
        if values.boolean(call.query.get("softDeleted"), "softDeleted"):
            generation = conditions.generation_of(call.query)
            bucket = find_deleted_bucket(tx, call.params["bucket"], generation)
        else:
            bucket = call.store.bucket(tx, call.params["bucket"])
    given.check(bucket, etag(bucket.metageneration), reading=True)
    return _answer(call, bucket, call.is_full)


def list_all(call: Call) -> Response:
    """Answer with a page of the buckets; every project has all of them."""
    _require_project(call)
    most = values.page_size(call.query.get("maxResults"))
    first, prefix = call.query.get("pageToken", ""), call.query.get("prefix", "")
    start = read_token(first)[0].decode("utf-8", "replace") if first else ""
    with call.store.read() as tx:
        every = tx.buckets(values.boolean(call.query.get("softDeleted"), "softDeleted"))
    found = [bucket for bucket in every if bucket.name.startswith(prefix) and bucket.name >= start]
    page, rest = found[:most], found[most:]
    answer: dict[str, Any] = {"kind": "storage#buckets"}
    if page:
        answer["items"] = [bucket_resource(bucket, call.base, call.is_full) for bucket in page]
    if rest:
        answer["nextPageToken"] = write_token((rest[0].name.encode(), 0))
    return call.answer(answer)


def change(call: Call) -> Response:
    """Change a bucket: PATCH what is given, PUT everything."""
    given, content = conditions.from_query(call.query, headers=call.headers), call.json()
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        given.check(bucket, etag(bucket.metageneration))
        bucket_fields.change(bucket, content, call.query, call.method == "PUT")
        tx.update_bucket(bucket)
    return _answer(call, bucket, call.query.get("projection", "full") == "full")


def delete(call: Call) -> Response:
    """Delete a bucket that has no object."""
    with call.store.write() as tx:
        call.store.delete_bucket(tx, call.params["bucket"], conditions.from_query(call.query))
    return Response(status_code=204)


def restore(call: Call) -> Response:
    """Restore a soft-deleted bucket."""
    name = call.params["bucket"]
    with call.store.write() as tx:
        bucket = find_deleted_bucket(tx, name, conditions.generation_of(call.query))
        if tx.bucket(name):
            raise StorageError(409, "conflict", f"A bucket named '{name}' exists.")
        bucket.deleted = None
        tx.changed.add((name, ""))
        tx.update_bucket(bucket)
    return _answer(call, bucket, call.is_full)


def lock_retention_policy(call: Call) -> Response:
    """Lock a bucket's retention policy."""
    given = conditions.from_query(call.query)
    if given.metageneration is None:
        raise required("ifMetagenerationMatch")
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        given.check(bucket)
        bucket_fields.lock(bucket)
        tx.update_bucket(bucket)
    return _answer(call, bucket, full=True)


def storage_layout(call: Call) -> Response:
    """Answer whether a bucket has folders of its own: none has here."""
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
    found = bucket_resource(bucket, call.base)
    layout = {name: found[name] for name in ("location", "locationType")}
    return call.answer(
        {"kind": "storage#storageLayout", "bucket": bucket.name, **layout, "hierarchicalNamespace": {"enabled": False}}
    )


def get_policy(call: Call) -> Response:
    """Answer with a bucket's IAM policy."""
    with call.store.read() as tx:
        policy = access.policy_of(call.store.bucket(tx, call.params["bucket"]))
    return call.answer(policies.as_requested(policy, call.query.get("optionsRequestedPolicyVersion")))


def set_policy(call: Call) -> Response:
    """Replace a bucket's IAM policy."""
    content = call.json()
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        access.set_policy(bucket, content, etag(bucket.metageneration + 1))
        tx.update_bucket(bucket)
    return call.answer(access.policy_of(bucket))


def test_permissions(call: Call) -> Response:
    """Answer that the client has every permission: nobody is refused here."""
    with call.store.read() as tx:
        call.store.bucket(tx, call.params["bucket"])
    wanted = call.request.query_params.getlist("permissions")
    if not wanted:
        raise required("permissions")
    policies.check_permissions(wanted)
    return call.answer({"kind": "storage#testIamPermissionsResponse", "permissions": wanted})


# --- notifications: kept, and sent to nobody, since there is no Pub/Sub ---


def _notification(call: Call, bucket: Bucket, number: str) -> dict[str, Any]:
    kept = bucket.fields.get("_notifications", {})
    if number not in kept:
        raise not_found(f"The specified notification does not exist: {number[:100]}")
    link = f"{call.base}/storage/v1/b/{bucket.name}/notificationConfigs/{number}"
    return {"kind": "storage#notification", "id": number, "selfLink": link, "etag": number, **kept[number]}


def add_notification(call: Call) -> Response:
    """Keep a notification (https://cloud.google.com/storage/docs/json_api/v1/notifications)."""
    given = call.json()
    for name in ("topic", "payload_format"):
        if not isinstance(given.get(name), str):
            raise required(name)
    events = given.get("event_types") or []
    is_known = isinstance(events, list) and all(isinstance(each, str) and each in EVENTS for each in events)
    if given["payload_format"] not in ("JSON_API_V1", "NONE") or not is_known:
        raise invalid("Invalid value for payload_format or event_types")
    names = ("topic", "payload_format", "event_types", "object_name_prefix", "custom_attributes")
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        kept = bucket.fields.setdefault("_notifications", {})
        if len(kept) >= MOST_NOTIFICATIONS:
            raise invalid(f"A bucket can have at most {MOST_NOTIFICATIONS} notifications.")
        number = str(max(map(int, kept), default=0) + 1)
        kept[number] = {name: given[name] for name in names if given.get(name)}
        tx.update_bucket(bucket, touch=False)
    return call.answer(_notification(call, bucket, number))


def list_notifications(call: Call) -> Response:
    """Answer with all notifications of a bucket."""
    with call.store.read() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
    items = [_notification(call, bucket, number) for number in bucket.fields.get("_notifications", {})]
    return call.answer({"kind": "storage#notifications", **({"items": items} if items else {})})


def get_notification(call: Call) -> Response:
    """Answer with a notification."""
    with call.store.read() as tx:
        return call.answer(_notification(call, call.store.bucket(tx, call.params["bucket"]), call.params["number"]))


def delete_notification(call: Call) -> Response:
    """Delete a notification."""
    with call.store.write() as tx:
        bucket = call.store.bucket(tx, call.params["bucket"])
        _notification(call, bucket, call.params["number"])
        del bucket.fields["_notifications"][call.params["number"]]
        tx.update_bucket(bucket, touch=False)
    return Response(status_code=204)


def service_account(call: Call) -> Response:
    """Answer with the project's service agent (.../json_api/v1/projects/serviceAccount)."""
    address = f"service-{access.PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    return call.answer({"kind": "storage#serviceAccount", "email_address": address})


BUCKET = "/b/{bucket}"
NOTIFICATIONS = f"{BUCKET}/notificationConfigs"
ROUTES = (
    json_route("GET", "/b/?", list_all),
    json_route("POST", "/b/?", insert),
    json_route("GET", f"{BUCKET}/?", get),
    json_route("PATCH PUT", BUCKET, change),
    json_route("DELETE", BUCKET, delete),
    json_route("POST", f"{BUCKET}/restore", restore),
    json_route("POST", f"{BUCKET}/lockRetentionPolicy", lock_retention_policy),
    json_route("GET", f"{BUCKET}/storageLayout", storage_layout),
    json_route("GET", f"{BUCKET}/iam", get_policy),
    json_route("PUT", f"{BUCKET}/iam", set_policy),
    json_route("GET", f"{BUCKET}/iam/testPermissions", test_permissions),
    json_route("POST", NOTIFICATIONS, add_notification),
    json_route("GET", NOTIFICATIONS, list_notifications),
    json_route("GET", f"{NOTIFICATIONS}/{{number}}", get_notification),
    json_route("DELETE", f"{NOTIFICATIONS}/{{number}}", delete_notification),
    json_route("GET", "/projects/{project}/serviceAccount", service_account),
)
