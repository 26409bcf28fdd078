"""The resources that the JSON API answers with: buckets and objects as Google describes them.

https://cloud.google.com/storage/docs/json_api/v1/buckets#resource and .../objects#resource
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from services.gcs.disk.catalogue import LIVE, NONCURRENT, SOFT_DELETED, Bucket, StoredObject, timestamp
from services.gcs.rules import access, values

PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")


@lru_cache(4096)
def etag(first: int, second: int | None = None) -> str:
    """Return Google's tag of a generation and metageneration: two numbers as protobuf writes them, in base64."""
    content = b"\x08" + _varint(first) + (b"" if second is None else b"\x10" + _varint(second))
    return binascii.b2a_base64(content, newline=False).decode()


def _varint(number: int) -> bytes:
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def object_etag(stored: StoredObject) -> str:
    """Return an object's tag."""
    return etag(stored.generation, stored.metageneration)


def object_link(base: str, bucket: str, name: str) -> str:
    """Return an object's address."""
    return f"{base}/storage/v1/b/{bucket}/o/{_quoted(name)}"


def _quoted(name: str) -> str:
    """Return a name as it stands in an address; nearly all have nothing but slashes to quote."""
    return name.replace("/", "%2F") if PLAIN.fullmatch(name) else quote(name, safe="")


def object_resource(bucket: Bucket, stored: StoredObject, base: str, full: bool = False) -> dict[str, Any]:
    """Return the resource of an object.

    Args:
        bucket: its bucket.
        stored: the generation.
        base: the address that the client uses for this server, so that it can follow the links.
        full: whether its list of access is in it.
    """
    path, number = f"/storage/v1/b/{bucket.name}/o/{_quoted(stored.name)}", str(stored.generation)
    link = base + path
    found: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{bucket.name}/{stored.name}/{number}",
        "selfLink": link,
        "mediaLink": f"{base}/download{path}?generation={number}&alt=media",
        "name": stored.name,
        "bucket": bucket.name,
        "generation": number,
        "metageneration": str(stored.metageneration),
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": object_etag(stored),
        "timeCreated": stored.created,
        "updated": stored.updated,
        "timeFinalized": stored.created,
        "timeStorageClassUpdated": stored.created,
    }
    found |= _fields_of_some(bucket, stored)
    if full and not access.is_uniform(bucket):
        found["owner"] = {"entity": stored.fields.get("_owner", access.OWNER)}
        found["acl"] = [
            access.entry_resource("object", bucket, entity, role, link, stored)
            for entity, role in object_acl(bucket, stored).items()
        ]
    return found


def _fields_of_some(bucket: Bucket, stored: StoredObject) -> dict[str, Any]:
    """Return what only some objects have: what a client has set, a checksum, ends."""
    found: dict[str, Any] = {}
    if stored.md5:
        found["md5Hash"] = stored.md5
    if stored.state == NONCURRENT:
        found["timeDeleted"] = stored.deleted
    if stored.state == SOFT_DELETED:
        found["softDeleteTime"] = stored.deleted
    found |= {name: value for name, value in stored.fields.items() if name[0] != "_" and name != "acl"}
    if until := retention_end(bucket, stored):
        found["retentionExpirationTime"] = timestamp(until)
    return found


def object_acl(bucket: Bucket, stored: StoredObject) -> access.Acl:
    """Return an object's list of access."""
    found: access.Acl = stored.fields.get("acl", default_object_acl(bucket))
    return found


def default_object_acl(bucket: Bucket) -> access.Acl:
    """Return the list that new objects of a bucket get."""
    found: access.Acl = bucket.fields.get("defaultObjectAcl", access.PROJECT_PRIVATE)
    return found


def bucket_retention_end(bucket: Bucket, stored: StoredObject) -> datetime | None:
    """Return until when the bucket's retention policy protects an object.

    https://cloud.google.com/storage/docs/bucket-lock: an event-based hold stops the clock, its release starts it anew.
    """
    policy = bucket.fields.get("retentionPolicy")
    if policy is None or stored.state == SOFT_DELETED or stored.fields.get("eventBasedHold"):
        return None
    start = datetime.fromisoformat(stored.fields.get("_released", stored.created))
    return start + timedelta(seconds=int(policy["retentionPeriod"]))


def retention_end(bucket: Bucket, stored: StoredObject) -> datetime | None:
    """Return until when an object is protected, by its bucket's policy or by a retention of its own."""
    own = None if stored.state == SOFT_DELETED else stored.fields.get("retention", {}).get("retainUntilTime")
    ends = [bucket_retention_end(bucket, stored), datetime.fromisoformat(own) if own else None]
    return max((each for each in ends if each), default=None)


def bucket_resource(bucket: Bucket, base: str, full: bool = False) -> dict[str, Any]:
    """Return the resource of a bucket; with its lists of access if `full`."""
    link = f"{base}/storage/v1/b/{bucket.name}"
    found: dict[str, Any] = {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": link,
        "projectNumber": access.PROJECT_NUMBER,
        "name": bucket.name,
        "generation": str(bucket.generation),
        "metageneration": str(bucket.metageneration),
        "etag": etag(bucket.metageneration),
        "timeCreated": bucket.created,
        "updated": bucket.updated,
        "locationType": values.location_type(bucket.fields["location"], bucket.fields.get("customPlacementConfig")),
    }
    if found["locationType"] != "region":
        found["rpo"] = "DEFAULT"
    if bucket.deleted:
        seconds = float(bucket.fields["softDeletePolicy"]["retentionDurationSeconds"])
        until = timestamp(datetime.fromisoformat(bucket.deleted), seconds)
        found |= {"softDeleteTime": bucket.deleted, "hardDeleteTime": until}
    lists = ("acl", "defaultObjectAcl")
    found |= {name: value for name, value in bucket.fields.items() if name[0] != "_" and name not in lists}
    if full and not access.is_uniform(bucket):
        found["owner"] = {"entity": access.OWNER}
        found["acl"] = [
            access.entry_resource("bucket", bucket, entity, role, link)
            for entity, role in bucket.fields.get("acl", access.PROJECT_PRIVATE).items()
        ]
        found["defaultObjectAcl"] = [
            access.entry_resource("object", bucket, entity, role, link, path="defaultObjectAcl")
            for entity, role in default_object_acl(bucket).items()
        ]
    return found


def is_live(stored: StoredObject) -> bool:
    """Return whether a generation is the live one."""
    return stored.state == LIVE
