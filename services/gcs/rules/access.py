"""Access control lists and IAM policies, which are kept, checked for their form, and enforced for nobody.

https://cloud.google.com/storage/docs/access-control/lists and https://cloud.google.com/storage/docs/access-control/iam
"""

from __future__ import annotations

import re
from typing import Any

from services.gcs.disk.catalogue import Bucket, StoredObject
from services.gcs.errors import StorageError, invalid, not_found, required
from services.gcs.rules import policies

PROJECT_NUMBER = "1098765432100"
"""Of every project here."""
ACCOUNT = "orionbox@orionbox-local.iam.gserviceaccount.com"
"""Who stores everything here, unless a key file names a service account."""
OWNER = f"project-owners-{PROJECT_NUMBER}"
PROJECT_PRIVATE = {
    OWNER: "OWNER",
    f"project-editors-{PROJECT_NUMBER}": "OWNER",
    f"project-viewers-{PROJECT_NUMBER}": "READER",
}
OBJECT_ACLS: dict[str, dict[str, str]] = {
    "authenticatedRead": {"allAuthenticatedUsers": "READER"},
    "bucketOwnerFullControl": {OWNER: "OWNER"},
    "bucketOwnerRead": {OWNER: "READER"},
    "private": {},
    "projectPrivate": PROJECT_PRIVATE,
    "publicRead": {"allUsers": "READER"},
}
"""What each adds to the owner. https://cloud.google.com/storage/docs/access-control/lists#predefined-acl"""
BUCKET_ACLS = {
    **{name: acl for name, acl in OBJECT_ACLS.items() if not name.startswith("bucket")},
    "publicReadWrite": {"allUsers": "WRITER"},
}
XML_NAMES = {re.sub("([A-Z])", lambda found: f"-{found[1].lower()}", name): name for name in BUCKET_ACLS | OBJECT_ACLS}
"""The same by their names in the header `x-goog-acl`."""
ENTITY = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|group|domain)-[^\s/]+|project-(owners|editors|viewers)-[\w.:-]+"
)
ROLES = {"bucket": ("OWNER", "WRITER", "READER"), "object": ("OWNER", "READER")}
PUBLIC = {"allUsers", "allAuthenticatedUsers"}
UNIFORM_PAGE = "https://cloud.google.com/storage/docs/uniform-bucket-level-access"

Acl = dict[str, str]
"""Roles by entity."""


def is_uniform(bucket: Bucket) -> bool:
    """Return whether a bucket has uniform bucket-level access, so that there are no lists."""
    access = bucket.fields.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    return bool(access.get("enabled"))


def refuse_when_uniform(bucket: Bucket, what: str = "get legacy ACL for an object") -> None:
    """Refuse a call about a list where access is uniform."""
    if is_uniform(bucket):
        text = f"Cannot {what} when uniform bucket-level access is enabled. Read more at {UNIFORM_PAGE}"
        raise invalid(text)


def refuse_public(bucket: Bucket, entities: Any) -> None:
    """Refuse to make something public where that is prevented (.../docs/public-access-prevention)."""
    prevention = bucket.fields.get("iamConfiguration", {}).get("publicAccessPrevention")
    if prevention == "enforced" and PUBLIC & set(entities):
        text = "The member bindings allUsers and allAuthenticatedUsers are not allowed"
        raise StorageError(412, "conditionNotMet", f"{text} since public access prevention is enforced.")


def predefined(name: str, kind: str, owner: str = OWNER) -> Acl:
    """Return the list of this name for a bucket or an object; its owner comes first."""
    lists = BUCKET_ACLS if kind == "bucket" else OBJECT_ACLS
    if name not in lists:
        raise invalid(f"Invalid value for parameter predefinedAcl: {name[:100]}", "predefinedAcl")
    return {owner: "OWNER", **lists[name]}


def read_acl(value: Any, kind: str) -> Acl:
    """Return the list in a resource that a client sends."""
    if not isinstance(value, list):
        raise invalid("Invalid value for field 'acl': it must be a list", "acl")
    return dict(read_entry(entry, kind) for entry in value)


def read_entry(entry: Any, kind: str, entity: str = "") -> tuple[str, str]:
    """Return entity and role of one entry."""
    if not isinstance(entry, dict):
        raise invalid("Invalid access control: it must be an object")
    entity, role = entity or str(entry.get("entity", "")), str(entry.get("role", ""))
    if not entity:
        raise required("entity")
    if not ENTITY.fullmatch(entity):
        raise invalid(f"Invalid entity: {entity[:200]}", "entity")
    if not role:
        raise required("role")
    if role not in ROLES[kind]:
        raise invalid(f"Invalid value for role: {role[:100]}", "role")
    return entity, role


def entry_resource(
    kind: str, bucket: Bucket, entity: str, role: str, base: str, stored: StoredObject | None = None, path: str = "acl"
) -> dict[str, Any]:
    """Return the resource of one entry; `kind` is `bucket` or `object`."""
    where = f"{bucket.name}/{stored.name}/{stored.generation}" if stored else bucket.name
    found: dict[str, Any] = {
        "kind": f"storage#{kind}AccessControl",
        "id": f"{where}/{entity}",
        "selfLink": f"{base}/{path}/{entity}",
        "bucket": bucket.name,
        "entity": entity,
        "role": role,
        "etag": "CAE=",
    }
    if stored:
        found |= {"object": stored.name, "generation": str(stored.generation)}
    if project := re.fullmatch(r"project-(owners|editors|viewers)-(.+)", entity):
        found["projectTeam"] = {"projectNumber": project[2], "team": project[1]}
    elif named := re.fullmatch(r"(user|group|domain)-(.+)", entity):
        found["domain" if named[1] == "domain" else "email"] = named[2]
    return found


def find_role(acl: Acl, entity: str) -> str:
    """Return an entity's role in a list."""
    if entity not in acl:
        raise not_found()
    return acl[entity]


# --- IAM ---


def policy_of(bucket: Bucket) -> dict[str, Any]:
    """Return a bucket's policy."""
    members = [f"projectEditor:{PROJECT_NUMBER}", f"projectOwner:{PROJECT_NUMBER}"]
    default = [
        {"role": "roles/storage.legacyBucketOwner", "members": members},
        {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{PROJECT_NUMBER}"]},
    ]
    kept = bucket.fields.get("_policy", {})
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": kept.get("version", 1),
        "etag": kept.get("etag", "CAE="),
        "bindings": kept.get("bindings", default),
    }


def set_policy(bucket: Bucket, given: dict[str, Any], etag: str) -> None:
    """Replace a bucket's policy; `etag` is that of the new one.

    https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy
    """
    version, bindings = policies.read_policy(given)
    if given.get("etag") and given["etag"] != policy_of(bucket)["etag"]:
        raise StorageError(412, "conditionNotMet", "The IAM policy has been changed by another request.", "etag")
    refuse_public(bucket, [member for each in bindings for member in each["members"]])
    if policies.has_conditions(bindings) and not is_uniform(bucket):
        text = "To set a policy with conditional bindings, enable uniform bucket-level access first"
        raise StorageError(412, "conditionNotMet", f"{text}: {UNIFORM_PAGE}")
    policies.require_version(version, bindings)
    bucket.fields["_policy"] = {"version": version, "bindings": bindings, "etag": etag}
