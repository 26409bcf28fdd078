"""ORDER BY and what may be grouped: where DuckDB's order of values is not GoogleSQL's."""

from __future__ import annotations

from typing import Any

from services.bigquery import types
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.types import Type


def order_items(items: Any) -> str:
    """The items of an ORDER BY, from resolved items: columns with directions."""
    return ", ".join(_item(item) for item in items)


def _item(item: Any) -> str:
    if item.collation.collation_name or tree.node(item.collation_name) is not None:
        raise NotBuilt("ORDER BY COLLATE")
    column = item.column_ref.column
    kind, name = values.type_of(column.type), f"c{column.column_id}"
    direction = "DESC" if item.is_descending else "ASC"
    is_first = item.null_order == 1 or (item.null_order == 0 and not item.is_descending)
    nulls = f"NULLS {'FIRST' if is_first else 'LAST'}"
    if kind.kind == "DOUBLE":
        # GoogleSQL has NaN before -inf, DuckDB after inf; -x turns all of the order but NaN's place in it
        return f"(-{name}) {'ASC' if item.is_descending else 'DESC'} {nulls}"
    if not types.is_ordered(kind):
        raise NotBuilt(f"ORDER BY {kind}")
    return f"{name} {direction} {nulls}"


def check_grouped(kind: Type, where: str) -> None:
    """Refuses a type whose equal values DuckDB does not take for equal.

    Raises:
        NotBuilt: GoogleSQL's INTERVAL '1' MONTH is INTERVAL '30' DAY; JSON has no equality there.
    """
    if types.contains(kind, "JSON", "INTERVAL", "GEOGRAPHY"):
        raise NotBuilt(f"{where} {kind}")
