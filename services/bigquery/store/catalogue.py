"""What there is: datasets, tables and routines, as one value that never changes; a change makes a new value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from services.bigquery.records import Dataset, DatasetPath, Path, Routine, Table

Key = tuple[str, ...]
"""`dataset`, `table` or `routine`, then the path."""


@dataclass(frozen=True)
class Entry:
    """A table, and where its rows are.

    Attributes:
        table: What clients see.
        number: Of the table t<number> in DuckDB; 0 for a view.
        columns: DuckDB's names of the columns, in the order of the schema's fields.
        changes: How often the rows have changed.
    """

    table: Table
    number: int = 0
    columns: tuple[str, ...] = ()
    changes: int = 0


Value = Dataset | Entry | Routine


@dataclass(frozen=True)
class Contents:
    """A dataset with what is in it."""

    dataset: Dataset | None = None
    tables: Mapping[str, Entry] = field(default_factory=dict)
    routines: Mapping[str, Routine] = field(default_factory=dict)


_EMPTY = Contents()


@dataclass(frozen=True)
class Catalogue:
    """All datasets."""

    datasets: Mapping[DatasetPath, Contents] = field(default_factory=dict)

    def canonical(self, key: Key) -> Key:
        """A key with the names that a dataset and its tables have; those of some datasets differ by case, too."""
        path = (key[1], key[2])
        if path not in self.datasets:
            others = (name for name, one in self.datasets.items() if name[0] == path[0] and _is_insensitive(one))
            path = next((name for name in others if name[1].lower() == path[1].lower()), path)
        contents = self.datasets.get(path, _EMPTY)
        if key[0] == "table" and key[3] not in contents.tables and _is_insensitive(contents):
            name = next((name for name in contents.tables if name.lower() == key[3].lower()), key[3])
            return (key[0], *path, name)
        return (key[0], *path, *key[3:])

    def at(self, key: Key) -> Value | None:
        """What a key stands for."""
        contents = self.datasets.get((key[1], key[2]), _EMPTY)
        if key[0] == "dataset":
            return contents.dataset
        return contents.tables.get(key[3]) if key[0] == "table" else contents.routines.get(key[3])

    def contents(self, path: DatasetPath) -> Contents:
        """A dataset's tables and routines."""
        return self.datasets.get(path, _EMPTY)

    def having(self, key: Key, value: Value | None) -> Catalogue:
        """The catalogue with another value under a key; None takes it away."""
        path = (key[1], key[2])
        old = self.datasets.get(path, _EMPTY)
        if key[0] == "dataset":
            assert value is None or isinstance(value, Dataset)
            new = replace(old, dataset=value)
        elif key[0] == "table":
            new = replace(old, tables=_having(old.tables, key[3], value))
        else:
            new = replace(old, routines=_having(old.routines, key[3], value))
        return Catalogue(_having(self.datasets, path, new if new != _EMPTY else None))


def _is_insensitive(contents: Contents) -> bool:
    """https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset.FIELDS.is_case_insensitive."""
    return contents.dataset is not None and contents.dataset.resource.get("isCaseInsensitive") is True


def _having(old: Mapping[Any, Any], name: Any, value: Any) -> dict[Any, Any]:
    new = dict(old)
    if value is None:
        new.pop(name, None)
    else:
        new[name] = value
    return new


def dataset_key(path: DatasetPath) -> Key:
    """The key of a dataset."""
    return ("dataset", *path)


def table_key(path: Path) -> Key:
    """The key of a table."""
    return ("table", *path)


def routine_key(path: Path) -> Key:
    """The key of a routine."""
    return ("routine", *path)


def key_text(key: Key) -> str:
    """A key as the file has it."""
    return json.dumps(key)


def value_text(value: Value) -> str:
    """A value as the file has it."""
    return json.dumps(asdict(value))


def loaded(rows: Iterable[tuple[str, str]]) -> Catalogue:
    """The catalogue of a file.

    Args:
        rows: Texts of keys and values.
    """
    datasets: dict[DatasetPath, tuple[list[Dataset], dict[str, Entry], dict[str, Routine]]] = {}
    for key_of_row, value_of_row in rows:
        key, value = json.loads(key_of_row), json.loads(value_of_row)
        found, tables, routines = datasets.setdefault((key[1], key[2]), ([], {}, {}))
        if key[0] == "dataset":
            found.append(Dataset(**{**value, "path": tuple(value["path"])}))
        elif key[0] == "table":
            table = Table(**{**value["table"], "path": tuple(value["table"]["path"])})
            tables[key[3]] = Entry(table, value["number"], tuple(value["columns"]), value["changes"])
        else:
            routines[key[3]] = Routine(**{**value, "path": tuple(value["path"])})
    return Catalogue(
        {path: Contents(found[0] if found else None, tables, more) for path, (found, tables, more) in datasets.items()}
    )
