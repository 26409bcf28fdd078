"""Tables in DuckDB: t<number>, columns v0, v1, ...; renaming a column or a table changes the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.bigquery import schema, types
from services.bigquery.errors import invalid_query
from services.bigquery.records import ColumnChange, Resource
from services.bigquery.store.catalogue import Entry
from services.bigquery.types import Type, quoted

PARTITION_TIME = "_partitiontime"
"""DuckDB's name of the column of a table that is partitioned by the time of loading."""
_EMPTY_LIST = " DEFAULT []"


def sql_name(number: int) -> str:
    """DuckDB's name of a table, which no name in a query can hide."""
    return f"store.main.t{number}"


def is_partitioned_by_load(resource: Resource) -> bool:
    """Whether rows belong to the partition of the time at which they came."""
    partitioning = resource.get("timePartitioning")
    return partitioning is not None and not partitioning.get("field")


def create(
    connection: Any, number: int, fields: Sequence[Resource], columns: Sequence[str], resource: Resource
) -> None:
    """Creates an empty table."""
    items = [_column(name, field) for name, field in zip(columns, fields, strict=True)]
    if is_partitioned_by_load(resource):
        unit = resource["timePartitioning"].get("type", "DAY").lower()
        now = f"date_trunc('{unit}', CAST(now() AS TIMESTAMP))"
        items.append(f"{PARTITION_TIME} TIMESTAMPTZ DEFAULT CAST({now} AS TIMESTAMPTZ)")
    connection.execute(f"CREATE TABLE {sql_name(number)} ({', '.join(items) or 'nothing BOOLEAN'})")


def _column(name: str, field: Resource) -> str:
    kind = schema.type_of(field)
    return f"{name} {kind.duckdb}{_EMPTY_LIST if kind.kind == 'ARRAY' else ''}{_rules(name, field)}"


def _rules(name: str, field: Resource) -> str:
    not_null = " NOT NULL" if schema.mode(field) == "REQUIRED" else ""
    # DuckDB has no lambdas in a CHECK: `settle` looks into arrays
    checks = "".join(
        f" WHEN {condition} THEN error({text})"
        for condition, text, is_in_array in _checks(name, field, field["name"])
        if not is_in_array
    )
    return f"{not_null} CHECK (CASE{checks} ELSE true END)" if checks else not_null


def _checks(value: str, field: Resource, path: str, depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """Conditions under which a column refuses a value, SQL of the sentence, and whether they are about elements."""
    if schema.mode(field) == "REPEATED":
        element = f"e{depth}"
        for condition, text, _ in _checks(element, {**field, "mode": "NULLABLE"}, path, depth + 1):
            refused = f"list_filter({value}, lambda {element}: {condition})"
            yield f"len({refused}) > 0", f"list_transform({refused}, lambda {element}: {text})[1]", True
        return
    kind, length = _kind(field), int(field.get("maxLength") or 0)
    if length and kind in ("STRING", "BYTES"):
        size = f"length({value})" if kind == "STRING" else f"octet_length({value})"
        text = f"Field {path}: {kind}({length}) has maximum length {length} but got a value with length "
        yield f"{size} > {length}", f"{quoted(text)} || {size}", False
    bounds = numeric_bounds(field)
    # NUMERIC(38, 9) is all of NUMERIC, and its bound none any more
    if bounds is not None and (bounds[0] < 38 or kind not in ("NUMERIC", "DECIMAL")):
        yield (*_range_check(value, kind, bounds, path), False)
    for number, part in enumerate(field.get("fields") or ()):
        inner, name = f"struct_extract({value}, 'f{number}')", f"{path}.{part['name']}"
        if schema.mode(part) == "REQUIRED":
            yield f"{value} IS NOT NULL AND {inner} IS NULL", quoted(f"Required field {name} cannot be null"), False
        yield from _checks(inner, part, name, depth)


def _kind(field: Resource) -> str:
    name = str(field.get("type", "")).upper()
    return {"DECIMAL": "NUMERIC", "BIGDECIMAL": "BIGNUMERIC"}.get(name, name)


def _range_check(value: str, kind: str, bounds: tuple[int, int], path: str) -> tuple[str, str]:
    """The condition under which NUMERIC(p, s) or BIGNUMERIC(p, s) refuses a value that is not rounded yet."""
    digits, scale = bounds
    text = f"Field {path}: {kind}({digits}, {scale}) has precision {digits} and scale {scale} but got "
    if kind == "NUMERIC":
        sentence = f"{quoted(f'{text}the value ')} || CAST({value} AS VARCHAR)"
        return f"abs(round({value}, {scale})) >= {10 ** (digits - scale)}", sentence
    # From half a unit below the bound on, a value is rounded up to it
    bound = types.unscaled(10 ** (digits - scale + 38) - 10 ** (38 - scale) // 2, 38)
    most, least = (types.literal(_BIGNUMERIC, types.bignumeric(one)) for one in (bound, bound.copy_negate()))
    return f"({value} >= {most} OR {value} <= {least})", quoted(f"{text}a value with more digits before the point")


_BIGNUMERIC = Type("BIGNUMERIC")


def numeric_bounds(field: Resource) -> tuple[int, int] | None:
    """Precision and scale of NUMERIC(p, s) and BIGNUMERIC(p, s); None without."""
    if not field.get("precision") or _kind(field) not in ("NUMERIC", "BIGNUMERIC"):
        return None
    return int(field["precision"]), int(field.get("scale") or 0)


def fresh_names(columns: Sequence[str], count: int) -> list[str]:
    """DuckDB's names for more columns."""
    first = 1 + max((int(name[1:]) for name in columns), default=-1)
    return [f"v{first + number}" for number in range(count)]


def settle(connection: Any, entry: Entry) -> None:
    """Gives what a change wrote the form in which BigQuery stores it.

    NUMERIC(p, s) and BIGNUMERIC(p, s) are rounded half away from zero; a NULL array is an empty one.

    Raises:
        BigQueryError: An element of an array breaks a rule of its column.
    """
    table = sql_name(entry.number)
    for name, field in zip(entry.columns, entry.table.fields, strict=True):
        for condition, text, is_in_array in _checks(name, field, field["name"]):
            if is_in_array:
                found = connection.execute(f"SELECT {text} FROM {table} WHERE {condition} LIMIT 1").fetchall()
                if found:
                    raise invalid_query(found[0][0])
        if (stored := _stored(name, field)) is not None:
            form, differs = stored
            connection.execute(f"UPDATE {table} SET {name} = {form} WHERE {differs}").fetchall()


def _stored(value: str, field: Resource, depth: int = 0) -> tuple[str, str] | None:
    """SQL of the form in which BigQuery stores a value, and of whether it has another; None if it never has."""
    if schema.mode(field) == "REPEATED":
        element = f"e{depth}"
        inner = _stored(element, {**field, "mode": "NULLABLE"}, depth + 1)
        if inner is None:
            return f"coalesce({value}, [])", f"{value} IS NULL"
        form = f"list_transform(coalesce({value}, []), lambda {element}: {inner[0]})"
        return form, f"({value} IS NULL OR len(list_filter({value}, lambda {element}: {inner[1]})) > 0)"
    if parts := field.get("fields"):
        return _stored_struct(value, parts, depth)
    if (bounds := numeric_bounds(field)) is None:
        return None
    if _kind(field) == "BIGNUMERIC":
        form = f"u_round_bignumeric({value}, {bounds[1]})"
    else:
        form = f"CAST(round({value}, {bounds[1]}) AS DECIMAL(38,9))"
    return form, f"{value} <> {form}"


def _stored_struct(value: str, parts: Sequence[Resource], depth: int) -> tuple[str, str] | None:
    forms, differs = [], []
    for number, part in enumerate(parts):
        name = f"struct_extract({value}, 'f{number}')"
        stored = _stored(name, part, depth)
        forms.append(f"f{number} := {stored[0] if stored else name}")
        differs += [stored[1]] if stored else []
    if not differs:
        return None
    form = f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(forms)}) END"
    return form, f"({value} IS NOT NULL AND ({' OR '.join(differs)}))"


def with_rules(connection: Any, entry: Entry, fields: Sequence[Resource], number: int) -> Entry:
    """A table whose columns have other rules (REQUIRED, STRING(n)), the same names and types.

    Args:
        connection: DuckDB.
        entry: The table.
        fields: The new fields.
        number: For a new table, which takes the rows if DuckDB cannot change the old one.
    """
    old = [_rules(name, field) for name, field in zip(entry.columns, entry.table.fields, strict=True)]
    new = [_rules(name, field) for name, field in zip(entry.columns, fields, strict=True)]
    if old == new:
        return entry
    return rebuilt(connection, entry, fields, entry.columns, entry.columns, number)


def rebuilt(
    connection: Any,
    entry: Entry,
    fields: Sequence[Resource],
    columns: Sequence[str],
    values: Sequence[str],
    number: int,
) -> Entry:
    """A new table with the rows of the old one, which is dropped.

    Args:
        connection: DuckDB.
        entry: The old table.
        fields: The new fields.
        columns: DuckDB's names of the new columns.
        values: SQL of them over the old ones.
        number: Of the new table.
    """
    create(connection, number, fields, columns, entry.table.resource)
    more = [PARTITION_TIME] if is_partitioned_by_load(entry.table.resource) else []
    into, select = ", ".join([*columns, *more]), ", ".join([*values, *more])
    if into:
        connection.execute(f"INSERT INTO {sql_name(number)} ({into}) SELECT {select} FROM {sql_name(entry.number)}")
    connection.execute(f"DROP TABLE {sql_name(entry.number)}")
    return replace(entry, number=number, columns=tuple(columns))


def changed(
    connection: Any, entry: Entry, changes: Sequence[ColumnChange], number: int
) -> tuple[Entry, list[Resource]]:
    """A table after changes of its columns, and its new fields.

    Args:
        connection: DuckDB.
        entry: The table.
        changes: In their order.
        number: For a new table, if one is needed.
    """
    fields, columns, values = list(entry.table.fields), list(entry.columns), list(entry.columns)
    is_new = False
    for change in changes:
        place = _place(fields, change.column) if change.action != "add" else len(fields)
        if change.action == "add":
            fields.append(change.new)
            columns += fresh_names([*entry.columns, *columns], 1)
            values.append(change.sql or _missing(change.new))
            # For DEFAULT, DuckDB changes a setting on the way, which is locked
            has_default = schema.mode(change.new) == "REPEATED"
            is_new = is_new or has_default or bool(change.sql or _rules("x", change.new))
        elif change.action == "drop":
            del fields[place], columns[place], values[place]
            is_new = True
        elif change.action == "rename":
            fields[place] = {**fields[place], "name": change.new["name"]}
        else:
            rules = _rules("x", fields[place])
            fields[place], values[place] = change.new, change.sql or values[place]
            is_new = is_new or change.action == "retype" or _rules("x", change.new) != rules
    if is_new:
        return rebuilt(connection, entry, fields, columns, values, number), fields
    for name, field in zip(columns[len(entry.columns) :], fields[len(entry.columns) :], strict=True):
        connection.execute(f"ALTER TABLE {sql_name(entry.number)} ADD COLUMN {_column(name, field)}")
    return replace(entry, columns=tuple(columns)), fields


def _missing(field: Resource) -> str:
    kind: Type = schema.type_of(field)
    return f"CAST({'[]' if kind.kind == 'ARRAY' else 'NULL'} AS {kind.duckdb})"


def _place(fields: Sequence[Resource], name: str) -> int:
    names = [field["name"].lower() for field in fields]
    return names.index(name.lower())


_BYTES: Mapping[str, str] = {
    "INT64": "8", "DOUBLE": "8", "NUMERIC": "16", "BIGNUMERIC": "32", "BOOL": "1", "DATE": "8", "TIME": "8",
    "DATETIME": "8", "TIMESTAMP": "8", "INTERVAL": "16", "RANGE": "16",
}  # fmt: skip
"""https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes"""


def size_sql(number: int, fields: Sequence[Resource], columns: Sequence[str]) -> str:
    """A query of a table's rows and of the bytes of each column; nested values count as their text."""
    sums = [
        f"CAST({_bytes(name, schema.type_of(field))} AS BIGINT)" for name, field in zip(columns, fields, strict=True)
    ]
    return f"SELECT {', '.join(['count(*)', *sums])} FROM {sql_name(number)}"


def _bytes(name: str, kind: Type) -> str:
    if kind.kind in _BYTES:
        return f"{_BYTES[kind.kind]} * count({name})"
    if kind.kind == "GEOGRAPHY":  # 16 bytes, and 24 a vertex, which takes 16 in the plain form
        return f"coalesce(sum(16 + 24 * (octet_length({name}) // 16)), 0)"
    if kind.kind in ("STRING", "JSON"):
        return f"coalesce(sum(2 + strlen({name})), 0)"
    if kind.kind == "BYTES":
        return f"coalesce(sum(2 + octet_length({name})), 0)"
    return f"coalesce(sum(strlen(CAST({name} AS VARCHAR))), 0)"


def partition_sql(entry: Entry) -> str:
    """DuckDB SQL of the id of a row's partition, such as 20200102; NULL for a table without partitions."""
    resource = entry.table.resource
    if ranges := resource.get("rangePartitioning"):
        column, bounds = _column_of(entry, ranges["field"]), ranges["range"]
        start, end, step = int(bounds["start"]), int(bounds["end"]), int(bounds["interval"])
        place = f"CAST({start} + ({column} - {start}) // {step} * {step} AS VARCHAR)"
        inside = f"WHEN {column} >= {start} AND {column} < {end} THEN {place}"
        return f"CASE WHEN {column} IS NULL THEN '__NULL__' {inside} ELSE '__UNPARTITIONED__' END"
    times = resource.get("timePartitioning")
    if not times:
        return "NULL"
    column = _column_of(entry, times["field"]) if times.get("field") else PARTITION_TIME
    return f"coalesce(strftime(CAST({column} AS TIMESTAMP), '{_IDS[times.get('type') or 'DAY']}'), '__NULL__')"


def _column_of(entry: Entry, name: str) -> str:
    names = [field["name"].lower() for field in entry.table.fields]
    return entry.columns[names.index(name.lower())]


_IDS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
"""Formats of partitions' ids; https://cloud.google.com/bigquery/docs/managing-partitioned-tables."""
