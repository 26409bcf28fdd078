"""What a bucket's lifecycle rules may hold; they are kept, and no rule is carried out.

https://cloud.google.com/storage/docs/lifecycle and https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.gcs.errors import invalid
from services.gcs.rules import values

MOST_RULES = 100
ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")


def _check_date(value: Any, name: str) -> str:
    """Return a date; a time behind it, which some clients send, is kept, too."""
    try:
        datetime.strptime(value[:10], "%Y-%m-%d")
        datetime.fromisoformat(value)
    except (TypeError, ValueError, KeyError):
        raise invalid(f"Invalid value for field '{name}': {str(value)[:100]!r} is not a date", name) from None
    return str(value)


def _check_size(value: Any, name: str) -> str:
    """Return a number of bytes, which is a text as every number of 64 bits in Google's JSON."""
    text = str(value)
    if isinstance(value, bool) or text.startswith("-"):
        raise invalid(f"Invalid value for field '{name}': {text[:100]!r} is not an integer from 0", name)
    return str(values.integer(text, name))


def _check_classes(value: Any, name: str) -> list[str]:
    return [values.check_storage_class(each) for each in values.check_texts(value, name)]


CONDITIONS: dict[str, Callable[[Any, str], Any]] = {
    "age": values.check_count,
    "createdBefore": _check_date,
    "customTimeBefore": _check_date,
    "daysSinceCustomTime": values.check_count,
    "daysSinceNoncurrentTime": values.check_count,
    "isLive": values.check_boolean,
    "matchesPattern": values.check_text,
    "matchesPrefix": values.check_texts,
    "matchesStorageClass": _check_classes,
    "matchesSuffix": values.check_texts,
    "noncurrentTimeBefore": _check_date,
    "numNewerVersions": values.check_count,
    "sizeAboveBytes": _check_size,
    "sizeBelowBytes": _check_size,
    "withState": values.check_text,
}
"""What each condition holds; `withState` is Terraform's name for `isLive`."""


def read_rules(given: Any) -> list[dict[str, Any]]:
    """Return the rules that a client sends, checked."""
    if not isinstance(given, list) or len(given) > MOST_RULES:
        text = f"Invalid value for field 'lifecycle.rule': a list of at most {MOST_RULES} rules"
        raise invalid(text, "lifecycle.rule")
    return [_read_rule(each) for each in given]


def _read_rule(given: Any) -> dict[str, Any]:
    action = given.get("action") if isinstance(given, dict) else None
    condition = given.get("condition") if isinstance(given, dict) else None
    if not isinstance(action, dict) or not isinstance(condition, dict):
        raise invalid("A lifecycle rule needs an action and a condition.", "lifecycle.rule")
    kind = action.get("type")
    if kind not in ACTIONS:
        raise invalid(f"Invalid value for lifecycle.rule.action.type: {str(kind)[:100]}", "lifecycle.rule.action.type")
    if kind == "SetStorageClass":
        values.check_storage_class(action.get("storageClass"))
    found = {name: _read_condition(name, value) for name, value in condition.items() if value is not None}
    if all(value == [] for value in found.values()):
        raise invalid("A lifecycle rule needs at least one condition.", "lifecycle.rule.condition")
    return {"action": action, "condition": found}


def _read_condition(name: str, value: Any) -> Any:
    if name not in CONDITIONS:
        raise invalid(f"Invalid value for lifecycle.rule.condition: {name[:100]}", "lifecycle.rule.condition")
    return CONDITIONS[name](value, f"lifecycle.rule.condition.{name}")
