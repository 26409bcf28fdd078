"""Google's rules for names, values and limits; each once, with its page.

The pages: https://cloud.google.com/storage/docs/buckets#naming, https://cloud.google.com/storage/docs/objects#naming,
https://cloud.google.com/storage/quotas, https://cloud.google.com/storage/docs/locations
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Any

from services.gcs.errors import StorageError, invalid

MOST_NAME_BYTES = 1024
MOST_JSON_BYTES = 2**21
"""Of a request's JSON. Google's own limit of an object's metadata is 8 KiB, of an IAM policy 256 KiB."""
MOST_LEVELS = 100
"""Of objects and lists in one another, as in Google's protocol buffers (https://protobuf.dev/programming-guides/json)."""
MOST_METADATA_BYTES = 8192
MOST_SOURCES = 32
"""Of one compose (https://cloud.google.com/storage/docs/json_api/v1/objects/compose)."""
MOST_RESULTS = 1000
"""Of one page of a list (https://cloud.google.com/storage/docs/json_api/v1/objects/list)."""
MOST_CALLS = 100
"""In one batch (https://cloud.google.com/storage/docs/batch)."""
MOST_OBJECT_BYTES = 5 * 2**40
CHUNK = 256 * 1024
"""Every part of a resumable upload but the last is a multiple of it.
https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload"""
UPLOAD_SECONDS = 7 * 24 * 3600
"""How long an upload may take (https://cloud.google.com/storage/docs/resumable-uploads#session-uris)."""
SOFT_DELETE_SECONDS = 7 * 24 * 3600
"""The default (https://cloud.google.com/storage/docs/soft-delete#default)."""
STORAGE_CLASSES = {
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
}
MULTI_REGIONS, DUAL_REGIONS = {"US", "EU", "ASIA"}, {"NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1"}


def bucket_name_problem(name: str) -> str:
    """Return the rule for names that a bucket's name breaks; empty if Google takes it."""
    parts = name.split(".")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", name):
        return "only a-z, 0-9, -, _ and . are allowed, and a letter or digit at both ends"
    if not 3 <= len(name) <= (63 if len(parts) == 1 else 222) or max(map(len, parts)) > 63:
        return "it needs 3 to 63 characters; with dots up to 222, and at most 63 between two dots"
    if not all(re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", part) for part in parts):
        return "beside a dot there must be a letter or a digit"
    if _is_address(name):
        return "it must not look like an IP address"
    if name.startswith("goog") or re.search("g[o0][o0]gle", name):
        return "it must neither begin with goog nor contain google"
    return ""


def check_bucket_name(name: str) -> None:
    """Refuse a name that Google refuses for a bucket."""
    if problem := bucket_name_problem(name):
        page = "https://cloud.google.com/storage/docs/buckets#naming"
        raise invalid(f"Invalid bucket name: '{name}' ({problem}: {page})", xml_code="InvalidBucketName")


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(name))
    except ValueError:
        return bool(re.fullmatch(r"\d+(\.\d+){3}", name))


def check_object_name(name: Any) -> str:
    """Return an object's name if Google takes it (https://cloud.google.com/storage/docs/objects#naming)."""
    if not isinstance(name, str) or not name:
        raise StorageError(400, "required", "Required parameter: name", "name")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise invalid("Disallowed unicode characters present in object name", "name") from None
    if size > MOST_NAME_BYTES:
        text = f"The maximum object length is {MOST_NAME_BYTES} characters, but got a name with {size} characters"
        raise invalid(f"{text}: '{name[:64]}...'", "name")
    if "\r" in name or "\n" in name or name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Disallowed unicode characters present in object name '{name}'", "name")
    return name


def location_type(location: str, placement: Any) -> str:
    """Return the type of a location (https://cloud.google.com/storage/docs/locations)."""
    if placement or location in DUAL_REGIONS:
        return "dual-region"
    return "multi-region" if location in MULTI_REGIONS else "region"


def check_storage_class(value: Any) -> str:
    """Return a storage class if Google has it (https://cloud.google.com/storage/docs/storage-classes)."""
    if not isinstance(value, str) or value not in STORAGE_CLASSES:
        raise invalid(f"Invalid argument: The storage class '{value}' is not valid.", "storageClass")
    return str(value)


def integer(text: str | None, name: str) -> int | None:
    """Return a parameter as a number; None if it is missing."""
    if text is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        raise invalid(f"Invalid value '{text[:100]}'. Values must be integers for parameter {name}.", name)
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise invalid(f"Invalid value '{text}'. Values must be within the range of int64 for parameter {name}.", name)
    return number


def page_size(text: str | None, most: int = MOST_RESULTS) -> int:
    """Return how many items a page of a list has at most, by the parameter `maxResults`; 0 asks for all that may be."""
    number = integer(text, "maxResults") or most
    if number < 0:
        raise invalid(f"Invalid value '{number}'. Values must be within the range: [0, 4294967295]", "maxResults")
    return min(number, most)


def boolean(text: str | None, name: str) -> bool:
    """Return a parameter as true or false; false if it is missing."""
    if text is None or text.lower() in ("false", "0", "no"):
        return False
    if text.lower() in ("", "true", "1", "yes"):
        return True
    raise invalid(f"Invalid value for boolean: {text[:100]}", name)


def check_boolean(value: Any, name: str) -> bool:
    """Return a field of a resource that is true or false."""
    if not isinstance(value, bool):
        raise invalid(f"Invalid value for field '{name}': it is true or false", name)
    return value


def check_text(value: Any, name: str) -> str:
    """Return a field of a resource that is a text."""
    if not isinstance(value, str):
        raise invalid(f"Invalid value for field '{name}': it is a text", name)
    return value


def check_texts(value: Any, name: str) -> list[str]:
    """Return a field of a resource that is a list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise invalid(f"Invalid value for field '{name}': it is a list of texts", name)
    return value


def check_count(value: Any, name: str) -> int:
    """Return a field of a resource that is a number from 0; as a text, too, as protocol buffers have it in JSON."""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**31:
        raise invalid(f"Invalid value for field '{name}': {text[:100]!r} is not an integer from 0", name)
    return int(text)


def check_metadata(value: Any) -> dict[str, str]:
    """Return user metadata: texts by text, of bounded size (https://cloud.google.com/storage/quotas#objects)."""
    if not isinstance(value, dict) or not all(isinstance(each, str | int | float | bool) for each in value.values()):
        raise invalid("Invalid value for field 'metadata': it must hold texts by name", "metadata")
    if sum(len(name.encode()) + len(str(each).encode()) for name, each in value.items()) > MOST_METADATA_BYTES:
        raise invalid(f"The total size of custom metadata must be at most {MOST_METADATA_BYTES} bytes.", "metadata")
    return {name: each if isinstance(each, str) else str(each).lower() for name, each in value.items()}


def check_time(value: Any, name: str) -> datetime:
    """Return a moment that is written as RFC 3339 has it."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise invalid(f"Invalid value for field '{name}': {str(value)[:100]!r} is not a date and time", name) from None
    if moment.tzinfo is None:
        raise invalid(f"Invalid value for field '{name}': {value!r} has no time zone", name)
    return moment
