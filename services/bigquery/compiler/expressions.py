"""Expressions: literals, columns, casts, structs, subqueries; calls of functions are in calls.py."""

from __future__ import annotations

from typing import Any

from services.bigquery import types
from services.bigquery.compiler.calls import are_numbers, call, function_name
from services.bigquery.compiler.comparisons import OPERATORS, compare_floats
from services.bigquery.compiler.context import Context, Handler
from services.bigquery.compiler.module_text import evaluated
from services.bigquery.compiler.ordering import order_items
from services.bigquery.compiler.signatures.lines import CASTS, lookup
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.language.evaluator import Scalar
from services.bigquery.types import Type

_SCALAR, _ARRAY, _EXISTS, _IN = range(4)
"""Kinds of subqueries, in the order of the module's enumeration."""


def condition(context: Context, message: Any) -> str:
    """A condition of a filter or join, where NULL is as good as false.

    Keeps = of FLOAT64 an equality: DuckDB joins 100,000 rows by a hash in milliseconds, by a CASE in minutes.
    """
    found = tree.node(message)
    if tree.kind(found) != "FunctionCall":
        return context.expression(message)
    name, arguments = function_name(found), tree.get(found, "argument_list")
    if name in ("$and", "$or"):
        word = name.removeprefix("$").upper()
        return f"({f' {word} '.join(condition(context, argument) for argument in arguments)})"
    if name in OPERATORS and all(tree.type_of(argument).kind == "DOUBLE" for argument in arguments):
        left, right = (context.expression(argument) for argument in arguments)
        return compare_floats(OPERATORS[name], left, right, are_numbers(context, arguments), is_condition=True)
    return context.expression(message)


def literal(context: Context, expression: Any) -> str:
    """A literal."""
    kind = values.type_of(expression.value.type)
    return types.literal(kind, types.from_module(kind, expression.value.value))


def parameter(context: Context, expression: Any) -> str:
    """A query parameter, which becomes a literal."""
    name = expression.name or str(expression.position)
    if name not in context.parameters:
        raise NotBuilt(f"query parameter {name} here")
    return types.literal(*context.parameters[name])


def variable(context: Context, expression: Any) -> str:
    """A script's variable, which becomes a literal."""
    return types.literal(*context.scope.variables[expression.constant.name])


def system_variable(context: Context, expression: Any) -> str:
    """A system variable, such as @@error.message."""
    return types.literal(*context.scope.system[".".join(expression.name_path)])


def column(context: Context, expression: Any) -> str:
    """A column, of this scan or of one around it."""
    return context.column(expression.column.column_id)


def struct_field(context: Context, expression: Any) -> str:
    """A field of a struct."""
    return f"struct_extract({context.expression(expression.expr)}, 'f{expression.field_idx}')"


def json_field(context: Context, expression: Any) -> str:
    """A field of a JSON value, as in `j.a`."""
    text = '"' + "".join(f"\\U{ord(char):08x}" for char in expression.field_name) + '"'
    return evaluated(context, lambda texts: f"({texts[0]})[{text}]", [expression.expr], Type("JSON"))


def struct(context: Context, expression: Any) -> str:
    """A struct from its fields."""
    kind = values.type_of(tree.get(expression, "type"))
    fields = ", ".join(context.expression(field) for field in expression.field_list)
    return f"CAST(row({fields}) AS {kind.duckdb})"


def with_names(context: Context, expression: Any) -> str:
    """WITH(name AS value, ..., result): each name sees those before it."""
    sql = "SELECT 1 AS one"
    for assignment in expression.assignment_list:
        sql = f"SELECT *, {context.expression(assignment.expr)} AS c{assignment.column.column_id} FROM ({sql})"
    return f"(SELECT {context.expression(expression.expr)} FROM ({sql}))"


def cast(context: Context, expression: Any) -> str:
    """CAST and SAFE_CAST, also those that the analyzer adds."""
    source, target = tree.type_of(expression.expr), values.type_of(tree.get(expression, "type"))
    is_safe = expression.return_null_on_error
    if expression.HasField("extended_cast"):
        raise NotBuilt(f"CAST({source} AS {target})")
    if expression.HasField("type_modifiers") and str(expression.type_modifiers).strip():
        raise NotBuilt("CAST to a type with parameters")
    needs_text = tree.node(expression.format) is not None or tree.node(expression.time_zone) is not None
    if source == target and not needs_text:
        return context.expression(expression.expr)
    if not is_safe and not needs_text and (sql := _native_cast(context, expression.expr, source, target)):
        return sql
    return _cast_by_module(context, expression, target)


def _native_cast(context: Context, message: Any, source: Type, target: Type) -> str | None:
    try:
        return converted(context, context.expression(message), source, target)
    except KeyError:
        return None


def converted(context: Context, sql: str, source: Type, target: Type) -> str:
    """A value of one type in another, by lines of `signatures/casts.sql`, element by element.

    Raises:
        KeyError: There is no line that counts.
    """
    if str(source) == str(target):
        return sql
    if source.kind == target.kind == "ARRAY":
        name = context.fresh("v")
        return f"list_transform({sql}, lambda {name}: {converted(context, name, source.part, target.part)})"
    if source.kind == target.kind == "STRUCT":
        fields = []
        for number, ((_, old), (_, new)) in enumerate(zip(source.fields, target.fields, strict=True)):
            value = converted(context, f"struct_extract({sql}, 'f{number}')", old, new)
            fields.append(value)
        return f"(CASE WHEN {sql} IS NOT NULL THEN CAST(row({', '.join(fields)}) AS {target.duckdb}) END)"
    line = lookup(CASTS, f"{source}>{target}", [source])
    if line is None:
        raise KeyError(f"{source}>{target}")
    context.used.add(line.text)
    scalar = Scalar(f"CAST(a0 AS {target.sql})", (source,), target)
    return line.fill([sql], lambda compiled: f"{context.scalar(scalar)}({compiled[0]})")


def _cast_by_module(context: Context, expression: Any, target: Type) -> str:
    word = "SAFE_CAST" if expression.return_null_on_error else "CAST"
    has_format = tree.node(expression.format) is not None
    has_zone = tree.node(expression.time_zone) is not None
    arguments = [expression.expr]
    arguments += [expression.format] if has_format else []
    arguments += [expression.time_zone] if has_zone else []

    def text(texts: list[str]) -> str:
        form = f" FORMAT {texts[1]}" if has_format else ""
        zone = f" AT TIME ZONE {texts[-1]}" if has_zone else ""
        return f"{word}({texts[0]} AS {target.sql}{form}{zone})"

    return evaluated(context, text, arguments, target)


def subquery(context: Context, expression: Any) -> str:
    """A subquery as a value, ARRAY(...), EXISTS(...) or IN (...)."""
    if expression.in_collation.collation_name:
        raise NotBuilt("IN with a collation")
    sort, query = expression.subquery_type, tree.node(expression.subquery)
    columns = tree.get(query, "column_list")
    if sort == _SCALAR:
        return f"(SELECT c{columns[0].column_id} FROM ({context.scan(expression.subquery)}))"
    if sort == _EXISTS:
        return f"EXISTS(SELECT 1 FROM ({context.scan(expression.subquery)}))"
    kind = values.type_of(columns[0].type)
    if sort == _ARRAY:
        return _array(context, query, f"c{columns[0].column_id}", kind)
    if sort == _IN:
        return _in(context, expression, f"c{columns[0].column_id}", kind)
    raise NotBuilt("subquery of this kind")


def _array(context: Context, query: Any, name: str, kind: Type) -> str:
    """ARRAY(...): of no rows an empty array, in the order of the subquery."""
    if kind.kind == "ARRAY":
        raise NotBuilt("ARRAY of arrays")
    if tree.kind(query) == "OrderByScan":
        order, rows = order_items(query.order_by_item_list), context.scan(query.input_scan)
    else:
        order = context.fresh("n")
        rows = f"SELECT *, row_number() OVER () AS {order} FROM ({context.scan(query)})"
    return f"(SELECT COALESCE(list({name} ORDER BY {order}), CAST([] AS {kind.duckdb}[])) FROM ({rows}))"


def _in(context: Context, expression: Any, name: str, kind: Type) -> str:
    value, other = context.expression(expression.in_expr), tree.type_of(expression.in_expr)
    if kind.kind == other.kind == "DOUBLE":
        # As text NaN can differ from NaN: IN has no other way to keep NULL apart from false
        value, name = f"g_float_key({value})", f"CASE WHEN isnan({name}) THEN '' ELSE g_float_key({name}) END"
    elif not types.is_ordered(kind) or str(kind) != str(other):
        raise NotBuilt(f"IN (SELECT ...) of {kind}")
    return f"({value} IN (SELECT {name} FROM ({context.scan(expression.subquery)})))"


EXPRESSIONS: dict[str, Handler] = {
    "Literal": literal,
    "Parameter": parameter,
    "Constant": variable,
    "SystemVariable": system_variable,
    "ColumnRef": column,
    "GetStructField": struct_field,
    "GetJsonField": json_field,
    "MakeStruct": struct,
    "WithExpr": with_names,
    "Cast": cast,
    "SubqueryExpr": subquery,
    "FunctionCall": call,
}
