"""Calls of scalar functions: by a form of the language, by a line of the table, or by Google's module."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from services.bigquery.compiler.comparisons import OPERATORS, compare, is_native
from services.bigquery.compiler.context import Context
from services.bigquery.compiler.module_text import call_text, constant, enumerated, evaluated
from services.bigquery.compiler.python_calls import SCALARS as PYTHON
from services.bigquery.compiler.python_calls import PythonCall
from services.bigquery.compiler.signatures.holding import hold, is_volatile
from services.bigquery.compiler.signatures.lines import SCALARS, SESSION, lookup
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.types import Type, is_ordered, quoted

_SAFE = 1
"""The error mode of `SAFE.F(...)`, in the module's enumeration."""
_BUILT_IN = "ZetaSQL:"
_TYPED = {"$make_array", "if", "ifnull", "coalesce", "nullif", "$case_no_value", "$case_with_value"}
"""What takes its type from its arguments, which DuckDB may see otherwise: an empty array, NULL."""
_NOT_SCALAR_BY_MODULE = {"rand", "generate_uuid", "session_user", "current_user", "error"}
"""Functions whose values the module must not make: they depend on the row or on the session."""


def is_left_to_duckdb(name: str) -> bool:
    """Whether DuckDB evaluates a function without a line: a form of the language."""
    return name in _FORMS


def function_name(function: Any) -> str:
    """The name of a call's function, such as `substr` or `$add`.

    Raises:
        NotBuilt: It is called with a lambda, or with a collation.
    """
    if any(collation.collation_name for collation in tree.get(function, "collation_list")):
        raise NotBuilt("collation")
    if tree.get(function, "generic_argument_list"):
        raise NotBuilt(f"function {tree.get(function, 'function').name} with such an argument")
    return str(tree.get(function, "function").name).removeprefix(_BUILT_IN)


def call(context: Context, expression: Any) -> str:
    """A call of a scalar function."""
    if not tree.get(expression, "function").name.startswith(_BUILT_IN):
        return _user_defined(context, expression)
    name, arguments = function_name(expression), list(tree.get(expression, "argument_list"))
    kinds = [tree.type_of(argument) for argument in arguments]
    result = tree.type_of(expression)
    if name in PYTHON:
        return _by_python(context, expression, name, arguments, kinds)
    if tree.get(expression, "error_mode") == _SAFE:
        return _by_module(context, expression, name, arguments, kinds, is_safe=True)
    if name in _FORMS and (sql := _FORMS[name](context, name, arguments, kinds)) is not None:
        return f"CAST({sql} AS {result.duckdb})" if name in _TYPED else sql
    named, own = _with_part(name, arguments, kinds), _without_parts(kinds)
    line = lookup(SCALARS, named, own) or lookup(SESSION, named, own)
    if line is not None:
        context.used.add(line.text)

        def by_module(compiled: Sequence[str]) -> str:
            return evaluated(context, call_text(expression, name, kinds, False), arguments, result, compiled)

        sql = line.fill(
            [_argument(context, argument) for argument in arguments],
            by_module,
            NOW=f"make_timestamptz({context.now})",
        )
        return f"CAST({sql} AS {result.duckdb})" if name in _TYPED or name == "error" else sql
    return _by_module(context, expression, name, arguments, kinds, is_safe=False)


def _by_python(context: Context, call: Any, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str:
    words = [enumerated(argument) for argument in arguments]
    types_of = tuple(kind if word is None else Type("STRING") for kind, word in zip(kinds, words, strict=True))
    pairs = zip(arguments, words, strict=True)
    sql = ", ".join(context.expression(argument) if word is None else quoted(word) for argument, word in pairs)
    is_safe = tree.get(call, "error_mode") == _SAFE
    return f"{context.scalar(PythonCall(name, types_of, tree.type_of(call), is_safe))}({sql})"


def _user_defined(context: Context, expression: Any) -> str:
    name, arguments = tree.get(expression, "function").name, tree.get(expression, "argument_list")
    script = context.script(name)
    if script is None or tree.get(expression, "error_mode") == _SAFE:
        raise NotBuilt(f"user-defined function {name.split(':', 1)[-1]} here")
    pairs = zip(arguments, script.arguments, strict=True)
    sql = ", ".join(f"CAST({context.expression(argument)} AS {kind.duckdb})" for argument, kind in pairs)
    return f"{context.scalar(script)}({sql or '0'})"


def _argument(context: Context, argument: Any) -> str:
    return "" if tree.type_of(argument).kind == "ENUM" else context.expression(argument)


def _with_part(name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str:
    """The name in the table: a date part belongs to it, as in `$extract YEAR`."""
    parts = [_date_part(argument) for argument, kind in zip(arguments, kinds, strict=True) if kind.kind == "ENUM"]
    return " ".join([name, *parts])


def _date_part(argument: Any) -> str:
    """The name of a date part; `?`, which no line has, for other enumerations."""
    found = tree.node(argument)
    if tree.kind(found) != "Literal" or not found.value.type.enum_type.enum_name.endswith("DateTimestampPart"):
        return "?"
    return values.date_part(found.value.value.enum_value)


def _without_parts(kinds: Sequence[Type]) -> list[Type]:
    return [kind for kind in kinds if kind.kind != "ENUM"]


def _by_module(
    context: Context, call: Any, name: str, arguments: Sequence[Any], kinds: Sequence[Type], is_safe: bool
) -> str:
    if name in _NOT_SCALAR_BY_MODULE or name.startswith(("current_", "st_", "s2_")):
        raise NotBuilt(f"function {name.upper()}({', '.join(map(str, kinds))})")
    return evaluated(context, call_text(call, name, kinds, is_safe), arguments, tree.type_of(call))


# --- forms of the language: what depends on the types of its arguments, or evaluates only some of them


def _comparison(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    operator = OPERATORS[name]
    if str(kinds[0]) != str(kinds[1]) or not is_native(kinds[0]):
        return None
    if kinds[0].kind in ("ARRAY", "STRUCT") and operator not in ("=", "<>"):
        return None
    left, right = (context.expression(argument) for argument in arguments)
    numbers = are_numbers(context, arguments)
    return hold([left, right], lambda held: compare(context, operator, held[0], held[1], kinds[0], numbers))


def are_numbers(context: Context, arguments: Sequence[Any]) -> tuple[bool, bool]:
    """For each of two arguments, whether it is a literal or parameter that is neither NULL nor NaN."""
    left, right = (_is_number(constant(context, argument)) for argument in arguments)
    return left, right


def _is_number(known: tuple[Type, Any] | None) -> bool:
    return known is not None and isinstance(known[1], float) and not math.isnan(known[1])


def _same(kinds: Sequence[Type]) -> bool:
    return len({str(kind) for kind in kinds}) == 1 and is_native(kinds[0])


def _in(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    if not _same(kinds):
        return None
    sql = [context.expression(argument) for argument in arguments]
    if is_ordered(kinds[0]) or all(_is_number(constant(context, argument)) for argument in arguments[1:]):
        return f"({sql[0]} IN ({', '.join(sql[1:])}))"
    return hold(sql, lambda held: f"({' OR '.join(compare(context, '=', held[0], x, kinds[0]) for x in held[1:])})")


def _between(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    if not _same(kinds) or kinds[0].kind in ("ARRAY", "STRUCT"):
        return None
    sql = [context.expression(argument) for argument in arguments]
    value, low, high = (_is_number(constant(context, argument)) for argument in arguments)

    def build(held: list[str]) -> str:
        above = compare(context, "<=", held[1], held[0], kinds[0], (low, value))
        return f"({above} AND {compare(context, '<=', held[0], held[2], kinds[0], (value, high))})"

    return hold(sql, build)


def _distinct(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    if not _same(kinds):
        return None
    left, right = (context.expression(argument) for argument in arguments)
    return f"({left} IS {'NOT ' if 'not' in name else ''}DISTINCT FROM {right})"


def _nullif(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    if not _same(kinds):
        return None
    sql = [context.expression(argument) for argument in arguments]

    def build(held: list[str]) -> str:
        return f"CASE WHEN {compare(context, '=', held[0], held[1], kinds[0])} THEN NULL ELSE {held[0]} END"

    return hold(sql, build)


def _case(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    sql = [context.expression(argument) for argument in arguments]
    whens = (f"WHEN {sql[i]} THEN {sql[i + 1]}" for i in range(0, len(sql) - 1, 2))
    return f"CASE {' '.join(whens)}{f' ELSE {sql[-1]}' if len(sql) % 2 else ''} END"


def _case_value(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    tested = [kinds[0], *kinds[1:-1:2]]
    if not _same(tested):
        raise NotBuilt(f"CASE of {kinds[0]}")
    value, *sql = (context.expression(argument) for argument in arguments)

    def build(held: list[str]) -> str:
        equal = (compare(context, "=", held[0], sql[i], kinds[0]) for i in range(0, len(sql) - 1, 2))
        whens = (f"WHEN {one} THEN {sql[2 * i + 1]}" for i, one in enumerate(equal))
        return f"CASE {' '.join(whens)}{f' ELSE {sql[-1]}' if len(sql) % 2 else ''} END"

    # Only what changes from call to call: in the lambda of `hold` the branches may have no subquery
    return hold([value], build) if is_volatile(value) else build([value])


def _in_array(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    is_float = kinds[0].kind == "DOUBLE"
    if not (is_ordered(kinds[0]) or is_float) or str(kinds[0]) != str(kinds[1].part):
        return None
    sql = [context.expression(argument) for argument in arguments]
    return hold(sql, lambda held: f"{'g_in_floats' if is_float else 'g_in'}({held[0]}, {held[1]})")


def _side_effects(context: Context, name: str, arguments: Sequence[Any], kinds: Sequence[Type]) -> str | None:
    """A value whose error the analyzer defers; here it comes at once."""
    return context.expression(arguments[0])


_Form = Callable[[Context, str, Sequence[Any], Sequence[Type]], "str | None"]
_FORMS: dict[str, _Form] = {
    **dict.fromkeys(OPERATORS, _comparison),
    "$in": _in,
    "$in_array": _in_array,
    "$between": _between,
    "$is_distinct_from": _distinct,
    "$is_not_distinct_from": _distinct,
    "nullif": _nullif,
    "$case_no_value": _case,
    "$case_with_value": _case_value,
    "$with_side_effects": _side_effects,
}
