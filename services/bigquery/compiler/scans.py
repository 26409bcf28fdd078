"""Scans: each becomes a SELECT with exactly the scan's columns, called c<id>."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.bigquery.compiler.context import Context, Handler, columns_of
from services.bigquery.compiler.expressions import condition
from services.bigquery.compiler.module_text import constant
from services.bigquery.compiler.ordering import check_grouped, order_items
from services.bigquery.compiler.signatures.holding import is_volatile
from services.bigquery.errors import TOO_MANY_ROUNDS, NotBuilt
from services.bigquery.language import tree, values

_MOST_ROUNDS = 500
"""Iterations of a recursive WITH, as TOO_MANY_ROUNDS has it."""
_JOINS = ("INNER", "LEFT", "RIGHT", "FULL")
_SET_OPERATIONS = ("UNION ALL", "UNION", "INTERSECT ALL", "INTERSECT", "EXCEPT ALL", "EXCEPT")
"""In the order of the module's enumerations."""


def single_row(context: Context, scan: Any) -> str:
    """SELECT without FROM."""
    return "SELECT 1 AS one"


def table(context: Context, scan: Any) -> str:
    """A table."""
    if tree.has(scan, "for_system_time_expr") and not _is_now(context, scan.for_system_time_expr):
        raise NotBuilt("FOR SYSTEM_TIME AS OF another time than now")
    relation = context.relation(scan.table.name)
    for column in tree.get(scan, "column_list"):
        values.type_of(column.type).duckdb  # noqa: B018  refuses a type that is not built
    pairs = zip(tree.get(scan, "column_list"), scan.column_index_list, strict=True)
    items = ", ".join(f"{relation.columns[index]} AS c{column.column_id}" for column, index in pairs)
    return f"SELECT {items or '1 AS one'} FROM {relation.sql}"


def _is_now(context: Context, message: Any) -> bool:
    """Whether a time is CURRENT_TIMESTAMP(), or the same moment."""
    found = tree.node(message)
    if tree.kind(found) == "FunctionCall":
        return str(tree.get(found, "function").name) == "ZetaSQL:current_timestamp"
    known = constant(context, message)
    return known is not None and known[1] == context.now


def project(context: Context, scan: Any) -> str:
    """Computed columns."""
    new = {item.column.column_id: context.expression(item.expr) for item in scan.expr_list}
    return with_columns(new, scan, context.scan(scan.input_scan))


def with_columns(new: dict[int, str], scan: Any, inner: str) -> str:
    """The scan's columns, of which some are new."""
    items = (f"{new[number]} AS c{number}" if number in new else f"c{number}" for number in tree.column_ids(scan))
    return f"SELECT {', '.join(items) or '1 AS one'} FROM ({inner})"


def filtered(context: Context, scan: Any) -> str:
    """WHERE, HAVING, QUALIFY."""
    where = condition(context, scan.filter_expr)
    return f"SELECT {columns_of(scan)} FROM ({context.scan(scan.input_scan)}) WHERE {where}"


def join(context: Context, scan: Any) -> str:
    """A join; a lateral one sees the left side's columns."""
    sort = _JOINS[scan.join_type]
    on = condition(context, scan.join_expr) if tree.node(scan.join_expr) is not None else None
    left, right = context.scan(scan.left_scan), context.scan(scan.right_scan)
    lateral = "LATERAL " if scan.is_lateral else ""
    head = f"SELECT {columns_of(scan)} FROM ({left}) AS {context.fresh()}"
    if sort == "INNER" and on is None:
        return f"{head} CROSS JOIN {lateral}({right}) AS {context.fresh()}"
    return f"{head} {sort} JOIN {lateral}({right}) AS {context.fresh()} ON {on or 'true'}"


def array(context: Context, scan: Any) -> str:
    """UNNEST, alone or joined with what stands before it."""
    if len(scan.array_expr_list) != 1:
        raise NotBuilt("UNNEST of several arrays")
    elements, number = context.expression(scan.array_expr_list[0]), scan.element_column_list[0].column_id
    # DuckDB gives rows for unnest(NULL) beside another unnest
    elements = f"COALESCE({elements}, [])"
    unnested = f"unnest({elements}) AS c{number}"
    if tree.has(scan, "array_offset_column"):
        unnested += f", unnest(range(len({elements}))) AS c{scan.array_offset_column.column.column_id}"
    if tree.node(scan.input_scan) is None:
        return f"SELECT {columns_of(scan)} FROM (SELECT {unnested})"
    left = context.scan(scan.input_scan)
    has_condition = tree.node(scan.join_expr) is not None
    if not scan.is_outer:
        where = f" WHERE {condition(context, scan.join_expr)}" if has_condition else ""
        return f"SELECT {columns_of(scan)} FROM (SELECT *, {unnested} FROM ({left})){where}"
    on = condition(context, scan.join_expr) if has_condition else "true"
    joined = f"({left}) AS {context.fresh()} LEFT JOIN LATERAL (SELECT {unnested}) AS {context.fresh()} ON {on}"
    return f"SELECT {columns_of(scan)} FROM {joined}"


def ordered(context: Context, scan: Any) -> str:
    """ORDER BY."""
    items = order_items(scan.order_by_item_list)
    return f"SELECT {columns_of(scan)} FROM ({context.scan(scan.input_scan)}) ORDER BY {items}"


def limited(context: Context, scan: Any) -> str:
    """LIMIT and OFFSET, which may be parameters."""
    limit = f" LIMIT {_number(context, scan.limit)}" if tree.node(scan.limit) is not None else ""
    offset = f" OFFSET {_number(context, scan.offset)}" if tree.node(scan.offset) is not None else ""
    return f"SELECT {columns_of(scan)} FROM ({context.scan(scan.input_scan)}){limit}{offset}"


def _number(context: Context, message: Any) -> str:
    found = tree.node(message)
    while tree.kind(found) == "Cast":
        found = tree.node(found.expr)
    if tree.kind(found) == "Parameter":
        value = context.parameters[found.name or str(found.position)][1]
    elif tree.kind(found) == "Literal":
        content = found.value.value
        value = content.int64_value if content.WhichOneof("value") else None
    else:
        raise NotBuilt("LIMIT or OFFSET that is no number")
    if value is None or value < 0:
        raise NotBuilt("LIMIT or OFFSET that is NULL or negative")
    return str(value)


def set_operation(context: Context, scan: Any) -> str:
    """UNION, INTERSECT, EXCEPT."""
    word, columns = _SET_OPERATIONS[scan.op_type], tree.get(scan, "column_list")
    first, *others = scan.input_item_list
    if word == "UNION ALL" and columns and (rows := _constant_rows(context, scan)) is not None:
        return rows
    for column in columns if word != "UNION ALL" else ():
        check_grouped(values.type_of(column.type), word)
    sql = _input(context, first, columns)
    for item in others:
        sql = f"(SELECT * FROM ({sql})) {word} (SELECT * FROM ({_input(context, item, columns)}))"
    return sql


def _constant_rows(context: Context, scan: Any) -> str | None:
    """UNION ALL of rows without FROM: DuckDB keeps the order of VALUES, and takes less time for it.

    BigQuery does not promise the order, but gives such rows as they are written, and all of its examples show it.
    """
    columns, rows = tree.get(scan, "column_list"), []
    for item in scan.input_item_list:
        if (row := _constant_row(context, item.scan)) is None:
            return None
        rows.append(f"({', '.join(row[column.column_id] for column in item.output_column_list)})")
    names, row_names = [f"c{column.column_id}" for column in columns], [f"v{n}" for n in range(len(columns))]
    items = ", ".join(f"{inner} AS {outer}" for inner, outer in zip(row_names, names, strict=True))
    return f"SELECT {items} FROM (VALUES {', '.join(rows)}) AS {context.fresh()}({', '.join(row_names)})"


def _constant_row(context: Context, message: Any) -> dict[int, str] | None:
    """The columns of a row without FROM; None if it is something else, or if a value looks at other rows."""
    scan = tree.node(message)
    if tree.kind(scan) == "SingleRowScan":
        return {}
    if tree.kind(scan) != "ProjectScan" or (row := _constant_row(context, scan.input_scan)) is None:
        return None
    before = dict(context.columns)
    context.columns.update(row)
    new = {}
    for item in scan.expr_list:
        for found in tree.walk(item.expr):
            is_outside = tree.kind(found) == "ColumnRef" and found.column.column_id not in row
            if is_outside or tree.kind(found) in ("SubqueryExpr", "WithExpr"):
                context.columns = before
                return None
        new[item.column.column_id] = context.expression(item.expr)
    context.columns = before
    if any(is_volatile(value) for value in row.values()):
        return None
    return row | new


def _input(context: Context, item: Any, columns: Any) -> str:
    pairs = zip(item.output_column_list, columns, strict=True)
    items = ", ".join(f"c{inner.column_id} AS c{outer.column_id}" for inner, outer in pairs)
    return f"SELECT {items or '1 AS one'} FROM ({context.scan(item.scan)})"


def with_clause(context: Context, scan: Any) -> str:
    """WITH: an entry's columns are x0, x1, ..., renamed where it is used."""
    entries = [_entry(context, entry) for entry in scan.with_entry_list]
    recursive = "RECURSIVE " if scan.recursive else ""
    return f"SELECT * FROM (WITH {recursive}{', '.join(entries)} {context.scan(scan.query)})"


def _entry(context: Context, entry: Any) -> str:
    subquery, name = tree.node(entry.with_subquery), quoted_name(entry.with_query_name)
    columns = tree.get(subquery, "column_list")
    if tree.kind(subquery) != "RecursiveScan":
        items = ", ".join(f"c{column.column_id} AS x{number}" for number, column in enumerate(columns))
        # Evaluated once, as Google does: RAND() in it is the same wherever it is used
        return f"{name} AS MATERIALIZED (SELECT {items or '1 AS one'} FROM ({context.scan(entry.with_subquery)}))"
    if tree.has(subquery, "recursion_depth_modifier"):
        raise NotBuilt("WITH DEPTH")
    context.recursive.append(entry.with_query_name)
    first = _input(context, subquery.non_recursive_term, columns)
    second = _input(context, subquery.recursive_term, columns)
    context.recursive.pop()
    names = [f"x{number}" for number in range(len(columns))]
    return _rounds(name, names, first, second, is_distinct=subquery.op_type != 0)


def _rounds(name: str, columns: Sequence[str], first: str, second: str, is_distinct: bool) -> str:
    """A recursive entry whose rows know the round that they came from, so that there are not too many.

    Args:
        name: Of the entry.
        columns: Of the entry, which the terms have in this order.
        first: The base term.
        second: The recursive term.
        is_distinct: UNION DISTINCT, which takes no row that is there already; the key has all columns but the round.
    """
    names, inner = ", ".join(columns), [f"n{number}" for number in range(len(columns))]
    new = f"({second}) AS new({', '.join(inner)})"
    last = f"(SELECT max(round) AS round FROM {name}) AS last"
    number = f"CASE WHEN last.round < {_MOST_ROUNDS} THEN last.round + 1 ELSE g_err('{TOO_MANY_ROUNDS}') END"
    second = f"SELECT new.*, {number} FROM {new} CROSS JOIN {last}"
    if not is_distinct:
        return f"{name}({names}, round) AS (SELECT *, CAST(0 AS BIGINT) FROM ({first}) UNION ALL {second})"
    same = " AND ".join(f"old.{one} IS NOT DISTINCT FROM new.{two}" for one, two in zip(columns, inner, strict=True))
    second += f" WHERE NOT EXISTS (SELECT 1 FROM recurring.{name} AS old WHERE {same})"
    return f"{name}({names}, round) USING KEY ({names}) AS (SELECT *, CAST(0 AS BIGINT) FROM ({first}) UNION {second})"


def quoted_name(name: str) -> str:
    """An identifier as DuckDB SQL."""
    return '"' + name.replace('"', '""') + '"'


def with_reference(context: Context, scan: Any) -> str:
    """A WITH entry where it is used."""
    return _renamed(scan, scan.with_query_name)


def recursive_reference(context: Context, scan: Any) -> str:
    """A recursive entry where it refers to itself."""
    return _renamed(scan, context.recursive[-1])


def _renamed(scan: Any, name: str) -> str:
    columns = enumerate(tree.get(scan, "column_list"))
    items = ", ".join(f"x{number} AS c{column.column_id}" for number, column in columns)
    return f"SELECT {items or '1 AS one'} FROM {quoted_name(name)}"


def barrier(context: Context, scan: Any) -> str:
    """A scan that only hinders the module's own rewriters."""
    return context.scan(scan.input_scan)


SCANS: dict[str, Handler] = {
    "SingleRowScan": single_row,
    "TableScan": table,
    "ProjectScan": project,
    "FilterScan": filtered,
    "JoinScan": join,
    "ArrayScan": array,
    "OrderByScan": ordered,
    "LimitOffsetScan": limited,
    "SetOperationScan": set_operation,
    "WithScan": with_clause,
    "WithRefScan": with_reference,
    "RecursiveRefScan": recursive_reference,
    "BarrierScan": barrier,
}
