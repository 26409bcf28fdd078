"""INFORMATION_SCHEMA and `__TABLES__`: each view is its columns and what gives its rows.

https://cloud.google.com/bigquery/docs/information-schema-intro has a page for each view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from services.bigquery import schema, types
from services.bigquery.records import GRANTS, Dataset, Path, Resource, Routine, Size, Table
from services.bigquery.types import Type
from services.bigquery.views import jobs, texts

Row = Sequence[Any]


@dataclass(frozen=True)
class Listed:
    """A dataset that a view shows, with what is in it."""

    dataset: Dataset
    tables: Sequence[Table]
    routines: Sequence[Routine]


@dataclass(frozen=True)
class Source:
    """What the views read.

    Attributes:
        datasets: Those that the view's name covers: one, or all of a project.
        size: How much a table holds.
        partitions: Ids and rows of a table's partitions.
        jobs: A project's jobs in REST form, of the last 24 hours.
    """

    datasets: Sequence[Listed]
    size: Callable[[Path], Size]
    partitions: Callable[[Path], Sequence[tuple[str | None, int]]]
    jobs: Callable[[], Sequence[Resource]] = tuple

    def tables(self) -> Iterator[Table]:
        """All tables."""
        return (table for listed in self.datasets for table in listed.tables)

    def routines(self) -> Iterator[Routine]:
        """All routines."""
        return (routine for listed in self.datasets for routine in listed.routines)


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        columns: Names and types, `a STRING, b INT64`, or as pairs.
        rows: Gives its rows.
    """

    columns: str | Sequence[tuple[str, Type]]
    rows: Callable[[Source], Iterator[Row]]


def _micros(milliseconds: int) -> int:
    return milliseconds * 1000


def _schemata(source: Source) -> Iterator[Row]:
    for one in (listed.dataset for listed in source.datasets):
        location = one.resource.get("location", "US")
        ddl = texts.dataset_ddl(one)
        yield *one.path, None, _micros(one.created), _micros(one.modified), location, ddl, "NULL"


def _schemata_options(source: Source) -> Iterator[Row]:
    for listed in source.datasets:
        for option in texts.options(listed.dataset.resource):
            yield *listed.dataset.path, *option


_TYPES = {"TABLE": "BASE TABLE", "VIEW": "VIEW", "MATERIALIZED_VIEW": "MATERIALIZED VIEW"}


def _tables(source: Source) -> Iterator[Row]:
    for one in source.tables():
        insertable = "YES" if one.kind == "TABLE" else "NO"
        kind = _TYPES.get(one.kind, one.kind)
        head = (*one.path, kind, insertable, "NO", "NO", "NO", _micros(one.created))
        yield *head, None, None, None, None, texts.table_ddl(one), "NULL"


def _table_options(source: Source) -> Iterator[Row]:
    for one in source.tables():
        for option in texts.options(one.resource):
            yield *one.path, *option


def _columns(source: Source) -> Iterator[Row]:
    for one in source.tables():
        time, ranges = one.resource.get("timePartitioning") or {}, one.resource.get("rangePartitioning") or {}
        partitioning = str(time.get("field") or ranges.get("field") or "").lower()
        clustering = [name.lower() for name in (one.resource.get("clustering") or {}).get("fields", ())]
        for number, field in enumerate(one.fields, 1):
            name = field["name"].lower()
            nullable = "NO" if schema.mode(field) == "REQUIRED" else "YES"
            head = (*one.path, field["name"], number, nullable, texts.data_type(field))
            place = clustering.index(name) + 1 if name in clustering else None
            default = field.get("defaultValueExpression") or "NULL"
            is_partitioning = "YES" if name == partitioning else "NO"
            yield *head, "NEVER", None, None, "NO", None, "NO", is_partitioning, place, "NULL", default, None


def _field_paths(source: Source) -> Iterator[Row]:
    for one in source.tables():
        for field in one.fields:
            for path, part in _parts(field, field["name"]):
                kind = texts.data_type(part)
                yield *one.path, field["name"], path, kind, part.get("description"), "NULL", None


def _parts(field: Resource, path: str) -> Iterator[tuple[str, Resource]]:
    yield path, field
    for part in field.get("fields") or ():
        yield from _parts(part, f"{path}.{part['name']}")


def _views(source: Source) -> Iterator[Row]:
    for one in source.tables():
        if definition := one.resource.get("view") or one.resource.get("materializedView"):
            yield *one.path, definition.get("query"), None, "YES"


def _routines(source: Source) -> Iterator[Row]:
    for one in source.routines():
        found = one.resource
        kind = {"SCALAR_FUNCTION": "FUNCTION", "TABLE_VALUED_FUNCTION": "TABLE FUNCTION"}
        sort = str(found.get("routineType", ""))
        language = str(found.get("language", "SQL"))
        is_sql = language == "SQL"
        tail = ("SQL" if is_sql else "EXTERNAL", found.get("definitionBody"), None if is_sql else language)
        result = texts.routine_type(found.get("returnType")) or None
        head = (*one.path, *one.path, kind.get(sort, sort.replace("_", " ")), result, *tail)
        yield *head, None, None, _micros(one.created), _micros(one.modified), None


def _parameters(source: Source) -> Iterator[Row]:
    for one in source.routines():
        if result := texts.routine_type(one.resource.get("returnType")):
            yield *one.path, 0, None, "YES", None, result, None, None
        for number, argument in enumerate(one.resource.get("arguments") or (), 1):
            kind = texts.routine_type(argument.get("dataType")) or "ANY TYPE"
            yield *one.path, number, argument.get("mode"), "NO", argument.get("name"), kind, None, None


def _constraints(table: Table) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    found, name = table.resource.get("tableConstraints") or {}, table.path[2]
    if found.get("primaryKey"):
        yield f"{name}.pk$", "PRIMARY KEY", found["primaryKey"]
    for number, key in enumerate(found.get("foreignKeys") or (), 1):
        yield f"{name}.{key.get('name') or f'fk${number}'}", "FOREIGN KEY", key


def _table_constraints(source: Source) -> Iterator[Row]:
    for one in source.tables():
        for name, kind, _ in _constraints(one):
            yield *one.path[:2], name, *one.path, kind, "NO", "NO", "NO"


def _key_columns(source: Source) -> Iterator[Row]:
    for one in source.tables():
        for name, kind, key in _constraints(one):
            names = key.get("columns") or [pair["referencingColumn"] for pair in key.get("columnReferences", ())]
            for number, column in enumerate(names, 1):
                place = number if kind == "FOREIGN KEY" else None
                yield *one.path[:2], name, *one.path, column, number, place


def _constraint_columns(source: Source) -> Iterator[Row]:
    for one in source.tables():
        for name, _, key in _constraints(one):
            target = key.get("referencedTable")
            path = (target["projectId"], target["datasetId"], target["tableId"]) if target else one.path
            names = key.get("columns") or [pair["referencedColumn"] for pair in key.get("columnReferences", ())]
            for column in names:
                yield *path, column, *one.path[:2], name


def _partitions(source: Source) -> Iterator[Row]:
    for one in source.tables():
        if one.kind == "TABLE":
            for name, rows in source.partitions(one.path):
                yield *one.path, name, rows, None, _micros(one.modified), "ACTIVE"


def _storage(source: Source) -> Iterator[Row]:
    for one in source.tables():
        if one.kind == "TABLE":
            size = source.size(one.path)
            count = len(source.partitions(one.path)) if _is_partitioned(one) else 0
            yield *one.path, _micros(one.created), size.rows, count, size.bytes, size.bytes, 0, False, "BASE TABLE"


def _is_partitioned(table: Table) -> bool:
    return bool(table.resource.get("timePartitioning") or table.resource.get("rangePartitioning"))


def _meta_tables(source: Source) -> Iterator[Row]:
    numbers = {"TABLE": 1, "VIEW": 2, "EXTERNAL": 3, "MATERIALIZED_VIEW": 4, "SNAPSHOT": 5}
    for one in source.tables():
        size = source.size(one.path)
        yield *one.path, one.created, one.modified, size.rows, size.bytes, numbers.get(one.kind, 1)


def _privileges(source: Source) -> Iterator[Row]:
    for listed in source.datasets:
        objects: list[tuple[Path, str, Resource]] = [
            ((*listed.dataset.path, listed.dataset.path[1]), "SCHEMA", listed.dataset.resource)
        ]
        objects += [(one.path, _TYPES.get(one.kind, one.kind), one.resource) for one in listed.tables]
        for path, kind, resource in objects:
            for role, grantees in sorted((resource.get(GRANTS) or {}).items()):
                for grantee in grantees:
                    schema_name = None if kind == "SCHEMA" else path[1]
                    yield path[0], schema_name, path[2], kind.removeprefix("BASE "), role, grantee


_TABLE = "table_catalog STRING, table_schema STRING, table_name STRING"
_KEY = f"constraint_catalog STRING, constraint_schema STRING, constraint_name STRING, {_TABLE}"
_ROUTINE = "specific_catalog STRING, specific_schema STRING, specific_name STRING"
_OPTION = "option_name STRING, option_type STRING, option_value STRING"
_JOBS = ("JOBS", "JOBS_BY_PROJECT", "JOBS_BY_USER")
VIEWS = {
    "SCHEMATA": View(
        "catalog_name STRING, schema_name STRING, schema_owner STRING, creation_time TIMESTAMP, "
        "last_modified_time TIMESTAMP, location STRING, ddl STRING, default_collation_name STRING",
        _schemata,
    ),
    "SCHEMATA_OPTIONS": View(f"catalog_name STRING, schema_name STRING, {_OPTION}", _schemata_options),
    "TABLES": View(
        f"{_TABLE}, table_type STRING, is_insertable_into STRING, is_fine_grained_mutations_enabled STRING, "
        "is_typed STRING, is_change_history_enabled STRING, creation_time TIMESTAMP, base_table_catalog STRING, "
        "base_table_schema STRING, base_table_name STRING, snapshot_time_ms TIMESTAMP, ddl STRING, "
        "default_collation_name STRING",
        _tables,
    ),
    "TABLE_OPTIONS": View(f"{_TABLE}, {_OPTION}", _table_options),
    "COLUMNS": View(
        f"{_TABLE}, column_name STRING, ordinal_position INT64, is_nullable STRING, data_type STRING, "
        "is_generated STRING, generation_expression STRING, is_stored STRING, is_hidden STRING, is_updatable STRING, "
        "is_system_defined STRING, is_partitioning_column STRING, clustering_ordinal_position INT64, "
        "collation_name STRING, column_default STRING, rounding_mode STRING",
        _columns,
    ),
    "COLUMN_FIELD_PATHS": View(
        f"{_TABLE}, column_name STRING, field_path STRING, data_type STRING, description STRING, "
        "collation_name STRING, rounding_mode STRING",
        _field_paths,
    ),
    "VIEWS": View(f"{_TABLE}, view_definition STRING, check_option STRING, use_standard_sql STRING", _views),
    "ROUTINES": View(
        f"{_ROUTINE}, routine_catalog STRING, routine_schema STRING, routine_name STRING, routine_type STRING, "
        "data_type STRING, routine_body STRING, routine_definition STRING, external_language STRING, "
        "is_deterministic STRING, security_type STRING, created TIMESTAMP, last_altered TIMESTAMP, ddl STRING",
        _routines,
    ),
    "PARAMETERS": View(
        f"{_ROUTINE}, ordinal_position INT64, parameter_mode STRING, is_result STRING, parameter_name STRING, "
        "data_type STRING, parameter_default STRING, is_aggregate STRING",
        _parameters,
    ),
    "PARTITIONS": View(
        f"{_TABLE}, partition_id STRING, total_rows INT64, total_logical_bytes INT64, last_modified_time TIMESTAMP, "
        "storage_tier STRING",
        _partitions,
    ),
    "TABLE_STORAGE": View(
        "project_id STRING, table_schema STRING, table_name STRING, creation_time TIMESTAMP, total_rows INT64, "
        "total_partitions INT64, total_logical_bytes INT64, active_logical_bytes INT64, long_term_logical_bytes INT64, "
        "deleted BOOL, table_type STRING",
        _storage,
    ),
    "TABLE_CONSTRAINTS": View(
        f"{_KEY}, constraint_type STRING, is_deferrable STRING, initially_deferred STRING, enforced STRING",
        _table_constraints,
    ),
    "KEY_COLUMN_USAGE": View(
        f"{_KEY}, column_name STRING, ordinal_position INT64, position_in_unique_constraint INT64", _key_columns
    ),
    "CONSTRAINT_COLUMN_USAGE": View(
        f"{_TABLE}, column_name STRING, constraint_catalog STRING, constraint_schema STRING, constraint_name STRING",
        _constraint_columns,
    ),
    "OBJECT_PRIVILEGES": View(
        "object_catalog STRING, object_schema STRING, object_name STRING, object_type STRING, privilege_type STRING, "
        "grantee STRING",
        _privileges,
    ),
    **dict.fromkeys(
        ("JOBS", "JOBS_BY_PROJECT", "JOBS_BY_USER"), View(jobs.COLUMNS, lambda source: jobs.rows(source.jobs()))
    ),
    "__TABLES__": View(
        "project_id STRING, dataset_id STRING, table_id STRING, creation_time INT64, last_modified_time INT64, "
        "row_count INT64, size_bytes INT64, type INT64",
        _meta_tables,
    ),
}
"""By name; `__TABLES__` stands in a dataset itself."""
OF_PROJECT = ("SCHEMATA", "SCHEMATA_OPTIONS", "OBJECT_PRIVILEGES", *_JOBS)
"""Views that name no dataset."""


def columns_of(view: View) -> list[tuple[str, Type]]:
    """Names and types of a view's columns."""
    if not isinstance(view.columns, str):
        return list(view.columns)
    pairs = (item.rsplit(" ", 1) for item in view.columns.split(", "))
    return [(name, Type(types.BY_NAME[kind])) for name, kind in pairs]


def read(name: str, source: Source) -> tuple[pa.Table, list[tuple[str, Type]]]:
    """A view's rows and columns.

    Args:
        name: One of VIEWS.
        source: What it reads.
    """
    view = VIEWS[name]
    columns, rows = columns_of(view), list(view.rows(source))
    values: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [types.arrow_column(list(one), kind) for one, (_, kind) in zip(values, columns, strict=True)]
    return pa.table(arrays, names=[column for column, _ in columns]), columns
