"""Data of Orionbox 0.1.0, taken over once when the server starts: all of it, or nothing.

0.1.0 has local-bigquery's layout: `emulator.duckdb` with REST's resources, and for each project a DuckLake catalogue
`PROJECT.ducklake` with its Parquet files in the folder PROJECT. A restore of a backup of 0.1.0 gives the same files.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from services.bigquery import schema, types
from services.bigquery.errors import BigQueryError
from services.bigquery.geography.parsers import from_wkt
from services.bigquery.geography.shapes import to_bytes
from services.bigquery.records import Dataset, Resource, Routine, Table
from services.bigquery.store.database import FILE, quoted
from services.bigquery.store.tables import PARTITION_TIME
from services.bigquery.store.transaction import StoreTransaction
from services.bigquery.types import Type

OLD, LAKE = "emulator.duckdb", ".ducklake"
KEPT = "0.1.0"
"""The folder that the old files are moved to; nothing reads it any more."""
TEMPORARY = ".take-over"
_DERIVED = (
    "kind", "etag", "id", "selfLink", "creationTime", "lastModifiedTime", "datasetReference", "tableReference",
    "routineReference", "numRows", "numBytes", "numLongTermBytes", "numActiveLogicalBytes", "type", "location",
)  # fmt: skip
"""Members of REST's resources that the server computes."""
_KINDS = {
    "bigint": "INTEGER", "integer": "INTEGER", "smallint": "INTEGER", "tinyint": "INTEGER", "uinteger": "INTEGER",
    "usmallint": "INTEGER", "utinyint": "INTEGER", "ubigint": "NUMERIC", "hugeint": "BIGNUMERIC", "double": "FLOAT",
    "float": "FLOAT", "boolean": "BOOLEAN", "varchar": "STRING", "uuid": "STRING", "blob": "BYTES", "date": "DATE",
    "time": "TIME", "timestamp": "DATETIME", "timestamp with time zone": "TIMESTAMP", "interval": "INTERVAL",
    "geometry": "GEOGRAPHY", "json": "JSON",
}  # fmt: skip
"""REST's types by DuckDB's."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Old:
    """What 0.1.0 left: its resources by name, and DuckDB with its tables.

    Attributes:
        engine: A DuckDB in memory with the files attached; `lake` is the project's.
        resources: Of each sort (datasets, tables, routines), by project, dataset and name.
    """

    engine: Any
    resources: Mapping[str, Mapping[tuple[str, ...], Resource]]


def is_needed(folder: Path) -> bool:
    """Whether the folder holds data of 0.1.0 and nothing newer."""
    return (folder / OLD).exists() and not (folder / FILE).exists()


def take_over(folder: Path, fill: Callable[[Path, Callable[[StoreTransaction], None]], None]) -> None:
    """Makes the new file from the old ones. Until it is complete, the old ones stay as they are.

    Args:
        folder: Of the data.
        fill: Opens a store in a folder, runs something in a transaction, and closes it.

    Raises:
        BigQueryError: The old files cannot be read.
    """
    new = folder / TEMPORARY
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        fill(new, lambda transaction: _copy_all(folder, transaction))
    except duckdb.Error as error:
        text = f"BigQuery's data of Orionbox 0.1.0 in {folder} cannot be taken over: {str(error).splitlines()[0]}"
        raise BigQueryError("internalError", text, status=500) from error
    os.replace(new / FILE, folder / FILE)
    shutil.rmtree(new)
    log.info("the data of Orionbox 0.1.0 has been taken over; its files stay in %s for a week", folder / KEPT)


def move_old_files(folder: Path) -> None:
    """Moves the files of 0.1.0 away once they have been taken over; may be called again after it was interrupted."""
    catalogues = list(folder.glob(f"*{LAKE}"))
    if not (folder / OLD).exists() and not catalogues:
        return
    kept = folder / KEPT
    kept.mkdir(exist_ok=True)
    for catalogue in catalogues:
        for file in (catalogue.with_suffix(""), *folder.glob(f"{catalogue.name}*")):
            if file.exists():
                os.replace(file, kept / file.name)
    for file in folder.glob(f"{OLD}*"):
        os.replace(file, kept / file.name)


def prune_old_files(folder: Path, days: float, dry_run: bool) -> tuple[int, int]:
    """Deletes the files of 0.1.0 some days after they have been taken over.

    Args:
        folder: Of the data.
        days: How long ago that must have been.
        dry_run: Whether to say only what would go.

    Returns:
        How many files there are, and their bytes.
    """
    kept = folder / KEPT
    if not kept.exists() or time.time() - kept.stat().st_mtime < days * 86_400:
        return 0, 0
    files = [file for file in kept.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    if not dry_run:
        shutil.rmtree(kept)
    return len(files), size


def _copy_all(folder: Path, transaction: StoreTransaction) -> None:
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(f"LOAD {quoted(_extension(engine))}")
        add_functions(engine)
        engine.execute(f"ATTACH {quoted(folder / OLD)} AS old (READ_ONLY)")
        old = Old(engine, {sort: _resources(engine, sort) for sort in ("datasets", "tables", "routines")})
        for path, resource in old.resources["datasets"].items():
            transaction.keep(Dataset((path[0], path[1]), _own(resource, "location"), *_times(resource)))
        for catalogue in sorted(folder.glob(f"*{LAKE}")):
            data = f"DATA_PATH {quoted(folder / catalogue.stem)}, OVERRIDE_DATA_PATH true, READ_ONLY"
            engine.execute(f"ATTACH {quoted(Path(f'ducklake:{catalogue}'))} AS lake ({data})")
            _copy_project(old, catalogue.stem, transaction)
            engine.execute("DETACH lake")
        for path, resource in old.resources["routines"].items():
            transaction.keep(Routine((path[0], path[1], path[2]), _own(resource), *_times(resource)))


def add_functions(engine: Any) -> None:
    """Adds what `_value` calls."""
    engine.create_function("bignumeric", types.bignumeric, ["DECIMAL(38,18)"], "BLOB")
    engine.create_function("geography", _geography, ["VARCHAR"], "BLOB", null_handling="special")


def _geography(text: str | None) -> bytes | None:
    """A shape of DuckDB's as a GEOGRAPHY; NULL if it is none on the sphere, where edges are not straight on a map."""
    try:
        return None if text is None else to_bytes(from_wkt(text))
    except ValueError:
        return None


def _extension(engine: Any) -> Path:
    """DuckLake's extension inside its wheel, since DuckDB must not download one."""
    version = engine.execute("PRAGMA version").fetchall()[0][0]
    spec = importlib.util.find_spec("duckdb_extension_ducklake")
    file = (
        Path(spec.origin).parent / "extensions" / version / "ducklake.duckdb_extension"
        if spec and spec.origin
        else None
    )
    if file is None or not file.exists():
        text = f"BigQuery's data of Orionbox 0.1.0 needs the wheel duckdb-extension-ducklake for DuckDB {version}"
        raise BigQueryError("internalError", text, status=500)
    return Path(file)


def _resources(engine: Any, sort: str) -> dict[tuple[str, ...], Resource]:
    name = sort.removesuffix("s") + "_id"
    key = "project_id, dataset_id" + ("" if sort == "datasets" else f", {name}")
    rows = engine.execute(f"SELECT CAST(resource AS VARCHAR), {key} FROM old.main.{sort}").fetchall()
    return {tuple(row[1:]): json.loads(row[0]) for row in rows}


def _own(resource: Resource, *kept: str) -> dict[str, Any]:
    derived = set(_DERIVED) - set(kept)
    return {name: value for name, value in resource.items() if name not in derived and value is not None}


def _times(resource: Resource) -> tuple[int, int]:
    created = int(resource.get("creationTime") or 0)
    return created, int(resource.get("lastModifiedTime") or created)


def _copy_project(old: Old, project: str, transaction: StoreTransaction) -> None:
    rows = old.engine.execute(
        "SELECT schema_name, table_name, true FROM duckdb_tables() WHERE database_name = 'lake' UNION ALL "
        "SELECT schema_name, view_name, false FROM duckdb_views() WHERE database_name = 'lake' AND NOT internal "
        "ORDER BY ALL"
    ).fetchall()
    for dataset, name, is_table in rows:
        path = (project, dataset, name)
        if (project, dataset) not in old.resources["datasets"] and not transaction.has_dataset(path[:2]):
            transaction.keep(Dataset(path[:2], {"location": "US"}))
        resource = old.resources["tables"].get(path, {})
        if is_table:
            _copy_table(old, path, resource, transaction)
        elif resource.get("view") or resource.get("materializedView"):
            kind = "VIEW" if resource.get("view") else "MATERIALIZED_VIEW"
            transaction.keep(Table(path, kind, {"schema": {"fields": []}, **_own(resource)}, *_times(resource)))
        else:
            log.warning("%s.%s.%s is not taken over: only its SQL for DuckDB is known; create it again", *path)


def _copy_table(old: Old, path: tuple[str, str, str], resource: Resource, transaction: StoreTransaction) -> None:
    source = f"lake.{_name(path[1])}.{_name(path[2])}"
    relation = old.engine.execute(f"FROM {source} LIMIT 0")
    columns = {one[0]: one[1] for one in relation.description}
    kinds = dict(zip(columns, old.engine.table(source).types, strict=True))
    pseudo = [name for name in columns if name.upper() == "_PARTITIONTIME"]
    known = {field["name"].lower(): field for field in (resource.get("schema") or {}).get("fields", ())}
    fields = [_field(name, kinds[name], known.get(name.lower())) for name in columns if name not in pseudo]
    fields = [_valid(old.engine, source, field, path) for field in fields]
    own = {**_own(resource), "schema": {"fields": fields}}
    table = transaction.create_table(Table(path, "TABLE", own))
    items = [_value(_name(field["name"]), kinds[field["name"]], schema.type_of(field)) for field in fields]
    target = transaction.relation(path)
    into = [*target.columns[: len(fields)], *([PARTITION_TIME] if pseudo else ())]
    selected = [*items, *(_name(name) for name in pseudo)]
    rows = old.engine.execute(f"SELECT {', '.join(f'{item} AS x{n}' for n, item in enumerate(selected))} FROM {source}")
    transaction.connection.register("incoming", rows.to_arrow_reader(100_000))
    names = ", ".join(f"x{number}" for number in range(len(selected)))
    transaction.connection.execute(
        f"INSERT INTO {target.sql} ({', '.join(into)}) SELECT {names} FROM incoming"
    ).fetchall()
    transaction.connection.unregister("incoming")
    if resource:
        created, modified = _times(resource)
        transaction.keep(Table(path, "TABLE", table.resource, created, modified))


def _valid(engine: Any, source: str, field: dict[str, Any], path: tuple[str, str, str]) -> dict[str, Any]:
    """A column; as STRING if it is a GEOGRAPHY with values that have no meaning on the sphere."""
    if field["type"] != "GEOGRAPHY" or field["mode"] == "REPEATED":
        return field
    name = _name(field["name"])
    text = f"CAST({name} AS VARCHAR)"
    count = engine.execute(f"SELECT count({name}) - count(geography({text})) FROM {source}").fetchone()[0]
    if not count:
        return field
    log.warning("%s.%s.%s: column %s is now STRING: %s of its shapes are no GEOGRAPHY", *path, field["name"], count)
    return {**field, "type": "STRING"}


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _field(name: str, kind: Any, known: Resource | None) -> dict[str, Any]:
    """A column in REST form: its type as DuckDB has it, the rest as it was described."""
    field = _described(name, kind)
    if known is None:
        return field
    is_same = str(known.get("type", "")).upper() in (field["type"], _ALIASES.get(field["type"]))
    kept = ("description", "maxLength", "precision", "scale", "policyTags", "defaultValueExpression", "roundingMode")
    more = {key: known[key] for key in kept if known.get(key)} if is_same else {}
    mode = "REQUIRED" if known.get("mode") == "REQUIRED" and field["mode"] == "NULLABLE" else field["mode"]
    inner = {part["name"].lower(): part for part in known.get("fields") or ()}
    if field.get("fields"):
        children = dict(zip((part["name"] for part in field["fields"]), _children(kind), strict=True))
        more["fields"] = [_field(part, child, inner.get(part.lower())) for part, child in children.items()]
    return {**field, **more, "mode": mode}


_ALIASES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def _children(kind: Any) -> list[Any]:
    struct = kind.children[0][1] if kind.id == "list" else kind
    return [child for _, child in struct.children]


def _described(name: str, kind: Any) -> dict[str, Any]:
    if kind.id == "list":
        return {**_described(name, kind.children[0][1]), "mode": "REPEATED"}
    if kind.id == "struct":
        fields = [_described(part, child) for part, child in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": fields}
    if kind.id == "decimal":
        digits, scale = (value for _, value in kind.children)
        rest = "NUMERIC" if scale <= 9 and digits - scale <= 29 else "BIGNUMERIC"
    else:
        rest = _KINDS.get(str(kind).lower()) or _KINDS.get(kind.id) or "STRING"
    return {"name": name, "type": rest, "mode": "NULLABLE"}


def _value(value: str, old: Any, new: Type) -> str:
    """DuckDB SQL of a value in its new form."""
    if new.kind == "ARRAY":
        item = _value("item", old.children[0][1], new.part)
        return f"coalesce(list_transform({value}, lambda item: {item}), [])"
    if new.kind == "STRUCT":
        parts = zip(old.children, new.fields, strict=True)
        inner = [_value(f"struct_extract({value}, {types.quoted(name)})", kind, to) for (name, kind), (_, to) in parts]
        fields = ", ".join(f"'f{number}': {part}" for number, part in enumerate(inner))
        return f"CASE WHEN {value} IS NOT NULL THEN {{{fields}}} END"
    if new.kind == "BIGNUMERIC":
        return f"bignumeric(CAST({value} AS DECIMAL(38,18)))"
    if new.kind == "GEOGRAPHY":
        return f"geography(CAST({value} AS VARCHAR))"
    if new.kind == "INTERVAL":
        months = f"date_part('year', {value}) * 12 + date_part('month', {value})"
        micros = f"(date_part('hour', {value}) * 60 + date_part('minute', {value})) * 60000000"
        parts_sql = (
            f"'f0': {months}, 'f1': date_part('day', {value}), 'f2': {micros} + date_part('microsecond', {value})"
        )
        return f"CASE WHEN {value} IS NOT NULL THEN {{{parts_sql}}} END"
    return f"CAST({value} AS {new.duckdb})"
