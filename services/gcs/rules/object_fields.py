"""Which fields of an object a client may set, and what each may hold.

https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.gcs.disk.catalogue import Bucket, StoredObject, timestamp
from services.gcs.disk.contents import Sums
from services.gcs.errors import StorageError, forbidden, invalid
from services.gcs.rules import access, values
from services.gcs.rules.resources import default_object_acl

TEXTS = ("contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl")
HOLDS = ("temporaryHold", "eventBasedHold")
SETTABLE = (*TEXTS, *HOLDS, "metadata", "customTime", "retention", "acl", "contexts")
"""Others, such as `size` or `generation`, are ignored where a client sends back what it has read."""
KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+(/cryptoKeyVersions/\d+)?")
ENCRYPTION_HEADERS = {"": "x-goog-encryption-", "source": "x-goog-copy-source-encryption-"}


def read_fields(given: Mapping[str, Any], bucket: Bucket, names: tuple[str, ...] = SETTABLE) -> dict[str, Any]:
    """Return those fields of a resource that a client may set, checked; null means that a field is not there."""
    found: dict[str, Any] = {}
    for name in names:
        if given.get(name) is not None:
            found[name] = _read_field(name, given[name], bucket)
    return {name: value for name, value in found.items() if value not in ({}, None)}


def _read_field(name: str, value: Any, bucket: Bucket) -> Any:
    if name in TEXTS:
        if not isinstance(value, str) or len(value) > 1024 or "\n" in value or "\r" in value:
            raise invalid(f"Invalid value for field '{name}'", name)
        return value or None
    if name in HOLDS:
        if not isinstance(value, bool):
            raise invalid(f"Invalid value for field '{name}': it is true or false", name)
        return value
    if name == "metadata":
        return values.check_metadata(
            {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value
        )
    if name == "customTime":
        return precise_time(values.check_time(value, name))
    if name == "retention":
        return _read_retention(value, bucket)
    if name == "acl":
        return read_object_acl(value, bucket)
    return value if isinstance(value, dict) else None


def precise_time(moment: datetime) -> str:
    """Return a moment with as many digits as it has, at least milliseconds."""
    text = timestamp(moment)
    return text if moment.microsecond % 1000 == 0 else f"{text[:-4]}{moment.microsecond:06d}Z"


def _read_retention(value: Any, bucket: Bucket) -> dict[str, Any] | None:
    """Return an object's retention (https://cloud.google.com/storage/docs/object-lock)."""
    if not value or not isinstance(value, dict) or not any(value.values()):
        return None
    if not bucket.fields.get("objectRetention"):
        raise invalid("Object retention can only be set on objects in a bucket with object retention enabled.")
    mode, until = value.get("mode"), values.check_time(value.get("retainUntilTime"), "retention.retainUntilTime")
    if mode not in ("Locked", "Unlocked"):
        raise invalid("Invalid value for field 'retention.mode': it is Locked or Unlocked", "retention.mode")
    if until <= datetime.now(UTC):
        raise invalid("Retention retainUntilTime must be a future date and time.", "retention.retainUntilTime")
    return {"mode": mode, "retainUntilTime": timestamp(until)}


def read_object_acl(value: Any, bucket: Bucket) -> access.Acl | None:
    """Return the list of access that a client sends for an object."""
    if not value:
        return None
    access.refuse_when_uniform(bucket, "update access control for an object")
    found = access.read_acl(value, "object")
    access.refuse_public(bucket, found)
    return found


def with_acl(fields: dict[str, Any], bucket: Bucket, name: str | None, account: str) -> dict[str, Any]:
    """Return a new object's fields with its owner and its list of access.

    Args:
        fields: those that are given.
        bucket: its bucket.
        name: of a predefined list (the parameter `predefinedAcl`); without it the bucket's list for new objects holds.
        account: who stores it.
    """
    owner = f"user-{account}"
    if name:
        access.refuse_when_uniform(bucket, "use predefined ACL")
        acl = access.predefined(name, "object", owner)
        access.refuse_public(bucket, acl)
        return {**fields, "acl": acl, "_owner": owner}
    if access.is_uniform(bucket):
        return fields
    return {"acl": {**default_object_acl(bucket), owner: "OWNER"}, **fields, "_owner": owner}


def new_fields(given: Mapping[str, Any], bucket: Bucket, predefined_acl: str | None, account: str) -> dict[str, Any]:
    """Return the fields of a new object."""
    fields = read_fields(given, bucket)
    if given.get("storageClass"):
        fields["storageClass"] = values.check_storage_class(given["storageClass"])
    if key := given.get("kmsKeyName") or bucket.fields.get("encryption", {}).get("defaultKmsKeyName"):
        fields["kmsKeyName"] = read_kms_key(key)
    return with_acl(fields, bucket, predefined_acl, account)


def read_kms_key(name: Any) -> str:
    """Return the version of a key of Cloud KMS that an object's resource names; nothing is encrypted with it.

    https://cloud.google.com/storage/docs/encryption/customer-managed-keys
    """
    found = KMS_KEY.fullmatch(str(name))
    if not found:
        raise invalid(f"Malformed Cloud KMS crypto key: {str(name)[:200]}", "kmsKeyName")
    return str(name) if found[1] else f"{name}/cryptoKeyVersions/1"


def change(stored: StoredObject, given: Mapping[str, Any], bucket: Bucket, replace: bool, overrides: bool) -> None:
    """Change an object's fields as PATCH does (what is given), or as PUT (`replace`: everything else goes).

    Args:
        stored: the object; its fields are changed.
        given: the resource that the client sends; null removes a field or a key of the metadata.
        bucket: its bucket.
        replace: whether fields that are not given are removed.
        overrides: `overrideUnlockedRetention`.
    """
    before = dict(stored.fields)
    checked = read_fields(given, bucket)
    for name in SETTABLE:
        if name in given or (replace and name not in ("acl", "retention", *HOLDS)):
            stored.fields.pop(name, None)
    stored.fields |= checked
    if not replace and isinstance(given.get("metadata"), dict):
        merged = {**before.get("metadata", {}), **given["metadata"]}
        stored.fields["metadata"] = values.check_metadata(
            {key: each for key, each in merged.items() if each is not None}
        )
        if not stored.fields["metadata"]:
            del stored.fields["metadata"]
    if "customTime" in before:
        _check_custom_time(before, stored.fields)
    _check_retention(before, stored.fields, overrides)
    if before.get("eventBasedHold") and not stored.fields.get("eventBasedHold"):
        stored.fields["_released"] = timestamp()


def _check_custom_time(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse to remove a custom time or to set it back."""
    if after.get("customTime", "") < before["customTime"]:
        raise invalid("Custom time cannot be removed or set to an earlier value.", "customTime")


def _check_retention(before: dict[str, Any], after: dict[str, Any], overrides: bool) -> None:
    """Refuse to shorten a retention that is locked, or unlocked without the parameter that allows it."""
    old, new = before.get("retention"), after.get("retention")
    if not old or (new and new["retainUntilTime"] >= old["retainUntilTime"] and new["mode"] in (old["mode"], "Locked")):
        return
    if old["mode"] == "Locked":
        raise forbidden("The retention of this object is locked: it cannot be removed, shortened or unlocked.")
    if not overrides:
        raise forbidden("To remove, shorten or unlock the retention, set overrideUnlockedRetention to true.")


def check_sums(sums: Sums, md5: str | None, crc32c: str | None) -> None:
    """Compare a content with the checksums that the client has sent."""
    if crc32c and crc32c != sums.crc32c:
        raise invalid(f'Provided CRC32C "{str(crc32c)[:100]}" doesn\'t match calculated CRC32C "{sums.crc32c}".')
    if md5 and md5 != sums.md5:
        raise invalid(f'Provided MD5 hash "{str(md5)[:100]}" doesn\'t match calculated MD5 hash "{sums.md5}".')


def read_hash_header(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return md5 and crc32c from the headers `x-goog-hash` and `Content-MD5`."""
    pairs = (pair.strip().partition("=") for pair in headers.get("x-goog-hash", "").split(","))
    found = {name.strip().lower(): value for name, _, value in pairs if value}
    return found.get("md5") or headers.get("content-md5"), found.get("crc32c")


def encryption_key(headers: Mapping[str, str], which: str = "") -> dict[str, str] | None:
    """Return what an object's resource says about the key that the client has sent; the key itself is not kept.

    https://cloud.google.com/storage/docs/encryption/customer-supplied-keys
    """
    prefix = ENCRYPTION_HEADERS[which]
    algorithm, key = headers.get(f"{prefix}algorithm"), headers.get(f"{prefix}key")
    if not algorithm and not key:
        return None
    if algorithm != "AES256":
        raise invalid("The encryption algorithm is not supported. Only AES256 is.", "encryptionAlgorithm")
    try:
        content = base64.b64decode(key or "", validate=True)
    except ValueError:
        content = b""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if len(content) != 32 or headers.get(f"{prefix}key-sha256", digest) != digest:
        reason = "customerEncryptionKeyFormatIsInvalid"
        raise StorageError(
            400,
            reason,
            "Missing an encryption key, or it is not base64 encoded, or it does not meet the required length.",
        )
    return {"encryptionAlgorithm": "AES256", "keySha256": digest}


def check_key(stored: StoredObject, given: dict[str, str] | None) -> None:
    """Refuse to read an object's content without the key that it was written with."""
    needed = stored.fields.get("customerEncryption")
    if needed and not given:
        reason = "resourceIsEncryptedWithCustomerEncryptionKey"
        raise StorageError(400, reason, "The target object is encrypted by a customer-supplied encryption key.")
    if needed and given != needed:
        reason = "customerEncryptionKeyIsIncorrect"
        raise StorageError(400, reason, "Customer-supplied encryption key is incorrect.")
    if given and not needed:
        reason = "resourceNotEncryptedWithCustomerEncryptionKey"
        raise StorageError(400, reason, "The target object is not encrypted by a customer-supplied encryption key.")
