"""Calls of geography functions: DuckDB hands their arguments over in plain form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery.errors import invalid_query
from services.bigquery.geography.functions import AGGREGATES, OPTIONAL, SCALARS
from services.bigquery.geography.shapes import Geography, from_bytes, to_bytes
from services.bigquery.types import Type


@dataclass(frozen=True)
class GeographyCall:
    """A geography function for arguments of some types, which Python computes.

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
        return f"geography_{hashlib.sha256(whole.encode()).hexdigest()[:20]}"

    def vector(self, evaluator: Any, columns: Sequence[Sequence[Any]]) -> list[Any]:
        """Its values for each row of a vector.

        Raises:
            BigQueryError: The error of one of the values.
        """
        shown, call = SCALARS.get(self.function) or AGGREGATES[self.function]
        needed = OPTIONAL.get(self.function, len(self.arguments))
        read = [_reader(kind) for kind in self.arguments]
        return [self._row(shown, call, needed, read, row) for row in zip(*columns, strict=True)]

    def _row(
        self,
        shown: str,
        call: Callable[..., Any],
        needed: int,
        read: Sequence[Callable[[Any], Any]],
        row: Sequence[Any],
    ) -> Any:
        if None in row[:needed]:
            return None
        try:
            return _written(call(*(one(value) for one, value in zip(read, row, strict=True))))
        except (ValueError, OverflowError) as error:
            if self.is_safe:
                return None
            raise invalid_query(f"{shown} failed: {error}") from error


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
