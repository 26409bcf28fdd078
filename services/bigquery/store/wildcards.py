"""Wildcard tables: `d.t_*` is all tables whose names begin with t_, with the columns of the newest."""

from __future__ import annotations

from collections.abc import Sequence

from services.bigquery import schema
from services.bigquery.errors import BigQueryError
from services.bigquery.records import Path
from services.bigquery.store import tables
from services.bigquery.store.catalogue import Catalogue, Entry
from services.bigquery.types import quoted

SUFFIX = "_TABLE_SUFFIX"


def matching(catalogue: Catalogue, path: Path) -> list[Entry]:
    """The tables with rows whose names begin as the wildcard does, by name."""
    entries = catalogue.contents(path[:2]).tables
    return [entry for name, entry in sorted(entries.items()) if name.startswith(path[2][:-1]) and entry.number]


def newest(entries: Sequence[Entry]) -> Entry:
    """The table that was created last: its columns are those of the wildcard table."""
    return max(entries, key=lambda entry: (entry.table.created, entry.number))


def union(entries: Sequence[Entry], prefix: str) -> tuple[str, list[str]]:
    """SQL of all rows, and the names of its columns, of which the last is the suffix.

    Raises:
        BigQueryError: A table has a column of the same name and another type.
    """
    fields = newest(entries).table.fields
    names = [f"v{number}" for number in range(len(fields))]
    selects = []
    for entry in entries:
        known = {
            one["name"].lower(): (name, schema.type_of(one))
            for name, one in zip(entry.columns, entry.table.fields, strict=True)
        }
        items = []
        for name, one in zip(names, fields, strict=True):
            kind = schema.type_of(one)
            column, found = known.get(one["name"].lower(), (f"CAST(NULL AS {kind.duckdb})", kind))
            if str(found) != str(kind):
                text = f"Cannot read field '{one['name']}' of type {found.sql} as {kind.sql}"
                raise BigQueryError("invalidQuery", text, "query")
            items.append(f"{column} AS {name}")
        suffix = quoted(entry.table.path[2].removeprefix(prefix))
        selects.append(f"SELECT {', '.join([*items, f'{suffix} AS suffix'])} FROM {tables.sql_name(entry.number)}")
    return f"({' UNION ALL '.join(selects)})", [*names, "suffix"]
