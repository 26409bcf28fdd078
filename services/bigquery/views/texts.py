"""GoogleSQL texts of types, options and definitions, as INFORMATION_SCHEMA shows them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from services.bigquery import schema
from services.bigquery.records import Dataset, Resource, Table

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_STRINGS = {"description": "description", "friendlyName": "friendly_name", "kmsKeyName": "kms_key_name"}


def data_type(field: Resource) -> str:
    """A column's type, such as `ARRAY<STRUCT<a INT64, b STRING(5)>>`."""
    element = _element(field)
    return f"ARRAY<{element}>" if schema.mode(field) == "REPEATED" else element


def _element(field: Resource) -> str:
    if field.get("fields"):
        inner = ", ".join(f"{part['name']} {data_type(part)}" for part in field["fields"])
        return f"STRUCT<{inner}>"
    kind = schema.type_of({**field, "mode": "NULLABLE"})
    if field.get("maxLength"):
        return f"{kind.sql}({field['maxLength']})"
    if field.get("precision"):
        return f"{kind.sql}({field['precision']}{', ' + str(field['scale']) if field.get('scale') else ''})"
    return kind.sql


def quoted(text: str) -> str:
    """A string literal of GoogleSQL's."""
    return json.dumps(text, ensure_ascii=False)


def options(resource: Resource) -> Iterator[tuple[str, str, str]]:
    """Name, type and value of each option of a table or dataset."""
    for key, name in _STRINGS.items():
        if resource.get(key):
            yield name, "STRING", quoted(str(resource[key]))
    if resource.get("labels"):
        pairs = ", ".join(f"STRUCT({quoted(key)}, {quoted(value)})" for key, value in resource["labels"].items())
        yield "labels", "ARRAY<STRUCT<STRING, STRING>>", f"[{pairs}]"
    if resource.get("expirationTime"):
        moment = _EPOCH + datetime.timedelta(milliseconds=int(resource["expirationTime"]))
        text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        yield "expiration_timestamp", "TIMESTAMP", f'TIMESTAMP "{text}"'
    partitioning = resource.get("timePartitioning") or {}
    if partitioning.get("expirationMs"):
        days = int(partitioning["expirationMs"]) / 86400000
        yield "partition_expiration_days", "FLOAT64", repr(days)
    if resource.get("requirePartitionFilter") or partitioning.get("requirePartitionFilter"):
        yield "require_partition_filter", "BOOL", "true"
    if resource.get("location"):
        yield "location", "STRING", quoted(str(resource["location"]))
    if resource.get("defaultTableExpirationMs"):
        yield "default_table_expiration_days", "FLOAT64", repr(int(resource["defaultTableExpirationMs"]) / 86400000)


def _clause(resource: Resource) -> str:
    items = [f"{name}={value}" for name, _, value in options(resource) if name != "location"]
    return "\nOPTIONS(\n  " + ",\n  ".join(items) + "\n)" if items else ""


def _partition_by(table: Table) -> str:
    if ranges := table.resource.get("rangePartitioning"):
        bounds = ranges["range"]
        array = f"GENERATE_ARRAY({bounds['start']}, {bounds['end']}, {bounds['interval']})"
        return f"\nPARTITION BY RANGE_BUCKET({ranges['field']}, {array})"
    times = table.resource.get("timePartitioning")
    if not times:
        return ""
    unit, column = times.get("type", "DAY"), times.get("field")
    if not column:
        return "\nPARTITION BY " + ("_PARTITIONDATE" if unit == "DAY" else f"TIMESTAMP_TRUNC(_PARTITIONTIME, {unit})")
    kind = next(data_type(field) for field in table.fields if field["name"].lower() == column.lower())
    if unit == "DAY":
        return f"\nPARTITION BY {column if kind == 'DATE' else f'DATE({column})'}"
    return f"\nPARTITION BY {kind}_TRUNC({column}, {unit})"


def _column(field: Resource) -> str:
    required = " NOT NULL" if schema.mode(field) == "REQUIRED" else ""
    default = f" DEFAULT {field['defaultValueExpression']}" if field.get("defaultValueExpression") else ""
    note = f" OPTIONS(description={quoted(field['description'])})" if field.get("description") else ""
    return f"{field['name']} {data_type(field)}{default}{required}{note}"


def table_ddl(table: Table) -> str:
    """The statement that would create a table or view."""
    name, definition = ".".join(table.path), table.resource
    for key, word in (("view", "VIEW"), ("materializedView", "MATERIALIZED VIEW")):
        if definition.get(key):
            return f"CREATE {word} `{name}`{_clause(definition)}\nAS {definition[key]['query']};"
    words = {"EXTERNAL": "EXTERNAL TABLE", "SNAPSHOT": "SNAPSHOT TABLE"}.get(table.kind, "TABLE")
    columns = ",\n  ".join(map(_column, table.fields))
    clustering = (definition.get("clustering") or {}).get("fields")
    by = f"\nCLUSTER BY {', '.join(clustering)}" if clustering else ""
    return f"CREATE {words} `{name}`\n(\n  {columns}\n){_partition_by(table)}{by}{_clause(definition)};"


def dataset_ddl(dataset: Dataset) -> str:
    """The statement that would create a dataset."""
    location = dataset.resource.get("location", "US")
    more = [f"{name}={value}" for name, _, value in options(dataset.resource) if name != "location"]
    items = ",\n  ".join([*more, f"location={quoted(location)}"])
    return f"CREATE SCHEMA `{'.'.join(dataset.path)}`\nOPTIONS(\n  {items}\n);"


def routine_type(kind: Any) -> str:
    """A type of REST's StandardSqlDataType, such as `ARRAY<INT64>`."""
    if not kind:
        return ""
    name = str(kind.get("typeKind", ""))
    if name == "ARRAY":
        return f"ARRAY<{routine_type(kind['arrayElementType'])}>"
    if name == "STRUCT":
        fields = kind.get("structType", {}).get("fields", ())
        inner = (f"{part.get('name', '')} {routine_type(part['type'])}".strip() for part in fields)
        return f"STRUCT<{', '.join(inner)}>"
    return name
