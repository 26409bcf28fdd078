"""A resolved statement in, DuckDB SQL out; imports neither the store nor the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery.compiler.aggregates import aggregate_scan
from services.bigquery.compiler.changes import CHANGES, Change
from services.bigquery.compiler.context import Computed, Context, Relation
from services.bigquery.compiler.expressions import EXPRESSIONS
from services.bigquery.compiler.scans import SCANS
from services.bigquery.compiler.windows import analytic_scan
from services.bigquery.errors import TOO_DEEP, BigQueryError, NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.language.analyzer import Scope
from services.bigquery.types import Type

_ALL_SCANS = {**SCANS, "AggregateScan": aggregate_scan, "AnalyticScan": analytic_scan}


@dataclass(frozen=True)
class Query:
    """A compiled query.

    Attributes:
        sql: One DuckDB statement; its columns are o0, o1, ...
        columns: The result's names and types.
        scalars: DuckDB's names of the functions to be registered, by what Google's module evaluates.
        lines: The lines of `signatures/*.sql` that it uses.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]
    scalars: Mapping[Computed, str]
    lines: frozenset[str]


def compile_query(
    statement: Any,
    relations: Mapping[str, Relation],
    now: int,
    parameters: Mapping[str, tuple[Type, Any]] | None = None,
    scope: Scope | None = None,
) -> Query:
    """Compiles a query, or the query of CREATE TABLE AS and CREATE VIEW.

    Args:
        statement: The module's resolved statement.
        relations: Where the tables' rows are, by the tables' full names.
        now: The statement's time in microseconds since 1970.
        parameters: Types and plain values of the query parameters.
        scope: The statement's, for its functions and variables.

    Raises:
        NotBuilt: Something in it has no rule; the message names it.
    """
    found = tree.node(statement)
    if not _has_query(found):
        raise NotBuilt(f"statement {tree.kind(found).removesuffix('Stmt')} as a query")
    context = Context(relations, parameters or {}, now, _ALL_SCANS, EXPRESSIONS, scope or Scope())
    try:
        return _query(context, statement, found)
    except RecursionError as error:
        raise too_deep() from error


def compile_values(
    expressions: Sequence[Any], now: int, parameters: Mapping[str, tuple[Type, Any]], scope: Scope
) -> Query:
    """Compiles expressions without tables into a query of one row; arguments as of `compile_query`.

    Raises:
        NotBuilt: Something in them has no rule.
    """
    context = Context({}, parameters, now, _ALL_SCANS, EXPRESSIONS, scope)
    items = ", ".join(f"{context.expression(one)} AS o{number}" for number, one in enumerate(expressions))
    columns = tuple((f"o{number}", tree.type_of(one)) for number, one in enumerate(expressions))
    return Query(f"SELECT {items}", columns, dict(context.scalars), frozenset(context.used))


def too_deep() -> BigQueryError:
    """The error of a statement whose parts are nested deeper than Python can walk."""
    return BigQueryError("resourcesExceeded", TOO_DEEP, "query")


def _query(context: Context, statement: Any, found: Any) -> Query:
    columns, outputs = output_columns(statement), tree.get(found, "output_column_list")
    if is_struct_table(statement):
        name = f"c{outputs[0].column.column_id}"
        values_of = [f"struct_extract({name}, 'f{number}')" for number in range(len(columns))]
    else:
        values_of = [f"c{output.column.column_id}" for output in outputs]
    items = ", ".join(f"{value} AS o{number}" for number, value in enumerate(values_of))
    sql = f"SELECT {items} FROM ({context.scan(found.query)})"
    return Query(sql, columns, dict(context.scalars), frozenset(context.used))


def _has_query(found: Any) -> bool:
    return tree.kind(found) in ("QueryStmt", "CreateTableAsSelectStmt", "CreateViewStmt")


def output_columns(statement: Any) -> tuple[tuple[str, Type], ...]:
    """Names and types of a query's result, without compiling it: what a dry run answers."""
    found = tree.node(statement)
    outputs = [(output.name, values.type_of(output.column.type)) for output in tree.get(found, "output_column_list")]
    if not tree.get(found, "is_value_table"):
        return tuple(outputs)
    return outputs[0][1].fields if is_struct_table(statement) else (("", outputs[0][1]),)


def raw_columns(statement: Any) -> list[Type]:
    """The types of a query's columns as the evaluator has them: of SELECT AS STRUCT one."""
    return [values.type_of(output.column.type) for output in tree.get(tree.node(statement), "output_column_list")]


def is_struct_table(statement: Any) -> bool:
    """Whether it is SELECT AS STRUCT, whose fields BigQuery gives as columns."""
    found = tree.node(statement)
    kinds = raw_columns(statement)
    return bool(tree.get(found, "is_value_table")) and len(kinds) == 1 and kinds[0].kind == "STRUCT"


def compile_change(
    statement: Any,
    relations: Mapping[str, Relation],
    now: int,
    parameters: Mapping[str, tuple[Type, Any]] | None = None,
    scope: Scope | None = None,
) -> Change:
    """Compiles INSERT, UPDATE, DELETE, MERGE or TRUNCATE; arguments as of `compile_query`.

    Raises:
        NotBuilt: Something in it has no rule.
    """
    found = tree.node(statement)
    build = CHANGES.get(tree.kind(found))
    if build is None:
        raise NotBuilt(f"statement {tree.kind(found).removesuffix('Stmt')}")
    context = Context(relations, parameters or {}, now, _ALL_SCANS, EXPRESSIONS, scope or Scope())
    try:
        return build(context, found)
    except RecursionError as error:
        raise too_deep() from error


def is_change(statement: Any) -> bool:
    """Whether `compile_change` is for it."""
    return tree.kind(tree.node(statement)) in CHANGES
