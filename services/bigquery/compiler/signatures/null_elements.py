"""Arrays with NULL in them: a query may use them, but BigQuery neither answers nor stores them.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#array_nulls
"""

from __future__ import annotations

from collections.abc import Sequence

from services.bigquery import types
from services.bigquery.compiler.signatures.holding import hold
from services.bigquery.types import Type


def checked(sql: str, kind: Type, name: str) -> str:
    """SQL of a value that fails if an array in it has a NULL element; types without arrays stay as they are.

    Args:
        sql: The value.
        kind: Its type.
        name: The column that is written.
    """
    if not types.contains(kind, "ARRAY"):
        return sql
    sentence = f"Array cannot have a null element; error in writing field {name}".replace("'", "''")
    failed = f"CAST(CAST(g_err('{sentence}') AS VARCHAR) AS {kind.duckdb})"
    return hold([sql], lambda held: f"CASE WHEN {_has_null(held[0], kind)} THEN {failed} ELSE {held[0]} END")


def checked_rows(rows: str, columns: Sequence[tuple[str, Type]]) -> str:
    """A query over rows with columns o0, o1, ... that fails where `checked` does."""
    if not any(types.contains(kind, "ARRAY") for _, kind in columns):
        return rows
    items = (f"{checked(f'o{number}', kind, name)} AS o{number}" for number, (name, kind) in enumerate(columns))
    return f"SELECT {', '.join(items)} FROM ({rows})"


def _has_null(sql: str, kind: Type, depth: int = 0) -> str:
    """A condition: whether an array in the value has a NULL element."""
    if kind.kind == "STRUCT":
        fields = ((f"struct_extract({sql}, 'f{number}')", field) for number, (_, field) in enumerate(kind.fields))
        found = [_has_null(field, inner, depth) for field, inner in fields if types.contains(inner, "ARRAY")]
        return f"({' OR '.join(found)})"
    own = f"COALESCE(len({sql}) <> list_count({sql}), false)"
    if not types.contains(kind.part, "ARRAY"):
        return own
    inner = _has_null(f"e{depth}", kind.part, depth + 1)
    return f"({own} OR COALESCE(len(list_filter({sql}, lambda e{depth}: {inner})) > 0, false))"
