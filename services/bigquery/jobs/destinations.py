"""Rows into a table, as a job's dispositions say: of a query, a load or a copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from services.bigquery import schema, types
from services.bigquery.errors import BigQueryError
from services.bigquery.jobs.job import Job
from services.bigquery.records import ColumnChange, Dataset, Path, Table, Transaction
from services.bigquery.store.tables import PARTITION_TIME, is_partitioned_by_load

_DECORATOR = re.compile(r"(.+)\$(-?\d{1,19}|__NULL__|__UNPARTITIONED__)")
_UNITS = {4: "YEAR", 6: "MONTH", 8: "DAY", 10: "HOUR"}
OF_TABLE = ("timePartitioning", "rangePartitioning", "clustering", "description", "labels", "friendlyName")


@dataclass(frozen=True)
class Destination:
    """Where a job writes.

    Attributes:
        path: The table.
        partition: Behind `$` in its name; empty for the whole table.
        create: CREATE_IF_NEEDED or CREATE_NEVER.
        write: WRITE_APPEND, WRITE_EMPTY, WRITE_TRUNCATE or WRITE_TRUNCATE_DATA.
        updates: ALLOW_FIELD_ADDITION, ALLOW_FIELD_RELAXATION.
        resource: Properties of a table that has to be made.
    """

    path: Path
    partition: str = ""
    create: str = "CREATE_IF_NEEDED"
    write: str = "WRITE_EMPTY"
    updates: Sequence[str] = ()
    resource: Mapping[str, Any] = dataclass_field(default_factory=dict)


def path_of(reference: Mapping[str, Any], project: str) -> Path:
    """The path of REST's `TableReference`.

    Raises:
        BigQueryError: Something is missing in it.
    """
    dataset, table = reference.get("datasetId"), reference.get("tableId")
    if not dataset or not table:
        raise BigQueryError("required", "Required parameter is missing: a table has a datasetId and a tableId")
    return str(reference.get("projectId") or project), str(dataset), str(table)


def read(
    configuration: Mapping[str, Any], project: str, default_write: str, reference: Mapping[str, Any] | None = None
) -> Destination:
    """The destination in a job's configuration."""
    path = path_of(reference or configuration.get("destinationTable") or {}, project)
    found = _DECORATOR.fullmatch(path[2])
    properties = configuration.get("destinationTableProperties") or {}
    resource = {name: configuration.get(name) or properties.get(name) for name in OF_TABLE}
    return Destination(
        (path[0], path[1], found[1]) if found else path,
        found[2] if found else "",
        _choice(configuration, "createDisposition", "CREATE_IF_NEEDED", ("CREATE_NEVER",)),
        _choice(
            configuration,
            "writeDisposition",
            default_write,
            ("WRITE_APPEND", "WRITE_EMPTY", "WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"),
        ),
        tuple(configuration.get("schemaUpdateOptions") or ()),
        {name: value for name, value in resource.items() if value},
    )


def _choice(configuration: Mapping[str, Any], name: str, default: str, others: Sequence[str]) -> str:
    found = str(configuration.get(name) or default)
    if found not in (default, *others):
        raise schema.invalid(f"Invalid value for {name}: {found[:100]} is not a valid value")
    return found


def write(tx: Transaction, to: Destination, fields: Sequence[Mapping[str, Any]], rows: str) -> Table:
    """Writes rows.

    Args:
        tx: With the destination among its writes.
        to: The destination.
        fields: The rows' columns in REST form.
        rows: DuckDB SQL that gives columns o0, o1, ...

    Raises:
        BigQueryError: The dispositions do not allow it, or the schemas do not fit.
    """
    known = existing(tx, to.path)
    if known is None:
        return _create(tx, to, fields, rows)
    if known.kind != "TABLE":
        raise schema.invalid(f"{_text(to.path)} is not allowed for this operation because it is a {known.kind}")
    if to.write == "WRITE_EMPTY" and _has_rows(tx, known, to.partition):
        raise BigQueryError("duplicate", f"Already Exists: Table {_text(to.path)}", status=409)
    if to.partition:
        _clear_partition(tx, known, to)
    elif to.write == "WRITE_TRUNCATE" or not known.fields:  # what comes first gives an empty table its columns
        kept = {**known.resource, **to.resource, "schema": {"fields": merged(known.fields, fields)}}
        tx.drop_table(to.path)
        return tx.create_table(Table(to.path, "TABLE", kept, created=known.created), rows)
    elif to.write == "WRITE_TRUNCATE_DATA":
        tx.connection.execute(f"DELETE FROM {tx.relation(to.path).sql}")
    return append(tx, _fitting(tx, known, to, fields), fields, rows, to.partition)


def _has_rows(tx: Transaction, table: Table, partition: str) -> bool:
    if not partition:
        return tx.size(table.path, ()).rows > 0
    return partition_rows(tx, table, partition) > 0


def existing(tx: Transaction, path: Path) -> Table | None:
    """A table; None if there is none.

    Raises:
        BigQueryError: There is no such dataset.
    """
    if path[1].startswith("_"):
        ensure_hidden(tx, path)
    tx.dataset(path[:2])
    try:
        return tx.table(path)
    except BigQueryError as error:
        if error.reason != "notFound":
            raise
        return None


def ensure_hidden(tx: Transaction, path: Path) -> None:
    """Creates the dataset of anonymous tables, which clients name without having made it."""
    try:
        tx.dataset(path[:2])
    except BigQueryError:
        tx.put_dataset(Dataset(path[:2], {"location": "US"}), is_new=True)


def check_location(tx: Transaction, job: Job, paths: Iterable[Sequence[str]]) -> None:
    """Refuses datasets in another location than the one that a job's client has named.

    A job without a location runs where its data are: https://cloud.google.com/bigquery/docs/locations#specify_locations.

    Args:
        tx: Has the datasets.
        job: The job.
        paths: Of tables; those whose dataset is not there are left to others.

    Raises:
        BigQueryError: 404, as if there were no such dataset.
    """
    if not job.is_placed:
        return
    for project, dataset in dict.fromkeys((path[0], path[1]) for path in paths):
        if dataset.startswith("_") or not tx.has_dataset((project, dataset)):
            continue
        location = str(tx.dataset((project, dataset)).resource.get("location") or "US")
        if location.lower() != job.location.lower():
            text = f"Not found: Dataset {project}:{dataset} was not found in location {job.location}"
            raise BigQueryError("notFound", text, status=404)


def merged(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """New columns, with the descriptions that old ones of the same name had."""
    known = {field["name"].lower(): field for field in old}
    found = []
    for one in new:
        description = known.get(one["name"].lower(), {}).get("description")
        found.append({**one, **({"description": description} if description and "description" not in one else {})})
    return found


def _text(path: Path) -> str:
    return f"{path[0]}:{path[1]}.{path[2]}"


def _create(tx: Transaction, to: Destination, fields: Sequence[Mapping[str, Any]], rows: str) -> Table:
    if to.create == "CREATE_NEVER":
        raise BigQueryError("notFound", f"Not found: Table {_text(to.path)}", status=404)
    schema.check_names(to.path[2], fields)
    resource = {**to.resource, "schema": {"fields": schema.normal(fields)}}
    if not to.partition:
        return tx.create_table(Table(to.path, "TABLE", resource), rows)
    if len(to.partition) in _UNITS and not resource.keys() & {"timePartitioning", "rangePartitioning"}:
        resource["timePartitioning"] = {"type": _UNITS[len(to.partition)]}
    table = tx.create_table(Table(to.path, "TABLE", resource))
    return append(tx, table, fields, rows, to.partition)


def append(tx: Transaction, table: Table, fields: Sequence[Mapping[str, Any]], rows: str, partition: str = "") -> Table:
    """Adds rows, which `write` describes, to a table that has their columns.

    Args:
        tx: With the table among its writes.
        table: The table.
        fields: The rows' columns.
        rows: DuckDB SQL that gives columns o0, o1, ...
        partition: To which all of them must belong; empty for any.
    """
    relation = tx.relation(table.path)
    place = {field["name"].lower(): name for field, name in zip(table.fields, relation.columns, strict=False)}
    pairs = {place[field["name"].lower()]: f"o{number}" for number, field in enumerate(fields)}
    # What the rows lack has its default value
    pairs |= {name: relation.defaults[name] for name in relation.defaults if name not in pairs}
    where = _only(table, partition, relation.columns, pairs) if partition else ""
    names, values = ", ".join(pairs), ", ".join(pairs.values())
    if fields:
        tx.connection.execute(f"INSERT INTO {relation.sql} ({names}) SELECT {values} FROM ({rows}){where}")
    tx.touch(table.path)
    return table


def _only(table: Table, partition: str, columns: Sequence[str], pairs: dict[str, str]) -> str:
    """A condition that fails for rows of another partition; of rows without a day of their own, it sets the day."""
    if is_partitioned_by_load(table.resource):
        partition_condition(table, partition, columns)
        pairs[PARTITION_TIME] = f"CAST({_start(partition)} AS TIMESTAMPTZ)"
        return ""
    condition = partition_condition(table, partition, [pairs.get(column, "NULL") for column in columns])
    name = f"{table.path[2]}${partition}"
    text = types.quoted(f"Some rows belong to different partitions rather than destination partition {name}")
    return f" WHERE CASE WHEN {condition} THEN true ELSE g_err({text}) = 0 END"


def _fitting(tx: Transaction, table: Table, to: Destination, fields: Sequence[Mapping[str, Any]]) -> Table:
    """The table after the columns that the job may add or relax."""
    known = {field["name"].lower(): field for field in table.fields}
    changes = []
    for new in fields:
        old = known.get(new["name"].lower())
        if old is None:
            if "ALLOW_FIELD_ADDITION" not in to.updates:
                raise _mismatch(table, f"Cannot add fields (field: {new['name']})")
            changes.append(ColumnChange("add", new["name"], {**new, "mode": _relaxed(new)}))
        elif schema.type_of(old) != schema.type_of(new) and not _same(old, new):
            kinds = f"{old['type']} to {new['type']}"
            raise _mismatch(table, f"Field {old['name']} has changed type from {kinds}")
        elif schema.mode(old) == "REQUIRED" and schema.mode(new) == "NULLABLE":
            if "ALLOW_FIELD_RELAXATION" in to.updates:
                changes.append(ColumnChange("relax", old["name"], {**old, "mode": "NULLABLE"}))
    given = {field["name"].lower() for field in fields}
    for field in table.fields:
        if schema.mode(field) == "REQUIRED" and field["name"].lower() not in given:
            if "ALLOW_FIELD_RELAXATION" not in to.updates:
                raise _mismatch(table, f"Field {field['name']} is missing in new schema")
            changes.append(ColumnChange("relax", field["name"], {**field, "mode": "NULLABLE"}))
    return tx.change_columns(table.path, changes) if changes else table


def _relaxed(field: Mapping[str, Any]) -> str:
    return "REPEATED" if schema.mode(field) == "REPEATED" else "NULLABLE"


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two columns differ in the names of a struct's fields only by case."""
    return str(schema.type_of(old)) == str(schema.type_of(new)) and schema.mode(old) == schema.mode(new)


def _mismatch(table: Table, what: str) -> BigQueryError:
    return schema.invalid(f"Provided Schema does not match Table {_text(table.path)}. {what}")


def partition_condition(table: Table, partition: str, relation_columns: Sequence[str]) -> str:
    """DuckDB SQL that is true for a partition's rows.

    Args:
        table: The table.
        partition: Its id.
        relation_columns: SQL of the columns.

    Raises:
        BigQueryError: The table is not partitioned, or has no such partition.
    """
    time, bounds = table.resource.get("timePartitioning"), table.resource.get("rangePartitioning")
    column = (time or bounds or {}).get("field")
    if not time and not bounds:
        raise schema.invalid(f"Cannot use a partition decorator: {_text(table.path)} is not partitioned")
    names = [field["name"].lower() for field in table.fields]
    name = relation_columns[names.index(column.lower())] if column else PARTITION_TIME
    if partition == "__NULL__" and column:
        return f"{name} IS NULL"
    unit = "RANGE" if bounds else str((time or {}).get("type") or "DAY").upper()
    if not re.fullmatch(r"-?\d{1,18}", partition) or (time and _UNITS.get(len(partition)) != unit):
        raise schema.invalid(f"Invalid partition ID {partition} for a table that is partitioned by {unit}")
    if bounds:
        low, size = int(partition), int(bounds["range"]["interval"])
        return f"({name} >= {low} AND {name} < {low + size})"
    start = _start(partition)
    return f"(CAST({name} AS TIMESTAMP) >= {start} AND CAST({name} AS TIMESTAMP) < {start} + INTERVAL 1 {unit})"


def _start(partition: str) -> str:
    first = f"{partition[:4]}-{partition[4:6] or '01'}-{partition[6:8] or '01'} {partition[8:10] or '00'}:00:00"
    return f"CAST('{first}' AS TIMESTAMP)"


def partition_rows(tx: Transaction, table: Table, partition: str) -> int:
    """How many rows a partition has."""
    relation = tx.relation(table.path)
    condition = partition_condition(table, partition, relation.columns)
    found = tx.connection.execute(f"SELECT count(*) FROM {relation.sql} WHERE {condition}").fetchall()
    return int(found[0][0])


def delete_partition(tx: Transaction, table: Table, partition: str) -> None:
    """Deletes the rows of a partition."""
    relation = tx.relation(table.path)
    condition = partition_condition(table, partition, relation.columns)
    tx.connection.execute(f"DELETE FROM {relation.sql} WHERE {condition}")
    tx.touch(table.path)


def _clear_partition(tx: Transaction, table: Table, to: Destination) -> None:
    if to.write in ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"):
        delete_partition(tx, table, to.partition)


ANONYMOUS = "_orionbox_results"
"""The dataset of the tables that stand for results; each is called `anon` and the job's id."""


def anonymous(job: Job) -> Path:
    """The table that stands for a job's result."""
    return job.project, ANONYMOUS, f"anon{job.name}"
