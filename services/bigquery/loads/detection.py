"""Types of columns from their first values (https://cloud.google.com/bigquery/docs/schema-detect)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.bigquery.loads.values import plain_of
from services.bigquery.types import Type

_PATTERNS = (
    ("INTEGER", re.compile(r"[+-]?\d{1,19}")),
    ("FLOAT", re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)", re.IGNORECASE)),
    ("BOOLEAN", re.compile(r"true|false", re.IGNORECASE)),
    ("DATE", re.compile(r"\d{4}-\d{1,2}-\d{1,2}")),
    ("TIME", re.compile(r"\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,6})?")),
    ("TIMESTAMP", re.compile(r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d{0,6})?)?\s*\S*")),
)
_KINDS = {"INTEGER": "INT64", "DATE": "DATE", "TIME": "TIME", "TIMESTAMP": "TIMESTAMP"}
_LATER = {("INTEGER", "FLOAT"): "FLOAT", ("DATE", "TIMESTAMP"): "TIMESTAMP"}


def detected(values: Iterable[str | None]) -> str:
    """The REST name of the type that fits all texts; STRING if there are none."""
    found = ""
    for value in values:
        if value is not None:
            found = _common(found, _of(value))
            if found == "STRING":
                break
    return found or "STRING"


def _of(text: str) -> str:
    stripped = text.strip()
    for kind, pattern in _PATTERNS:
        if pattern.fullmatch(stripped):
            try:
                if kind in _KINDS:
                    plain_of(Type(_KINDS[kind]), stripped)
                return kind
            except ValueError:
                continue
    return "STRING"


def _common(first: str, second: str) -> str:
    if not first or first == second:
        return second
    return _LATER.get((first, second)) or _LATER.get((second, first)) or "STRING"


def field_name(text: str) -> str:
    """A column's name from a header: BigQuery replaces characters that no name has."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text.strip())
    return f"_{name}" if name[:1].isdigit() else name


def fields_of_objects(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The columns of JSON objects in REST form."""
    names: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            names.setdefault(name, []).append(value)
    return [_field(name, values) for name, values in names.items()]


def _field(name: str, values: list[Any]) -> dict[str, Any]:
    lists = [value for value in values if isinstance(value, list)]
    flat = [item for value in lists for item in value] if lists else values
    field: dict[str, Any] = {"name": field_name(name), "mode": "REPEATED" if lists else "NULLABLE"}
    objects = [value for value in flat if isinstance(value, dict)]
    if objects:
        return {**field, "type": "RECORD", "fields": fields_of_objects(objects)}
    return {**field, "type": detected(_text(value) for value in flat)}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else repr(value)
