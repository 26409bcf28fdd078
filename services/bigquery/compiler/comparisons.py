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
_FLOATS = {"=": "g_feq({0}, {1})", "<>": "g_fne({0}, {1})", "<": "g_flt({0}, {1})", "<=": "g_fle({0}, {1})"}
_TURNED = {">": "<", ">=": "<="}


def is_native(kind: Type) -> bool:
    """Whether `compare` has a way to compare values of this type for equality."""
    if kind.kind == "ARRAY":
        return is_native(kind.part)
    if kind.kind == "STRUCT":
        return all(is_native(field) for _, field in kind.fields)
    return types.is_ordered(kind) or kind.kind == "DOUBLE"


def compare(
    context: Context, operator: str, left: str, right: str, kind: Type, numbers: tuple[bool, bool] = (False, False)
) -> str:
    """`left operator right` for two values of one type.

    Args:
        context: The compiler's state.
        operator: One of OPERATORS.
        left: SQL of a value.
        right: SQL of another.
        kind: The type of both.
        numbers: For each side, whether it is certainly neither NULL nor NaN.

    Raises:
        NotBuilt: DuckDB cannot compare them as GoogleSQL does.
    """
    if types.is_ordered(kind):
        return f"({left} {operator} {right})"
    if kind.kind == "DOUBLE":
        return compare_floats(operator, left, right, numbers)
    if operator == "<>":
        return f"(NOT {compare(context, '=', left, right, kind)})"
    if operator == "=" and kind.kind == "STRUCT":
        return _structs(context, left, right, kind)
    if operator == "=" and kind.kind == "ARRAY":
        return _arrays(context, left, right, kind)
    raise NotBuilt(f"comparison {operator} of {kind}")


def compare_floats(operator: str, left: str, right: str, numbers: tuple[bool, bool], is_condition: bool = False) -> str:
    """`left operator right` of two FLOAT64, as simple as may be: DuckDB joins by `=`, and skips rows by `<`.

    For DuckDB NaN equals itself and is greater than all else. So a NaN on the right gives another answer with `<` and
    `<=`, two of them with `=` and `<>`; a NaN on the left alone does not.

    Args:
        operator: As for `compare`, like the next three.
        left: SQL of a value.
        right: SQL of another.
        numbers: For each side, whether it is certainly neither NULL nor NaN.
        is_condition: Whether NULL is as good as false, as in WHERE and ON.
    """
    if operator in _TURNED:
        return compare_floats(_TURNED[operator], right, left, (numbers[1], numbers[0]), is_condition)
    if numbers[1] or (numbers[0] and operator in ("=", "<>")):
        return f"({left} {operator} {right})"
    if numbers[0]:
        return f"({left} {operator} {right} AND NOT isnan({right}))"
    if is_condition and operator != "<>":
        return f"({left} {operator} g_number({right}))"
    return _FLOATS[operator].format(left, right)


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
