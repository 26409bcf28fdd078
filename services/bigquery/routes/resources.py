"""What all resources share: etags, patches, and fields that only the server sets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.routes.call import Call


def etag(*parts: Any) -> str:
    """A short text that changes with the parts."""
    data = json.dumps(parts, sort_keys=True, default=str).encode()
    return base64.b64encode(hashlib.sha256(data).digest()[:16]).decode()


def cleaned(resource: Mapping[str, Any], outputs: Collection[str]) -> dict[str, Any]:
    """A resource as sent, without null and without what only the server sets."""
    kept = ((key, value) for key, value in resource.items() if value is not None and key not in outputs)
    return {key: value for key, value in kept if not key.startswith("_")}


def patched(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A resource after a patch: objects are merged, null takes a field away."""
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(new.get(key), Mapping) and key not in ("schema", "view"):
            new[key] = patched(new[key], value)
        else:
            new[key] = value
    return new


def shown(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what only the server reads."""
    return {key: value for key, value in resource.items() if not key.startswith("_")}


def hidden(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The other part of it, which a client's change must not take away."""
    return {key: value for key, value in resource.items() if key.startswith("_")}


def check_etag(call: Call, tag: str) -> None:
    """Refuses a change of a resource that has changed since the client read it.

    Raises:
        BigQueryError: The header If-Match names another etag.
    """
    wanted = call.headers.get("if-match", "").strip().strip('"')
    if wanted and wanted not in (tag, "*"):
        raise BigQueryError("conditionNotMet", "Precondition Failed", "If-Match", 412)
