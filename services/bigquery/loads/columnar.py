"""Parquet, ORC and Avro: files that name their columns and types.

Types: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#type_conversions, and the pages about
ORC and Avro beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from services.bigquery import schema, types
from services.bigquery.errors import NotBuilt
from services.bigquery.loads import avro_files
from services.bigquery.loads.columns import ROWS, Reading, restricted, restricts, unreadable
from services.bigquery.types import Type


def detect(file: Path, reading: Reading) -> list[dict[str, Any]]:
    """The columns."""
    if reading.format == "AVRO":
        return avro_files.detect(file, reading)
    return [_field(one, reading) for one in _open(file, reading)[0]]


def _open(file: Path, reading: Reading) -> tuple[Any, Iterator[Any]]:
    """A file's Arrow schema, and its rows."""
    try:
        if reading.format == "ORC":
            found = orc.ORCFile(str(file))
            stripes = (found.read_stripe(number) for number in range(found.nstripes))
            return found.schema, (pa.RecordBatch.from_arrays(one.columns, schema=one.schema) for one in stripes)
        parquet = pq.ParquetFile(file)
        return parquet.schema_arrow, parquet.iter_batches(ROWS)
    except (pa.ArrowException, OSError) as error:
        kind = reading.format.capitalize()
        raise unreadable(f"Input file is not in {kind} format. ({str(error)[:200]})") from error


def _field(one: pa.Field, reading: Reading) -> dict[str, Any]:
    """The REST form of an Arrow column."""
    kind = one.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return {**_field(pa.field(one.name, kind.value_type), reading), "mode": "REPEATED"}
    field = {"name": one.name, "mode": "NULLABLE" if one.nullable else "REQUIRED"}
    if pa.types.is_struct(kind):
        return {**field, "type": "RECORD", "fields": [_field(kind.field(n), reading) for n in range(kind.num_fields)]}
    if pa.types.is_map(kind):
        return {**field, **_map(one, reading)}
    if pa.types.is_dictionary(kind):
        return {**_field(pa.field(one.name, kind.value_type), reading), **field}
    return {**field, "type": _rest_type(kind, reading)}


def _map(one: pa.Field, reading: Reading) -> dict[str, Any]:
    """A map: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#maptargettype."""
    key = _field(pa.field("key", one.type.key_type), reading)
    value = _field(pa.field("value", one.type.item_type), reading)
    pairs = {"type": "RECORD", "mode": "REPEATED", "fields": [{**key, "mode": "REQUIRED"}, value]}
    if reading.maps_are_arrays:
        return pairs
    return {"type": "RECORD", "fields": [{"name": "key_value", **pairs}]}


_TESTS = (
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (pa.types.is_string, "STRING"),
    (pa.types.is_large_string, "STRING"),
    (pa.types.is_binary, "BYTES"),
    (pa.types.is_large_binary, "BYTES"),
    (pa.types.is_fixed_size_binary, "BYTES"),
    (pa.types.is_null, "STRING"),
)


def _rest_type(kind: pa.DataType, reading: Reading) -> str:
    if pa.types.is_decimal(kind):
        return reading.decimal(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "DATETIME"
    for test, name in _TESTS:
        if test(kind):
            return name
    raise NotBuilt(f"columns of type {kind} in a file")


def batches(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """The rows; columns are found by their names."""
    if reading.format == "AVRO":
        yield from avro_files.batches(file, fields, reading)
        return
    found, rows = _open(file, reading)
    places = {name.lower(): number for number, name in enumerate(found.names)}
    known = {field["name"].lower() for field in fields}
    unknown = [name for name in found.names if name.lower() not in known]
    if unknown and not reading.ignores_unknown:
        raise unreadable(f"Provided schema is missing the column {unknown[0]} of the file")
    try:
        for batch in rows:
            yield _batch(batch, fields, places)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(str(error).splitlines()[0][:300]) from error


def _batch(batch: Any, fields: Sequence[Mapping[str, Any]], places: Mapping[str, int]) -> Any:
    arrays = []
    for field in fields:
        place = places.get(field["name"].lower())
        column = pa.nulls(batch.num_rows) if place is None else batch.column(place)
        array = converted(column, schema.type_of(field), str(field["name"]))
        if restricts(field) and (wrong := restricted(array, field)):
            raise unreadable(next(iter(wrong.values())))
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=[f"o{number}" for number in range(len(arrays))])


def converted(column: Any, kind: Type, name: str) -> Any:
    """An Arrow column as one of a type.

    Raises:
        BigQueryError: Its values do not fit.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == kind.arrow and kind.kind != "GEOGRAPHY":  # whose bytes have to be looked at
        return column
    if pa.types.is_null(column.type):
        empty: list[Any] = [[] if kind.kind == "ARRAY" else None] * len(column)
        return types.arrow_column(empty, kind)
    try:
        fast = _cast(column, kind, name)
        if fast is not None:
            return fast
        return types.arrow_column([avro_files.python_value(kind, value) for value in column.to_pylist()], kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError, ArithmeticError) as error:
        text = str(error).splitlines()[0][:200]
        raise unreadable(f"Column '{name}' has type {column.type}, which does not fit {kind.sql}: {text}") from error


def _cast(column: Any, kind: Type, name: str) -> Any:
    """The column by Arrow's own means; None where values have to be converted one by one."""
    if kind.kind == "ARRAY" and pa.types.is_list(column.type) and not column.null_count:
        inner = converted(column.values, kind.part, name)
        return pa.ListArray.from_arrays(column.offsets, inner)
    if kind.kind in ("TIMESTAMP", "DATETIME") and pa.types.is_timestamp(column.type):
        # BigQuery keeps microseconds
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        return micros.cast(pa.timestamp("us")).cast(kind.arrow)
    if kind.kind == "TIME" and pa.types.is_time(column.type):
        return column.cast(pa.time64("us"), safe=False)
    if kind.kind in ("STRING", "BYTES") and (_is_text(column.type) or _is_bytes(column.type)):
        return column.cast(pa.binary()).cast(kind.arrow) if kind.kind == "STRING" else column.cast(kind.arrow)
    number = pa.types.is_integer(column.type) or pa.types.is_decimal(column.type) or pa.types.is_floating(column.type)
    if kind.kind == "NUMERIC" and pa.types.is_decimal(column.type):
        try:
            return column.cast(kind.arrow)
        except pa.ArrowInvalid:
            raise ValueError("a value is out of valid NUMERIC range") from None
    if kind.kind in ("INT64", "DOUBLE", "NUMERIC") and number:
        return column.cast(kind.arrow)
    if kind.kind == "DATE" and (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        return column.cast(pa.date32(), safe=False)
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
