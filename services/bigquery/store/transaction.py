"""A transaction as jobs and routes see it: datasets, tables, routines and rows."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from services.bigquery import schema
from services.bigquery.compiler.context import Relation
from services.bigquery.records import (
    ColumnChange,
    Dataset,
    DatasetPath,
    Known,
    Path,
    Resource,
    Routine,
    Size,
    Table,
)
from services.bigquery.store import refusals, tables
from services.bigquery.store.catalogue import (
    Catalogue,
    Contents,
    Entry,
    Key,
    Value,
    dataset_key,
    routine_key,
    table_key,
)
from services.bigquery.store.knowledge import Knowledge
from services.bigquery.store.session import Session, Versions

TEMPORARY = "_script"
"""What the names of datasets of temporary tables begin with."""
_WITH_ROWS = ("TABLE", "SNAPSHOT")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 10**6


class StoreTransaction:
    """What `records.Transaction` describes.

    Args:
        session: Its hold on DuckDB.
        versions: Gives numbers to new tables.
        sizes: Known sizes by number and count of changes.
        knowledge: Finds what names in statements stand for.
    """

    def __init__(
        self, session: Session, versions: Versions, sizes: dict[tuple[int, int], Size], knowledge: Knowledge
    ) -> None:
        self._session = session
        self._versions = versions
        self._sizes = sizes
        self._knowledge = knowledge
        self._after: dict[Key, Value | None] = {}
        self._own: Catalogue | None = None
        self.new_sizes: dict[tuple[int, int], Size] = {}
        """Those that it has computed; others may use them once it is committed."""

    @property
    def connection(self) -> Any:
        """DuckDB in this transaction."""
        return self._session.connection

    @property
    def changes(self) -> dict[Key, tuple[Value | None, Value | None]]:
        """What it changed, for the commit: before and after."""
        return {key: (self._session.base.at(key), after) for key, after in self._after.items()}

    @property
    def catalogue(self) -> Catalogue:
        """All that there is, as this transaction sees it."""
        return self._own or self._session.base

    def at(self, key: Key) -> Value | None:
        """What a key stands for; a table that has expired is not there."""
        key = self.catalogue.canonical(key)
        value = self.catalogue.at(key)
        if key not in self._after:
            self._session.seen[key] = value
        return None if isinstance(value, Entry) and _has_expired(value.table) else value

    def _put(self, key: Key, value: Value | None) -> None:
        self._session.begin_writing()
        key = self.catalogue.canonical(key)
        self._after[key] = value
        self._own = self.catalogue.having(key, value)

    def projects(self) -> list[str]:
        """Projects that have datasets."""
        return sorted({path[0] for path, contents in self.catalogue.datasets.items() if contents.dataset})

    def datasets(self, project: str) -> list[Dataset]:
        """A project's datasets, without hidden ones."""
        found = (contents.dataset for path, contents in self.catalogue.datasets.items() if path[0] == project)
        visible = (dataset for dataset in found if dataset and not dataset.path[1].startswith("_"))
        return sorted(visible, key=lambda dataset: dataset.path)

    def dataset(self, path: DatasetPath) -> Dataset:
        """A dataset."""
        found = self.at(dataset_key(path))
        if not isinstance(found, Dataset):
            raise refusals.no_dataset(path)
        return found

    def _contents(self, path: DatasetPath) -> Contents:
        return self.catalogue.contents(self.dataset(path).path)

    def put_dataset(self, dataset: Dataset, is_new: bool) -> Dataset:
        """Creates or replaces a dataset's metadata."""
        if is_new:
            schema.check_dataset(*dataset.path)
        key, now = dataset_key(dataset.path), now_ms()
        old = self.at(key)
        if is_new and old is not None:
            raise refusals.exists("Dataset", dataset.path)
        created = now if is_new else self.dataset(dataset.path).created
        new = replace(dataset, created=created, modified=now)
        self._put(key, new)
        return new

    def drop_dataset(self, path: DatasetPath, with_contents: bool) -> None:
        """Drops a dataset."""
        contents = self._contents(path)
        living = [name for name, entry in contents.tables.items() if not _has_expired(entry.table)]
        if (living or contents.routines) and not with_contents:
            raise refusals.in_use(path)
        for name in list(contents.tables):
            self._drop(table_key((*path, name)))
        for name in list(contents.routines):
            self._put(routine_key((*path, name)), None)
        self._put(dataset_key(path), None)

    def tables(self, dataset: DatasetPath) -> list[Table]:
        """A dataset's tables and views, by name."""
        entries = self._contents(dataset).tables.values()
        living = (entry.table for entry in entries if not _has_expired(entry.table))
        return sorted(living, key=lambda table: table.path)

    def entry(self, path: Path) -> Entry:
        """A table with its place in DuckDB."""
        found = self.at(table_key(path))
        if not isinstance(found, Entry):
            self.dataset(path[:2])
            raise refusals.no_table(path)
        return found

    def table(self, path: Path) -> Table:
        """A table or view."""
        return self.entry(path).table

    def create_table(self, table: Table, query: str = "") -> Table:
        """Creates a table or view, with the rows of a query."""
        key, now = table_key(table.path), now_ms()
        dataset = self.dataset(table.path[:2])
        if self.at(key) is not None:
            raise refusals.exists("Table", table.path)
        if self.catalogue.at(self.catalogue.canonical(key)) is not None:
            self._drop(key)
        resource = dict(table.resource)
        life = dataset.resource.get("defaultTableExpirationMs")
        if life and not resource.get("expirationTime"):
            resource["expirationTime"] = str(now + int(life))
        new = replace(table, path=(*dataset.path, table.path[2]), resource=resource, created=now, modified=now)
        self._put(key, self._created(new, query) if table.kind in _WITH_ROWS else Entry(new))
        return new

    def _created(self, table: Table, query: str) -> Entry:
        number, columns = self._versions.next_number(), tables.fresh_names((), len(table.fields))
        self._session.begin_writing()
        tables.create(self.connection, number, table.fields, columns, table.resource)
        entry = Entry(table, number, tuple(columns))
        if query:
            self.connection.execute(f"INSERT INTO {tables.sql_name(number)} ({', '.join(columns)}) {query}").fetchall()
            tables.settle(self.connection, entry)
        return entry

    def put_table(self, table: Table) -> Table:
        """Replaces a table's metadata; REQUIRED and lengths of columns may change with it."""
        entry = self.entry(table.path)
        if entry.number:
            if len(entry.columns) != len(table.fields):
                raise ValueError(f"{table.path}: columns are added and dropped by change_columns")
            self._session.begin_writing()
            entry = tables.with_rules(self.connection, entry, table.fields, self._versions.next_number())
        new = replace(table, created=entry.table.created, modified=now_ms())
        self._put(table_key(table.path), replace(entry, table=new))
        return new

    def change_columns(self, path: Path, changes: Sequence[ColumnChange]) -> Table:
        """Adds, drops, renames or retypes columns."""
        self._session.begin_writing()
        entry, fields = tables.changed(self.connection, self.entry(path), changes, self._versions.next_number())
        schema = {**entry.table.resource.get("schema", {}), "fields": fields}
        new = replace(entry.table, resource={**entry.table.resource, "schema": schema}, modified=now_ms())
        self._put(table_key(path), replace(entry, table=new, changes=entry.changes + 1))
        return new

    def touch(self, path: Path) -> None:
        """Notes that its rows have changed; call it after each change, in the same transaction."""
        entry = self.entry(path)
        self._session.begin_writing()
        tables.settle(self.connection, entry)
        table = replace(entry.table, modified=now_ms())
        self._put(table_key(path), replace(entry, table=table, changes=entry.changes + 1))

    def rename_table(self, path: Path, name: str) -> None:
        """Renames a table in its dataset."""
        entry, new_path = self.entry(path), (path[0], path[1], name)
        if self.at(table_key(new_path)) is not None:
            raise refusals.exists("Table", new_path)
        self._put(table_key(path), None)
        self._put(table_key(new_path), replace(entry, table=replace(entry.table, path=new_path, modified=now_ms())))

    def drop_table(self, path: Path) -> None:
        """Drops a table or view."""
        self.entry(path)
        self._drop(table_key(path))

    def _drop(self, key: Key) -> None:
        entry = self.catalogue.at(self.catalogue.canonical(key))
        if isinstance(entry, Entry) and entry.number:
            self._session.begin_writing()
            self.connection.execute(f"DROP TABLE {tables.sql_name(entry.number)}")
        self._put(key, None)

    def has_dataset(self, path: DatasetPath) -> bool:
        """Whether there is a dataset."""
        return self.at(dataset_key(path)) is not None

    def keep(self, record: Dataset | Table | Routine) -> None:
        """Puts a record as it is, with the times that it has; a table keeps its rows."""
        if isinstance(record, Dataset):
            self._put(dataset_key(record.path), record)
        elif isinstance(record, Routine):
            self._put(routine_key(record.path), record)
        else:
            old = self.at(table_key(record.path))
            new = replace(old, table=record) if isinstance(old, Entry) else Entry(record)
            self._put(table_key(record.path), new)

    def drop_expired(self, latest: int, dry_run: bool) -> int:
        """Drops the tables that expired before a time in milliseconds since 1970; returns how many there are."""
        keys = [
            table_key((*path, name))
            for path, contents in self.catalogue.datasets.items()
            for name, entry in contents.tables.items()
            if int(entry.table.resource.get("expirationTime") or 2**63) <= latest
        ]
        for key in () if dry_run else keys:
            self._drop(key)
        return len(keys)

    def drop_temporary(self) -> None:
        """Drops the temporary tables of scripts and sessions that a killed server left."""
        for path in [path for path in self.catalogue.datasets if path[1].startswith(TEMPORARY)]:
            self.drop_dataset(path, with_contents=True)

    def relation(self, path: Path) -> Relation:
        """Where a table's rows are."""
        return self._knowledge.relation(self, path)

    def size(self, path: Path, columns: Collection[str] | None = None) -> Size:
        """How much a table holds; views hold nothing.

        Args:
            path: Its path.
            columns: Names, in lower case, of those that count; None for all.
        """
        entry = self.entry(path)
        if not entry.number:
            return Size(0)
        key = (entry.number, entry.changes)
        known = self.new_sizes.get(key) or self._sizes.get(key)
        pairs = {str(field["name"]).lower(): (field, column) for field, column in _zip(entry)}
        wanted = pairs.keys() if columns is None else pairs.keys() & set(columns)
        missing = [name for name in pairs if name in wanted and (known is None or name not in known.columns)]
        if known is None or missing:
            fields, own = [pairs[name][0] for name in missing], [pairs[name][1] for name in missing]
            rows, *sizes = self.connection.execute(tables.size_sql(entry.number, fields, own)).fetchall()[0]
            found = {**(known.columns if known else {}), **dict(zip(missing, sizes, strict=True))}
            known = self.new_sizes[key] = Size(rows, found)
        return Size(known.rows, {name: known.columns[name] for name in wanted})

    def partitions(self, path: Path) -> list[tuple[str | None, int]]:
        """Ids and rows of a table's partitions; one without an id for a table that has none."""
        entry = self.entry(path)
        if not entry.number:
            return []
        sql = f"SELECT {tables.partition_sql(entry)} AS id, count(*) FROM {tables.sql_name(entry.number)}"
        return [(row[0], row[1]) for row in self.connection.execute(f"{sql} GROUP BY id ORDER BY id").fetchall()]

    def routines(self, dataset: DatasetPath) -> list[Routine]:
        """A dataset's routines, by name."""
        return sorted(self._contents(dataset).routines.values(), key=lambda routine: routine.path)

    def routine(self, path: Path) -> Routine:
        """A routine."""
        found = self.at(routine_key(path))
        if not isinstance(found, Routine):
            self.dataset(path[:2])
            raise refusals.no_table(path, "Routine")
        return found

    def put_routine(self, routine: Routine, is_new: bool) -> Routine:
        """Creates or replaces a routine."""
        key, now = routine_key(routine.path), now_ms()
        self.dataset(routine.path[:2])
        if is_new and self.at(key) is not None:
            raise refusals.exists("Routine", routine.path)
        new = replace(routine, created=now if is_new else self.routine(routine.path).created, modified=now)
        self._put(key, new)
        return new

    def drop_routine(self, path: Path) -> None:
        """Drops a routine."""
        self.routine(path)
        self._put(routine_key(path), None)

    def find(self, parts: Sequence[str], project: str, dataset: str = "") -> Path:
        """The full path of a name in a statement."""
        return self._knowledge.find(self, parts, project, dataset)

    def know(
        self,
        paths: Collection[Sequence[str]],
        project: str,
        dataset: str = "",
        routines: Collection[Sequence[str]] = (),
    ) -> Known:
        """What the names of a statement stand for."""
        return self._knowledge.know(self, paths, project, dataset, routines)


def _zip(entry: Entry) -> Iterator[tuple[Resource, str]]:
    return zip(entry.table.fields, entry.columns, strict=True)


def _has_expired(table: Table) -> bool:
    expires = table.resource.get("expirationTime")
    return expires is not None and int(expires) <= now_ms()
