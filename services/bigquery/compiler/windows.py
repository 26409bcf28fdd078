"""Window functions."""

from __future__ import annotations

from typing import Any

from services.bigquery.compiler.aggregates import IGNORE_NULLS, RESPECT_NULLS, aggregate, computed_column
from services.bigquery.compiler.calls import function_name
from services.bigquery.compiler.context import Context
from services.bigquery.compiler.ordering import check_grouped, order_items
from services.bigquery.compiler.scans import with_columns
from services.bigquery.compiler.signatures.lines import WINDOWS, lookup
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values

_ROWS, _RANGE = 0, 1
_BOUNDS = ("UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING")
"""In the order of the module's enumerations."""
_WITHOUT_FRAME = {"lead", "lag", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"}
"""Numbering and navigation functions that look at their whole partition."""


def analytic_scan(context: Context, scan: Any) -> str:
    """Window functions, in groups that share PARTITION BY and ORDER BY."""
    new = {}
    for group in scan.function_group_list:
        for item in group.analytic_function_list:
            column, function = computed_column(item)
            new[column.column_id] = _window_function(context, group, function)
    return with_columns(new, scan, context.scan(scan.input_scan))


def _window_function(context: Context, group: Any, function: Any) -> str:
    name, messages = function_name(function), tree.get(function, "argument_list")
    kinds = [tree.type_of(message) for message in messages]
    window = _window(context, group, function, name)
    line = lookup(WINDOWS, name, kinds)
    if line is None:
        return aggregate(context, function, window)
    if tree.get(function, "error_mode") or tree.get(function, "distinct"):
        raise NotBuilt(f"SAFE. or DISTINCT with {name.upper()}")
    modifier = tree.get(function, "null_handling_modifier")
    if modifier == RESPECT_NULLS and "{N}" not in line.template:
        raise NotBuilt(f"RESPECT NULLS with {name.upper()}")
    context.used.add(line.text)
    nulls = " IGNORE NULLS" if modifier == IGNORE_NULLS else ""
    return line.fill([context.expression(message) for message in messages], N=nulls, W=f" OVER ({window})")


def _window(context: Context, group: Any, function: Any, name: str) -> str:
    parts = [_partition(group)] if tree.has(group, "partition_by") else []
    items = list(group.order_by.order_by_item_list) if tree.has(group, "order_by") else []
    frame = ""
    if tree.has(function, "window_frame") and name not in _WITHOUT_FRAME:
        frame = _frame(context, function.window_frame, items)
    if items:
        parts.append(f"ORDER BY {order_items(items)}")
    return " ".join([*parts, frame]).strip()


def _partition(group: Any) -> str:
    if any(collation.collation_name for collation in group.partition_by.collation_list):
        raise NotBuilt("collation")
    references = group.partition_by.partition_by_list
    for reference in references:
        check_grouped(values.type_of(reference.column.type), "PARTITION BY")
    return f"PARTITION BY {', '.join(f'c{reference.column.column_id}' for reference in references)}"


def _frame(context: Context, frame: Any, items: list[Any]) -> str:
    if not items and frame.frame_unit == _RANGE:
        return ""
    start, end = (_bound(context, frame, bound, items) for bound in (frame.start_expr, frame.end_expr))
    return f"{'ROWS' if frame.frame_unit == _ROWS else 'RANGE'} BETWEEN {start} AND {end}"


def _bound(context: Context, frame: Any, bound: Any, items: list[Any]) -> str:
    word = _BOUNDS[bound.boundary_type]
    if word not in ("PRECEDING", "FOLLOWING"):
        return word
    kind = values.type_of(items[0].column_ref.column.type) if items else None
    if frame.frame_unit == _RANGE and (kind is None or kind.kind != "INT64"):
        raise NotBuilt(f"RANGE frame over {kind}")
    return f"g_not_negative({context.expression(bound.expression)}) {word}"
