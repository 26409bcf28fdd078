"""Comparisons in GoogleSQL's three-valued logic, unrolled by type."""

from __future__ import annotations

from services.bigquery import types
from services.bigquery.compiler.context import Context
from services.bigquery.errors import NotBuilt
from services.bigquery.types import Type

OPERATORS = {
    "$equal": "=",
    "$not_equal": "<>",
    "$less": "<",
    "$less_or_equal": "<=",
    "$greater": ">",
    "$greater_or_equal": ">=",
}
"""The functions of comparisons, and their operators."""
_FLOATS = {"=": "g_feq({0}, {1})", "<>": "g_fne({0}, {1})", "<": "g_flt({0}, {1})", "<=": "g_fle({0}, {1})",
           ">": "g_flt({1}, {0})", ">=": "g_fle({1}, {0})"}  # fmt: skip


def is_native(kind: Type) -> bool:
    """Whether `compare` has a way to compare values of this type for equality."""
    if kind.kind == "ARRAY":
        return is_native(kind.part)
    if kind.kind == "STRUCT":
        return all(is_native(field) for _, field in kind.fields)
    return types.is_ordered(kind) or kind.kind == "DOUBLE"


def compare(context: Context, operator: str, left: str, right: str, kind: Type) -> str:
    """`left operator right` for two values of one type.

    Raises:
        NotBuilt: DuckDB cannot compare them as GoogleSQL does.
    """
    if types.is_ordered(kind):
        return f"({left} {operator} {right})"
    if kind.kind == "DOUBLE":
        return _FLOATS[operator].format(left, right)
    if operator == "<>":
        return f"(NOT {compare(context, '=', left, right, kind)})"
    if operator == "=" and kind.kind == "STRUCT":
        return _structs(context, left, right, kind)
    if operator == "=" and kind.kind == "ARRAY":
        return _arrays(context, left, right, kind)
    raise NotBuilt(f"comparison {operator} of {kind}")


def _structs(context: Context, left: str, right: str, kind: Type) -> str:
    """NULL in a field makes the result NULL unless another field differs."""
    equal = [
        compare(context, "=", f"struct_extract({left}, 'f{number}')", f"struct_extract({right}, 'f{number}')", field)
        for number, (_, field) in enumerate(kind.fields)
    ]
    return f"(CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL THEN {' AND '.join(equal) or 'true'} END)"


def _arrays(context: Context, left: str, right: str, kind: Type) -> str:
    name = context.fresh("i")
    equal = compare(context, "=", f"({left})[{name}]", f"({right})[{name}]", kind.part)
    elements = f"g_tri(list_transform(range(1, len({left}) + 1), lambda {name}: {equal}))"
    unequal = f"WHEN len({left}) <> len({right}) THEN false"
    return f"(CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL {unequal} ELSE {elements} END)"
