"""Avro: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro."""

from __future__ import annotations

import datetime
import decimal
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from services.bigquery import schema, types
from services.bigquery.errors import NotBuilt
from services.bigquery.loads.columns import ROWS, Reading, restricts, unreadable
from services.bigquery.loads.columns import restricted as broken
from services.bigquery.loads.values import json_text, plain_of
from services.bigquery.types import Type

_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "INTEGER",
    "float": "FLOAT",
    "double": "FLOAT",
    "bytes": "BYTES",
    "fixed": "BYTES",
    "string": "STRING",
    "enum": "STRING",
}
_LOGICAL = {
    "date": "DATE",
    "time-millis": "TIME",
    "time-micros": "TIME",
    "timestamp-millis": "TIMESTAMP",
    "timestamp-micros": "TIMESTAMP",
    "local-timestamp-millis": "DATETIME",
    "local-timestamp-micros": "DATETIME",
}
_DAY_0 = datetime.date(1970, 1, 1).toordinal()


def detect(file: Path, reading: Reading) -> list[dict[str, Any]]:
    """The columns."""
    with file.open("rb") as data:
        found = _open(data).writer_schema
    return [_field(one["name"], one["type"], reading) for one in found.get("fields", ())]


def _open(data: Any) -> Any:
    try:
        return fastavro.reader(data)
    except (ValueError, EOFError, KeyError, IndexError, TypeError) as error:
        raise unreadable(f"Input file is not in Avro format. ({str(error)[:200]})") from error


def _field(name: str, kind: Any, reading: Reading) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "mode": "REQUIRED"}
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        if len(others) != 1:
            raise NotBuilt(f"unions of Avro with several types (column {name})")
        inner = _field(name, others[0], reading)
        return {**inner, "mode": "REPEATED" if inner["mode"] == "REPEATED" else "NULLABLE"}
    if not isinstance(kind, Mapping):
        kind = {"type": kind}
    if kind["type"] == "array":
        return {**_field(name, kind["items"], reading), "mode": "REPEATED"}
    if kind["type"] == "map":  # https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro#complex_types
        pair = [{**field, "name": "key", "type": "STRING"}, _field("value", kind["values"], reading)]
        return {"name": name, "type": "RECORD", "mode": "REPEATED", "fields": pair}
    if kind["type"] == "record":
        fields = [_field(one["name"], one["type"], reading) for one in kind["fields"]]
        return {**field, "type": "RECORD", "fields": fields}
    if kind.get("logicalType") == "decimal":
        return {**field, "type": reading.decimal(int(kind["precision"]), int(kind.get("scale") or 0))}
    if isinstance(kind["type"], (Mapping, list)):
        return _field(name, kind["type"], reading)
    found = _LOGICAL.get(kind.get("logicalType", "")) or _TYPES.get(kind["type"])
    if found is None:
        raise NotBuilt(f"Avro's type {kind['type']} (column {name})")
    return {**field, "type": found}


def batches(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """The rows; columns are found by their names."""
    kinds = [schema.type_of(field) for field in fields]
    with file.open("rb") as data:
        rows = iter(_open(data))
        while piece := list(itertools.islice(rows, ROWS)):
            folded = [{name.lower(): value for name, value in row.items()} for row in piece]
            arrays = []
            for field, kind in zip(fields, kinds, strict=True):
                array = _column([row.get(field["name"].lower()) for row in folded], kind, str(field["name"]))
                if restricts(field) and (wrong := broken(array, field)):
                    raise unreadable(next(iter(wrong.values())))
                arrays.append(array)
            yield pa.RecordBatch.from_arrays(arrays, names=[f"o{number}" for number in range(len(arrays))])


def _column(values: list[Any], kind: Type, name: str) -> Any:
    try:
        return types.arrow_column([python_value(kind, value) for value in values], kind)
    except (pa.ArrowInvalid, ValueError, TypeError, ArithmeticError) as error:
        raise unreadable(f"Column '{name}' does not fit {kind.sql}: {str(error).splitlines()[0][:200]}") from error


def python_value(kind: Type, value: Any) -> Any:
    """A Python value of Avro or Arrow in plain form.

    Raises:
        ValueError: It is none of that type.
    """
    if kind.kind == "ARRAY":
        items = value.items() if isinstance(value, Mapping) else value or ()  # a map of Avro
        return [python_value(kind.part, item) for item in items]
    if value is None:
        return None
    if kind.kind == "STRUCT" and isinstance(value, (list, tuple)):  # a map of Parquet, or one of its pairs
        parts = value if isinstance(value, tuple) else (value,)
        pairs = enumerate(zip(kind.fields, parts, strict=True))
        return {f"f{number}": python_value(part, item) for number, ((_, part), item) in pairs}
    if kind.kind == "STRUCT" and isinstance(value, Mapping):
        by_name = {name.lower(): item for name, item in value.items()}
        named = enumerate(kind.fields)
        return {f"f{number}": python_value(part, by_name.get(name.lower())) for number, (name, part) in named}
    if kind.kind == "RANGE" and isinstance(value, Mapping):
        return plain_of(kind, {end: _text(value.get(end)) for end in ("start", "end")})
    if kind.kind == "JSON":
        return json_text(value.decode() if isinstance(value, bytes) else value)
    if kind.kind == "BYTES":
        return value.encode() if isinstance(value, str) else bytes(value)
    if kind.kind == "STRING" and isinstance(value, bytes):
        return value.decode()
    if kind.kind == "DATE" and type(value) is datetime.date:
        return value.toordinal() - _DAY_0
    plain = plain_of(kind, _text(value))
    if isinstance(value, decimal.Decimal) and kind.kind in _EXACT and _EXACT[kind.kind](plain) != value:
        raise ValueError(f"a value is out of valid {kind.kind} range")
    return plain


_EXACT: Mapping[str, Callable[[Any], decimal.Decimal]] = {
    "NUMERIC": lambda plain: plain,
    "BIGNUMERIC": types.decimal_of,
}
"""Types that round numbers of JSON and CSV, but not of files that have decimals."""


def _text(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.timedelta):
        raise ValueError("a duration is no value of BigQuery's")
    return value
