"""Calls of functions that Python computes: DuckDB hands their arguments over in plain form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery.errors import invalid_query
from services.bigquery.functions import table
from services.bigquery.functions.table import Entry
from services.bigquery.geography import functions as geography
from services.bigquery.geography.shapes import Geography, from_bytes, to_bytes
from services.bigquery.types import Type


@dataclass(frozen=True)
class PythonCall:
    """A function for arguments of some types, which Python computes.

    Attributes:
        function: The analyzer's name of it, such as `st_distance`.
        arguments: The types of its arguments.
        result: Its type.
        is_safe: Whether an error gives NULL (`SAFE.ST_...`).
    """

    function: str
    arguments: tuple[Type, ...]
    result: Type
    is_safe: bool = False

    @property
    def name(self) -> str:
        """The function's name in DuckDB."""
        whole = "\n".join([self.function, *map(str, self.arguments), str(self.result), str(self.is_safe)])
        return f"python_{hashlib.sha256(whole.encode()).hexdigest()[:20]}"

    def vector(self, evaluator: Any, columns: Sequence[Sequence[Any]]) -> list[Any]:
        """Its values for each row of a vector.

        Raises:
            BigQueryError: The error of one of the values.
        """
        entry = ENTRIES[self.function]
        needed = len(self.arguments) if entry.needed is None else entry.needed
        read = [_reader(kind) for kind in self.arguments]
        return [self._row(entry, needed, read, row) for row in zip(*columns, strict=True)]

    def _row(self, entry: Entry, needed: int, read: Sequence[Callable[[Any], Any]], row: Sequence[Any]) -> Any:
        if None in row[:needed]:
            return None
        try:
            values = [one(value) for one, value in zip(read, row, strict=True)]
            return _written(entry.call(self.arguments, values))
        except (ValueError, OverflowError) as error:
            if self.is_safe:
                return None
            raise invalid_query(f"{entry.name} failed: {error}") from error


def _geography(name: str, shown: str, call: Callable[..., Any]) -> Entry:
    return Entry(shown, lambda kinds, values: call(*values), geography.OPTIONAL.get(name))


ENTRIES = {name: _geography(name, *about) for name, about in {**geography.SCALARS, **geography.AGGREGATES}.items()} | {
    **table.SCALARS,
    **table.AGGREGATES,
}
SCALARS = {*geography.SCALARS, *table.SCALARS}
"""Names of those that are evaluated row by row."""


def _reader(kind: Type) -> Callable[[Any], Any]:
    if kind.kind == "GEOGRAPHY":
        return lambda value: None if value is None else from_bytes(value)
    if kind.kind == "ARRAY" and kind.part.kind == "GEOGRAPHY":
        return lambda value: None if value is None else [None if one is None else from_bytes(one) for one in value]
    return lambda value: value


def _written(value: Any) -> Any:
    if isinstance(value, Geography):
        return to_bytes(value)
    if isinstance(value, list):
        return [_written(one) for one in value]
    return value
