"""Which fields of a bucket a client may set, and what each may hold.

https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.gcs.disk.catalogue import Bucket, timestamp
from services.gcs.errors import StorageError, forbidden, invalid
from services.gcs.rules import access, lifecycle, object_fields, values

SECTIONS = ("versioning", "website", "logging", "billing", "hierarchicalNamespace", "ipFilter")
"""Kept as they are given: an object of JSON each."""
TYPES: dict[str, dict[str, Callable[[Any, str], Any]]] = {
    "versioning": {"enabled": values.check_boolean},
    "website": {"mainPageSuffix": values.check_text, "notFoundPage": values.check_text},
    "logging": {"logBucket": values.check_text, "logObjectPrefix": values.check_text},
    "billing": {"requesterPays": values.check_boolean},
    "hierarchicalNamespace": {"enabled": values.check_boolean},
    "iamConfiguration.uniformBucketLevelAccess": {"enabled": values.check_boolean},
    "iamConfiguration.bucketPolicyOnly": {"enabled": values.check_boolean},
    "autoclass": {"enabled": values.check_boolean},
    "cors": {
        "maxAgeSeconds": values.check_count,
        "method": values.check_texts,
        "origin": values.check_texts,
        "responseHeader": values.check_texts,
    },
}
"""What fields of such objects hold."""
ONLY_AT_CREATION = ("location", "customPlacementConfig", "hierarchicalNamespace")
MOST_LABELS, LONGEST_LABEL = 64, 63
LONGEST_RETENTION = 3_155_760_000
"""Seconds: 100 years (https://cloud.google.com/storage/docs/bucket-lock#retention-policy)."""
SOFT_DELETE_DAYS = (7, 90)
"""https://cloud.google.com/storage/docs/soft-delete#retention-duration"""


def new_fields(given: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a new bucket."""
    location = str(given.get("location") or "US").upper()
    found: dict[str, Any] = {
        "location": location,
        "storageClass": values.check_storage_class(given.get("storageClass") or "STANDARD"),
    }
    for name in ONLY_AT_CREATION:
        if isinstance(given.get(name), dict):
            found[name] = _section(given[name], name) if name in SECTIONS else given[name]
    if values.boolean(query.get("enableObjectRetention"), "enableObjectRetention"):
        found["objectRetention"] = {"mode": "Enabled"}
    bucket = Bucket(0, "", 0, 0, "", "", None, found)
    apply(bucket, given)
    set_lists(bucket, given, query)
    return bucket.fields


def change(bucket: Bucket, given: Mapping[str, Any], query: Mapping[str, str], replace: bool) -> None:
    """Change a bucket's fields as PATCH does (what is given), or as PUT (`replace`: everything else goes)."""
    _refuse_folders(given, bucket.fields)
    for name in ("location", "customPlacementConfig"):
        if name in given and str(given[name]).upper() != str(bucket.fields.get(name)).upper():
            raise invalid(f"Invalid argument: the {name} of a bucket cannot be changed.", name)
    policy = bucket.fields.get("retentionPolicy", {})
    if policy.get("isLocked") and (replace or "retentionPolicy" in given):
        if _retention_period(given.get("retentionPolicy")) < int(policy["retentionPeriod"]):
            raise forbidden(
                f"Cannot reduce retention duration of a locked Retention Policy for bucket '{bucket.name}'."
            )
    if replace:
        for name in (*SECTIONS[:3], "labels", "lifecycle", "cors", "retentionPolicy", "defaultEventBasedHold"):
            bucket.fields.pop(name, None)
    apply(bucket, given)
    set_lists(bucket, given, query)


def _refuse_folders(given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse to make folders of names later, as Google does; a client may send back what the bucket has."""
    wanted = _section(given.get("hierarchicalNamespace"), "hierarchicalNamespace")
    if wanted.get("enabled") and not fields.get("hierarchicalNamespace", {}).get("enabled"):
        raise invalid("hierarchicalNamespace can only be enabled when a bucket is created.", "hierarchicalNamespace")


def apply(bucket: Bucket, given: Mapping[str, Any]) -> None:
    """Set the fields that are given; null removes one."""
    for name in SECTIONS:
        if name in given and name not in ONLY_AT_CREATION:
            _set(bucket.fields, name, _section(given[name], name))
    if given.get("storageClass"):
        bucket.fields["storageClass"] = values.check_storage_class(given["storageClass"])
    if given.get("rpo"):
        if given["rpo"] not in ("DEFAULT", "ASYNC_TURBO"):
            raise invalid(f"Invalid value for rpo: {given['rpo']}", "rpo")
        bucket.fields["rpo"] = given["rpo"]
    for name, read in READERS.items():
        if name in given:
            _set(bucket.fields, name, read(given[name], bucket.fields))
    access.refuse_public(bucket, bucket.fields.get("acl", {}))


def _set(fields: dict[str, Any], name: str, value: Any) -> None:
    if value in (None, {}, []):
        fields.pop(name, None)
    else:
        fields[name] = value


def _section(value: Any, name: str) -> Any:
    if value is not None and not isinstance(value, dict):
        raise invalid(f"Invalid value for field '{name}'", name)
    found = {key: each for key, each in (value or {}).items() if each is not None}
    for key, check in TYPES.get(name, {}).items():
        if key in found:
            found[key] = check(found[key], f"{name}.{key}")
    return found


def _labels(value: Any, fields: dict[str, Any]) -> dict[str, str]:
    """Merge labels; null removes one (https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels)."""
    given = {} if value is None else value
    if not isinstance(given, dict) or not all(isinstance(each, str | None) for each in given.values()):
        raise invalid("Invalid value for field 'labels': it must hold texts by name", "labels")
    merged = {} if value is None else {**fields.get("labels", {}), **given}
    found = {name: text for name, text in merged.items() if text is not None}
    if len(found) > MOST_LABELS:
        raise invalid(f"A bucket has at most {MOST_LABELS} labels.", "labels")
    for name, text in given.items():
        # One that an earlier version has taken can still be removed
        if text is not None and not (_is_label(name) and name and _is_label(text)):
            rule = f"at most {LONGEST_LABEL} lower-case letters, digits, dashes and underscores"
            raise invalid(
                f"Invalid value for label '{name[:100]}': '{text[:100]}' (names and values: {rule})", "labels"
            )
    return found


def _is_label(text: str) -> bool:
    r"""Return whether Google takes a text in a label: [\p{Ll}\p{Lo}\p{N}_-]{0,63}."""
    kinds = (each in "_-" or unicodedata.category(each) in ("Ll", "Lo", "Nd", "Nl", "No") for each in text)
    return len(text) <= LONGEST_LABEL and all(kinds)


def _lifecycle(value: Any, fields: dict[str, Any]) -> Any:
    section = _section(value, "lifecycle")
    rules = lifecycle.read_rules(section.get("rule", []))
    return {**section, "rule": rules} if rules else None


def _cors(value: Any, fields: dict[str, Any]) -> Any:
    if value is not None and (not isinstance(value, list) or not all(isinstance(each, dict) for each in value)):
        raise invalid("Invalid value for field 'cors'", "cors")
    return [_section(each, "cors") for each in value or []]


def _retention_period(value: Any) -> int:
    """Return the seconds of a retention policy; 0 without one."""
    period = _section(value, "retentionPolicy").get("retentionPeriod", 0)
    return values.integer(str(period), "retentionPolicy.retentionPeriod") or 0


def _retention_policy(value: Any, fields: dict[str, Any]) -> Any:
    """Return a retention policy with its moment (https://cloud.google.com/storage/docs/bucket-lock)."""
    if not value:
        return None
    period = _retention_period(value)
    if not 0 < period < LONGEST_RETENTION:
        raise invalid("Retention period must be positive and less than 100 years.", "retentionPolicy.retentionPeriod")
    old = fields.get("retentionPolicy", {})
    if old.get("retentionPeriod") == str(period):
        return old
    return {**old, "retentionPeriod": str(period), "effectiveTime": timestamp()}


def _soft_delete_policy(value: Any, fields: dict[str, Any]) -> Any:
    """Return a soft-delete policy with its moment (https://cloud.google.com/storage/docs/soft-delete)."""
    given = _section(value, "softDeletePolicy").get("retentionDurationSeconds", 0)
    seconds = values.integer(str(given), "softDeletePolicy.retentionDurationSeconds") or 0
    fewest, most = (days * 24 * 3600 for days in SOFT_DELETE_DAYS)
    if seconds and not fewest <= seconds <= most:
        text = f"Soft delete retention duration must be 0, or between {fewest} and {most} seconds."
        raise invalid(text, "softDeletePolicy.retentionDurationSeconds")
    return {"retentionDurationSeconds": str(seconds), "effectiveTime": timestamp()}


def _iam_configuration(value: Any, fields: dict[str, Any]) -> Any:
    """Return how access is given (https://cloud.google.com/storage/docs/uniform-bucket-level-access)."""
    _section(value, "iamConfiguration")
    for name in ("uniformBucketLevelAccess", "bucketPolicyOnly"):
        _section((value or {}).get(name), f"iamConfiguration.{name}")
    given, old = value or {}, fields.get("iamConfiguration", {})
    was = old.get("uniformBucketLevelAccess", {"enabled": False})
    section = given.get("uniformBucketLevelAccess") or given.get("bucketPolicyOnly") or was
    enabled = bool(_section(section, "iamConfiguration.uniformBucketLevelAccess").get("enabled"))
    uniform: dict[str, Any] = {"enabled": enabled}
    if enabled:
        uniform["lockedTime"] = was.get("lockedTime") or timestamp(datetime.now(UTC) + timedelta(days=90))
    prevention = given.get("publicAccessPrevention", old.get("publicAccessPrevention", "inherited"))
    prevention = "inherited" if prevention in ("unspecified", None) else prevention
    if prevention not in ("inherited", "enforced"):
        raise invalid(
            f"Invalid value for publicAccessPrevention: {prevention}", "iamConfiguration.publicAccessPrevention"
        )
    return {"bucketPolicyOnly": uniform, "uniformBucketLevelAccess": uniform, "publicAccessPrevention": prevention}


def _autoclass(value: Any, fields: dict[str, Any]) -> Any:
    """Return the Autoclass configuration with its moments (https://cloud.google.com/storage/docs/autoclass)."""
    given, old, now = _section(value, "autoclass"), fields.get("autoclass", {}), timestamp()
    if not given:
        return None
    enabled = bool(given.get("enabled", old.get("enabled")))
    toggled = old.get("toggleTime", now) if enabled == bool(old.get("enabled")) else now
    found = {"enabled": enabled, "toggleTime": toggled}
    if enabled:
        last = given.get("terminalStorageClass") or old.get("terminalStorageClass") or "NEARLINE"
        if last not in ("NEARLINE", "ARCHIVE"):
            raise invalid(f"Invalid value for autoclass.terminalStorageClass: {last}", "autoclass.terminalStorageClass")
        same = last == old.get("terminalStorageClass")
        moment = old.get("terminalStorageClassUpdateTime", now) if same else now
        found |= {"terminalStorageClass": last, "terminalStorageClassUpdateTime": moment}
    return found


def _encryption(value: Any, fields: dict[str, Any]) -> Any:
    """Return the encryption configuration; what it restricts has a moment (.../docs/encryption/enforcement)."""
    found = _section(value, "encryption")
    if found.get("defaultKmsKeyName", "") == "":
        found.pop("defaultKmsKeyName", None)
    else:
        object_fields.read_kms_key(found["defaultKmsKeyName"])
    for name, config in found.items():
        if isinstance(config, dict) and config.get("restrictionMode") == "FullyRestricted":
            found[name] = {"effectiveTime": timestamp(), **config}
    return found


def _default_hold(value: Any, fields: dict[str, Any]) -> Any:
    if value is not None and not isinstance(value, bool):
        raise invalid("Invalid value for field 'defaultEventBasedHold'", "defaultEventBasedHold")
    return value


READERS = {
    "labels": _labels,
    "lifecycle": _lifecycle,
    "cors": _cors,
    "retentionPolicy": _retention_policy,
    "softDeletePolicy": _soft_delete_policy,
    "iamConfiguration": _iam_configuration,
    "defaultEventBasedHold": _default_hold,
    "autoclass": _autoclass,
    "encryption": _encryption,
}


def set_lists(bucket: Bucket, given: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """Set a bucket's lists of access, as given or by the names of predefined ones."""
    wanted = {
        "acl": (given.get("acl"), query.get("predefinedAcl"), "bucket"),
        "defaultObjectAcl": (given.get("defaultObjectAcl"), query.get("predefinedDefaultObjectAcl"), "object"),
    }
    for name, (entries, predefined, kind) in wanted.items():
        if not entries and not predefined:
            continue
        access.refuse_when_uniform(bucket, "set legacy ACL for a bucket")
        acl = access.predefined(predefined, kind) if predefined else access.read_acl(entries, kind)
        access.refuse_public(bucket, acl)
        bucket.fields[name] = acl


def lock(bucket: Bucket) -> None:
    """Lock a bucket's retention policy, for ever (https://cloud.google.com/storage/docs/bucket-lock#policy-locks)."""
    if not bucket.fields.get("retentionPolicy"):
        raise StorageError(400, "invalid", f"Bucket '{bucket.name}' does not have a retention policy.")
    bucket.fields["retentionPolicy"]["isLocked"] = True
