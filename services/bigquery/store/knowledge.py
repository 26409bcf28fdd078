"""What the names in a statement stand for: tables, views, wildcards, INFORMATION_SCHEMA."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from services.bigquery import cost, schema, types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures.connection import register_scalars
from services.bigquery.compiler.statement import compile_query, output_columns
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language import catalog
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.names import parts as split
from services.bigquery.queries import MOST_ROWS, Queries, Tables
from services.bigquery.records import Known, Path, Resource, Routine, Size, Table
from services.bigquery.store import refusals, tables, wildcards
from services.bigquery.store.catalogue import Catalogue, Entry, Key, Value, dataset_key, routine_key, table_key
from services.bigquery.types import Type
from services.bigquery.views import information_schema

External = Callable[[Table], Any]
"""Reads an external table: Arrow data with the fields' names."""
_SCHEMA = "INFORMATION_SCHEMA"
MOST_VIEWS = 16
"""How deep views may lie in one another; https://cloud.google.com/bigquery/quotas#view_limits."""


class Reader(Protocol):
    """The part of a transaction that this needs."""

    @property
    def connection(self) -> Any:
        """DuckDB."""

    @property
    def catalogue(self) -> Catalogue:
        """All that there is."""

    def at(self, key: Key) -> Value | None:
        """What a key stands for."""

    def size(self, path: Path) -> Size:
        """How much a table holds."""

    def partitions(self, path: Path) -> list[tuple[str | None, int]]:
        """Ids and rows of a table's partitions."""


@dataclass
class _Found:
    """One name's meaning."""

    columns: Sequence[catalog.Column]
    relation: Relation | None
    contents: Callable[[], list[list[Any]] | None] | None = None
    is_view: bool = False


@dataclass
class _Names:
    """The names of one statement while they are looked up; views in views are deeper."""

    project: str
    dataset: str
    depth: int
    tables: dict[tuple[str, ...], catalog.Table] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    contents: dict[str, Callable[[], list[list[Any]] | None]] = field(default_factory=dict)
    referenced: list[Path] = field(default_factory=list)
    tables_of: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    read_by_views: list[tuple[Path, frozenset[str]]] = field(default_factory=list)


class Defaults(Mapping[str, str]):
    """SQL of columns' default values, compiled when a statement asks for one."""

    def __init__(self, texts: Mapping[str, tuple[str, Type]], compiled: Callable[[str, Type], str]) -> None:
        self._texts = texts
        self._compiled = compiled

    def __getitem__(self, column: str) -> str:
        """SQL."""
        return self._compiled(*self._texts[column])

    def __iter__(self) -> Iterator[str]:
        """The columns that have one."""
        return iter(self._texts)

    def __len__(self) -> int:
        """How many columns have one."""
        return len(self._texts)


class Knowledge:
    """Looks names up.

    Args:
        queries: Analyzes and compiles views and default values.
        external: Reads external tables.
        shares_projects: Whether a table that the named project lacks is looked for in the others.
        jobs: Gives a project's jobs in REST form.
    """

    def __init__(
        self,
        queries: Queries,
        external: External | None,
        shares_projects: bool,
        jobs: Callable[[str], Sequence[Resource]],
    ) -> None:
        self._queries = queries
        self._jobs = jobs
        self._external = external
        self._shares_projects = shares_projects
        self._numbers = itertools.count(1)

    def find(self, reader: Reader, parts: Sequence[str], project: str, dataset: str) -> Path:
        """The full path of a name."""
        parts = split(parts)
        if len(parts) == 1 and not dataset:
            raise refusals.unqualified(parts[0])
        if len(parts) > 3:
            raise BigQueryError("invalid", f"Invalid table name: `{'.'.join(parts)}`", "query")
        full = (*(project, dataset)[: 3 - len(parts)], *parts) if len(parts) < 3 else tuple(parts)
        _, *names = reader.catalogue.canonical(("table", *full))
        path: Path = (names[0], names[1], names[2])
        if not self._shares_projects or reader.at(table_key(path)) is not None:
            return path
        others = sorted(other for other, name in reader.catalogue.datasets if name == path[1] and other != path[0])
        if path[2].endswith("*"):
            others = [other for other in others if wildcards.matching(reader.catalogue, (other, *path[1:]))]
            return (others[0], *path[1:]) if others and not wildcards.matching(reader.catalogue, path) else path
        for other in others:
            if reader.at(table_key((other, *path[1:]))) is not None:
                return (other, *path[1:])
        if reader.at(dataset_key(path[:2])) is None and others:
            return (others[0], *path[1:])
        return path

    def relation(self, reader: Reader, path: Path) -> Relation:
        """Where a table's rows are."""
        found = self._meaning(reader, path, _Names(path[0], path[1], 0))
        if found.relation is None:
            raise NotBuilt(f"view {path[0]}:{path[1]}.{path[2]} here")
        return found.relation

    def know(
        self,
        reader: Reader,
        paths: Collection[Sequence[str]],
        project: str,
        dataset: str,
        routines: Collection[Sequence[str]] = (),
    ) -> Known:
        """What the names of a statement stand for."""
        return self._know(reader, paths, routines, _Names(project, dataset, 0))

    def _know(
        self, reader: Reader, paths: Collection[Sequence[str]], routines: Collection[Sequence[str]], names: _Names
    ) -> Known:
        def tables_of(written: Collection[Sequence[str]]) -> list[catalog.Table]:
            return [self._table(reader, path, names) for path in dict.fromkeys(split(path) for path in written)]

        def resource_of(path: Sequence[str]) -> Resource | None:
            return self._routine(reader, split(path), names)

        tables_of(paths)
        called = [tuple(path) for path in routines]
        functions = self._queries.analyzer.functions(called, resource_of, tables_of)[0] if called else []
        scope = Scope(tables=list(names.tables.values()), functions=functions)
        rows = Tables(names.relations, lambda name: names.contents[name]())
        referenced = tuple(dict.fromkeys(names.referenced))
        return Known(scope, rows, referenced, names.tables_of, tuple(names.read_by_views))

    def _table(self, reader: Reader, written: tuple[str, ...], names: _Names) -> catalog.Table:
        if written in names.tables:
            return names.tables[written]
        if _SCHEMA in [part.upper() for part in written] or written[-1] == "__TABLES__":
            full, found = ".".join(written), self._schema_view(reader, written, names)
        else:
            path = self.find(reader, written, names.project, names.dataset)
            full, before = ".".join(path), len(names.referenced)
            found = self._meaning(reader, path, names)
            if not found.is_view:
                names.tables_of[full] = tuple(names.referenced[before:])
        if found.relation is not None:
            names.relations[full] = found.relation
        names.contents[full] = found.contents or self._rows_of(reader, found)
        return names.tables.setdefault(written, catalog.Table(written, full, found.columns))

    def _routine(self, reader: Reader, parts: Sequence[str], names: _Names) -> Resource | None:
        if len(parts) not in (2, 3):
            return None
        project = parts[0] if len(parts) == 3 else names.project
        path = (parts[-2], parts[-1])
        others = sorted(other for other, name in reader.catalogue.datasets if name == path[0])
        for one in (project, *(others if self._shares_projects else ())):
            if isinstance(found := reader.at(routine_key((one, *path))), Routine):
                return found.resource
        return None

    def _meaning(self, reader: Reader, path: Path, names: _Names) -> _Found:
        if path[2].endswith("*"):
            return self._wildcard(reader, path, names)
        entry = reader.at(table_key(path))
        if not isinstance(entry, Entry):
            raise _missing(reader, path)
        names.referenced.append(path)
        if entry.number:
            return _Found(columns_of(entry), self._relation_of(entry))
        if entry.table.kind == "EXTERNAL":
            return self._external_table(reader, entry)
        return self._view(reader, entry, names)

    def _relation_of(self, entry: Entry) -> Relation:
        texts = {
            name: (str(one["defaultValueExpression"]), schema.type_of(one))
            for name, one in zip(entry.columns, entry.table.fields, strict=True)
            if one.get("defaultValueExpression")
        }
        columns = [*entry.columns, *pseudo_sql(entry)]
        return Relation(tables.sql_name(entry.number), columns, Defaults(texts, self._default))

    def _default(self, text: str, kind: Type) -> str:
        statement = self._queries.analyzer.analyze(f"SELECT CAST(({text}) AS {kind.sql})", Scope())
        query = compile_query(statement, {}, self._queries.now())
        if query.scalars:
            raise NotBuilt(f"default value {text}")
        return f"({query.sql})"

    def _wildcard(self, reader: Reader, path: Path, names: _Names) -> _Found:
        entries = wildcards.matching(reader.catalogue, path)
        entries = [entry for entry in entries if reader.at(table_key(entry.table.path)) is not None]
        if not entries:
            text = f"{path[0]}:{path[1]}.{path[2]} does not match any table."
            raise BigQueryError("invalidQuery", text, "query")
        names.referenced.extend(entry.table.path for entry in entries)
        sql, columns = wildcards.union(entries, path[2][:-1])
        fields = wildcards.newest(entries).table.fields
        known = [catalog.Column(one["name"], schema.type_of(one)) for one in fields]
        known.append(catalog.Column(wildcards.SUFFIX, Type("STRING"), is_pseudo=True))
        return _Found(known, Relation(sql, columns))

    def _external_table(self, reader: Reader, entry: Entry) -> _Found:
        if self._external is None:
            raise NotBuilt("external tables")
        data = self._external(entry.table)
        return self._arrow(reader, data, schema.columns_of(entry.table.fields))

    def _arrow(self, reader: Reader, data: Any, columns: Sequence[tuple[str, Type]]) -> _Found:
        data = data.read_all() if isinstance(data, pa.RecordBatchReader) else data
        name = f"arrow_{next(self._numbers)}"
        reader.connection.register(name, data.rename_columns([f"v{number}" for number in range(len(columns))]))
        known = [catalog.Column(column, kind) for column, kind in columns]
        return _Found(known, Relation(name, [f"v{number}" for number in range(len(columns))]))

    def _schema_view(self, reader: Reader, parts: Sequence[str], names: _Names) -> _Found:
        name = parts[-1].upper()
        if name not in information_schema.VIEWS:
            raise NotBuilt(f"view INFORMATION_SCHEMA.{name}")
        before = [part for part in parts[:-1] if part.upper() != _SCHEMA]
        is_region = bool(before) and before[-1].lower().startswith("region-")
        dataset = "" if is_region or name in information_schema.OF_PROJECT else (before or [names.dataset])[-1]
        project = before[0] if len(before) > 1 else names.project
        if not dataset and not is_region and name not in information_schema.OF_PROJECT:
            raise refusals.unqualified(".".join(parts))
        if dataset and self._shares_projects:
            project = self.find(reader, [project, dataset, ""], project, dataset)[0]
        return self._arrow(reader, *information_schema.read(name, self._source(reader, project, dataset)))

    def _source(self, reader: Reader, project: str, dataset: str) -> information_schema.Source:
        """All of a project, or one dataset."""
        if dataset and reader.at(dataset_key((project, dataset))) is None:
            raise refusals.no_dataset_in_query((project, dataset))
        listed = []
        for path, contents in sorted(reader.catalogue.datasets.items()):
            is_named = path[1] == dataset if dataset else not path[1].startswith("_")
            if path[0] == project and is_named and contents.dataset:
                found = [reader.at(table_key((*path, name))) for name in sorted(contents.tables)]
                living = [entry.table for entry in found if isinstance(entry, Entry)]
                listed.append(information_schema.Listed(contents.dataset, living, list(contents.routines.values())))
        return information_schema.Source(listed, reader.size, reader.partitions, lambda: self._jobs(project))

    def _view(self, reader: Reader, entry: Entry, names: _Names) -> _Found:
        path = entry.table.path
        if names.depth >= MOST_VIEWS:
            raise BigQueryError("invalidQuery", f"Too many nested views: {'.'.join(path)}", "query")
        definition = entry.table.resource.get("view") or entry.table.resource.get("materializedView") or {}
        sql, analyzer = str(definition.get("query", "")), self._queries.analyzer
        inner = _Names(path[0], path[1], names.depth + 1)
        known = self._know(reader, analyzer.table_paths(sql), analyzer.routine_paths(sql), inner)
        names.referenced.extend(known.referenced)
        statement = analyzer.analyze(sql, known.scope)
        names.read_by_views.extend(known.read_by_views)
        for name, read in cost.columns_read(statement).items():
            names.read_by_views.extend((one, frozenset(read)) for one in known.tables_of.get(name, ()))
        columns = output_columns(statement)
        relation = None
        try:
            query = compile_query(statement, known.tables.relations, self._queries.now(), scope=known.scope)
            register_scalars(reader.connection, query.scalars, self._queries.evaluator)
            relation = Relation(f"({query.sql})", [f"o{number}" for number in range(len(columns))])
        except NotBuilt:
            pass  # the evaluator may know it

        def contents() -> list[list[Any]] | None:
            answer = self._queries.answer(reader.connection, sql, known.scope, known.tables, statement=statement)
            return answer.rows if answer.table.num_rows <= MOST_ROWS else None

        fields = [str(one["name"]) for one in entry.table.fields]
        called = fields if len(fields) == len(columns) else [name for name, _ in columns]
        pairs = zip(called, columns, strict=True)
        return _Found([catalog.Column(name, kind) for name, (_, kind) in pairs], relation, contents, is_view=True)

    def _rows_of(self, reader: Reader, found: _Found) -> Callable[[], list[list[Any]] | None]:
        relation, columns = found.relation, found.columns
        assert relation is not None

        def contents() -> list[list[Any]] | None:
            items = ", ".join(relation.columns) or "1"
            sql = f"SELECT {items} FROM {relation.sql} LIMIT {MOST_ROWS + 1}"
            table = reader.connection.execute(sql).to_arrow_table()
            if table.num_rows > MOST_ROWS:
                return None
            plain = [types.plain_column(table.column(place), one.type) for place, one in enumerate(columns)]
            return [list(row) for row in zip(*plain, strict=True)]

        return contents


def _missing(reader: Reader, path: Path) -> BigQueryError:
    if reader.at(dataset_key(path[:2])) is None:
        return refusals.no_dataset_in_query(path[:2])
    return refusals.no_table_in_query(path)


def columns_of(entry: Entry) -> list[catalog.Column]:
    """A table's columns as statements see them."""
    found = [
        catalog.Column(one["name"], schema.type_of(one), has_default=bool(one.get("defaultValueExpression")))
        for one in entry.table.fields
    ]
    if tables.is_partitioned_by_load(entry.table.resource):
        found.append(catalog.Column("_PARTITIONTIME", Type("TIMESTAMP"), is_pseudo=True))
        found.append(catalog.Column("_PARTITIONDATE", Type("DATE"), is_pseudo=True))
    return found


def pseudo_sql(entry: Entry) -> list[str]:
    """DuckDB SQL of a table's pseudo-columns."""
    if not tables.is_partitioned_by_load(entry.table.resource):
        return []
    return [tables.PARTITION_TIME, f"CAST({tables.PARTITION_TIME} AS DATE)"]
