"""HMAC keys, with which a client may sign requests (https://cloud.google.com/storage/docs/json_api/v1/projects/hmacKeys)."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.disk.catalogue import Transaction, timestamp
from services.gcs.errors import StorageError, invalid, not_found, required
from services.gcs.router import json_route
from services.gcs.rules import values

MOST_KEYS = 1000
MOST_LISTED = 250
"""In one page (https://cloud.google.com/storage/docs/json_api/v1/projects/hmacKeys/list)."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _resource(call: Call, fields: dict[str, Any]) -> dict[str, Any]:
    public = {name: value for name, value in fields.items() if name != "secret"}
    number = f"{fields['projectId']}/{fields['accessId']}"
    link = f"{call.base}/storage/v1/projects/{fields['projectId']}/hmacKeys/{fields['accessId']}"
    return {"kind": "storage#hmacKeyMetadata", "id": number, "selfLink": link, **public}


def _find(call: Call, tx: Transaction) -> dict[str, Any]:
    rows = tx.execute(
        "SELECT fields FROM hmac_keys WHERE access_id = ? AND project = ?", [call.params["key"], call.params["project"]]
    ).fetchall()
    if not rows:
        raise not_found("HMAC key not found for the given access ID.")
    found: dict[str, Any] = json.loads(rows[0][0])
    return found


def create(call: Call) -> Response:
    """Create a key; its secret is in this answer only."""
    email, now = call.query.get("serviceAccountEmail", ""), timestamp()
    if not email:
        raise required("serviceAccountEmail")
    fields = {
        "accessId": "GOOG1E" + "".join(secrets.choice(LETTERS) for _ in range(55)),
        "projectId": call.params["project"],
        "serviceAccountEmail": email,
        "state": "ACTIVE",
        "timeCreated": now,
        "updated": now,
        "etag": base64.b64encode(secrets.token_bytes(6)).decode(),
        "secret": base64.b64encode(secrets.token_bytes(30)).decode(),
    }
    with call.store.write() as tx:
        if tx.execute("SELECT count(*) FROM hmac_keys").fetchone()[0] >= MOST_KEYS:
            raise invalid(f"There are {MOST_KEYS} HMAC keys already.")
        row = [fields["accessId"], fields["projectId"], json.dumps(fields)]
        tx.execute("INSERT INTO hmac_keys (access_id, project, fields) VALUES (?, ?, ?)", row)
    return call.answer({"kind": "storage#hmacKey", "metadata": _resource(call, fields), "secret": fields["secret"]})


def list_all(call: Call) -> Response:
    """Answer with the keys of a project; with deleted ones if `showDeletedKeys=true`."""
    email, deleted = (
        call.query.get("serviceAccountEmail"),
        values.boolean(call.query.get("showDeletedKeys"), "showDeletedKeys"),
    )
    sql = "SELECT fields FROM hmac_keys WHERE project = ? ORDER BY access_id"
    with call.store.read() as tx:
        every = [json.loads(row[0]) for row in tx.execute(sql, [call.params["project"]])]
    first, most = call.query.get("pageToken", ""), values.page_size(call.query.get("maxResults"), MOST_LISTED)
    found = [
        fields
        for fields in every
        if (deleted or fields["state"] != "DELETED")
        and fields["serviceAccountEmail"] == (email or fields["serviceAccountEmail"])
        and fields["accessId"] >= first
    ]
    answer: dict[str, Any] = {
        "kind": "storage#hmacKeysMetadata",
        "items": [_resource(call, each) for each in found[:most]],
    }
    if found[most:]:
        answer["nextPageToken"] = found[most]["accessId"]
    return call.answer(answer)


def get(call: Call) -> Response:
    """Answer with a key, without its secret."""
    with call.store.read() as tx:
        return call.answer(_resource(call, _find(call, tx)))


def update(call: Call) -> Response:
    """Set a key's state."""
    content = call.json()
    state = content.get("state")
    if state not in ("ACTIVE", "INACTIVE"):
        raise invalid("Invalid value for field 'state': it is ACTIVE or INACTIVE", "state")
    with call.store.write() as tx:
        fields = _find(call, tx)
        if content.get("etag") and content["etag"] != fields["etag"]:
            raise StorageError(412, "conditionNotMet", "The etag does not match.", "etag")
        if fields["state"] == "DELETED":
            raise not_found("HMAC key not found for the given access ID.")
        _save(tx, fields, state)
    return call.answer(_resource(call, fields))


def delete(call: Call) -> Response:
    """Delete a key, which must be inactive."""
    with call.store.write() as tx:
        fields = _find(call, tx)
        if fields["state"] != "INACTIVE":
            raise invalid("Cannot delete keys in ACTIVE state. Set the key's state to INACTIVE first.")
        _save(tx, fields, "DELETED")
    return Response(status_code=204)


def _save(tx: Transaction, fields: dict[str, Any], state: str) -> None:
    fields |= {"state": state, "updated": timestamp(), "etag": base64.b64encode(secrets.token_bytes(6)).decode()}
    tx.execute("UPDATE hmac_keys SET fields = ? WHERE access_id = ?", [json.dumps(fields), fields["accessId"]])


KEYS = "/projects/{project}/hmacKeys"
ROUTES = (
    json_route("POST", KEYS, create),
    json_route("GET", KEYS, list_all),
    json_route("GET", f"{KEYS}/{{key}}", get),
    json_route("PUT", f"{KEYS}/{{key}}", update),
    json_route("DELETE", f"{KEYS}/{{key}}", delete),
)
