"""GROUP BY and aggregate functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.bigquery import types
from services.bigquery.compiler.calls import function_name
from services.bigquery.compiler.context import Context, Groups
from services.bigquery.compiler.ordering import check_grouped, order_items
from services.bigquery.compiler.python_calls import PythonCall
from services.bigquery.compiler.signatures.lines import AGGREGATES, Line, lookup
from services.bigquery.errors import NotBuilt
from services.bigquery.functions.table import AGGREGATES as PYTHON
from services.bigquery.geography.functions import AGGREGATES as GEOGRAPHY
from services.bigquery.language import tree, values
from services.bigquery.types import Type

IGNORE_NULLS, RESPECT_NULLS = 1, 2
"""The module's enumeration of null handling modifiers: default, IGNORE NULLS, RESPECT NULLS."""
_SAME_WITH_DISTINCT = ("min", "max", "any_value", "logical_and", "logical_or", "approx_count_distinct")
"""Functions for which DISTINCT changes nothing."""
_WITHOUT_NULLS = ("array_concat_agg", "approx_quantiles")
"""Functions that leave NULL out unless RESPECT NULLS says otherwise."""
_MAX = 1
"""The module's enumeration of HAVING MAX and HAVING MIN."""


def aggregate_scan(context: Context, scan: Any) -> str:
    """GROUP BY, with ROLLUP, CUBE and GROUPING SETS, or aggregates over all rows."""
    _refuse_collations(tree.get(scan, "collation_list"))
    keys = {}
    for item in tree.get(scan, "group_by_list"):
        check_grouped(values.type_of(item.column.type), "GROUP BY")
        keys[item.column.column_id] = context.expression(item.expr)
    computed = [computed_column(item) for item in tree.get(scan, "aggregate_list")]
    has_sets = bool(tree.get(scan, "grouping_set_list"))
    outside, context.groups = context.groups, None if has_sets else Groups([f"c{number}" for number in keys])
    items = [f"c{number}" for number in keys]
    items += [f"{aggregate(context, function)} AS c{column.column_id}" for column, function in computed]
    items += [_grouping(item) for item in tree.get(scan, "grouping_call_list")]
    keyed = "".join(f", {sql} AS c{number}" for number, sql in keys.items())
    inner = f"SELECT *{keyed} FROM ({context.scan(tree.get(scan, 'input_scan'))})"
    inner = context.groups.around(inner) if context.groups else inner
    context.groups = outside
    by = _group_by(scan, list(keys))
    # Without keys and aggregates, all of which were pruned, there is one row whatever comes in
    return f"SELECT {', '.join(items) or '1 AS one'} FROM ({inner}){by}" if items or by else "SELECT 1 AS one"


def _grouping(item: Any) -> str:
    name = f"c{item.group_by_column.column.column_id}"
    return f"CAST(GROUPING({name}) AS BIGINT) AS c{item.output_column.column_id}"


def _group_by(scan: Any, keys: Sequence[int]) -> str:
    if sets := tree.get(scan, "grouping_set_list"):
        # Of no rows GoogleSQL makes no groups, also for the empty set, for which DuckDB makes one
        having = " HAVING count(*) > 0" if keys else ""
        return f" GROUP BY GROUPING SETS ({', '.join(_grouping_set(item) for item in sets)}){having}"
    return f" GROUP BY {', '.join(f'c{number}' for number in keys)}" if keys else ""


def _grouping_set(message: Any) -> str:
    found = tree.node(message)
    kind = tree.kind(found)
    if kind == "GroupingSet":
        return _columns(found.group_by_column_list)
    if kind not in ("Rollup", "Cube"):
        raise NotBuilt(f"grouping by {kind}")
    parts = tree.get(found, f"{kind.lower()}_column_list")
    return f"{kind.upper()}({', '.join(_columns(part.column_list) for part in parts)})"


def _columns(references: Any) -> str:
    return f"({', '.join(f'c{reference.column.column_id}' for reference in references)})"


def _refuse_collations(collations: Any) -> None:
    if any(collation.collation_name for collation in collations):
        raise NotBuilt("collation")


def computed_column(message: Any) -> tuple[Any, Any]:
    """A column and its expression; an error that the analyzer defers comes at once here."""
    found = tree.node(message)
    if tree.kind(found) not in ("ComputedColumn", "DeferredComputedColumn"):
        raise NotBuilt(tree.kind(found))
    return found.column, tree.node(found.expr)


def aggregate(context: Context, function: Any, window: str | None = None) -> str:
    """A call of an aggregate function.

    Args:
        context: The compiler's state.
        function: The resolved call.
        window: The content of OVER (...), if it is called as a window function.
    """
    if not tree.get(function, "function").name.startswith("ZetaSQL:"):
        return _user_defined(context, function, window)
    name, messages = function_name(function), tree.get(function, "argument_list")
    kinds = [tree.type_of(message) for message in messages]
    if tree.get(function, "error_mode"):
        raise NotBuilt(f"SAFE.{name.upper()}")
    line = _by_python(context, function, name, kinds) or lookup(AGGREGATES, name, kinds, is_window=window is not None)
    if line is None:
        over = " OVER (...)" if window is not None else ""
        raise NotBuilt(f"aggregate function {name.upper()}({', '.join(map(str, kinds))}){over}")
    context.used.add(line.text)
    arguments = [context.expression(message) for message in messages]
    sql = _Call(context, function, name, kinds, arguments, line).sql(window)
    return sql if line.is_compared else f"CAST({sql} AS {values.type_of(tree.get(function, 'type')).duckdb})"


def _user_defined(context: Context, function: Any, window: str | None) -> str:
    """A call of a JavaScript function, which gets the list of a group's rows; SQL functions never come here."""
    name = tree.get(function, "function").name
    script, plain = context.script(name), tree.kind(function) == "AggregateFunctionCall"
    is_changed = tree.get(function, "distinct") or tree.get(function, "error_mode")
    if script is None or window is not None or not plain or is_changed:
        raise NotBuilt(f"{name.split(':', 1)[-1]} with OVER, DISTINCT or SAFE")
    if function.order_by_item_list or tree.has(function, "having_modifier") or tree.node(function.limit) is not None:
        raise NotBuilt(f"{name.split(':', 1)[-1]} with ORDER BY, HAVING or LIMIT")
    sql = [context.expression(message) for message in tree.get(function, "argument_list")]
    inside = [one for one, is_inside in zip(sql, script.aggregated, strict=True) if is_inside]
    others = "".join(
        f", CAST({one} AS {kind.duckdb})"
        for one, kind in zip(
            [one for one, is_inside in zip(sql, script.aggregated, strict=True) if not is_inside],
            script.arguments[1:],
            strict=True,
        )
    )
    rows = script.arguments[0]
    several = f"list(CAST(row({', '.join(inside)}) AS {rows.part.duckdb}))"
    if tree.get(function, "null_handling_modifier") != RESPECT_NULLS:
        several += f" FILTER (WHERE {' AND '.join(f'{one} IS NOT NULL' for one in inside)})"
    return f"{context.scalar(script)}(COALESCE({several}, CAST([] AS {rows.duckdb})){others})"


def _by_python(context: Context, function: Any, name: str, kinds: Sequence[Type]) -> Line | None:
    """The line of a function that Python computes, which gets the list of all values."""
    if name not in GEOGRAPHY and name not in PYTHON:
        return None
    first, *more = kinds
    value = "{0}"
    if len(more) > 1:
        # A value and its weight, which only KLL_QUANTILES.INIT_* have; between them the precision
        first, more = Type("STRUCT", fields=(("", first), ("", more[1]))), more[:1]
        value = f"CAST(row({{0}}, {{2}}) AS {first.duckdb})"
    call = PythonCall(name, (Type("ARRAY", first), *more), values.type_of(tree.get(function, "type")))
    several = f"list({value}) FILTER (WHERE {{0}} IS NOT NULL){{W}}"
    if name in PYTHON:
        several = f"COALESCE({several}, [])"
    options = "".join(f", {{{number}}}" for number in range(1, len(more) + 1))
    patterns = tuple((str(kind),) for kind in kinds)
    return Line(f"{name}(...)", AGGREGATES, name, patterns, f"{context.scalar(call)}({several}{options})")


class _Call:
    """A call of an aggregate function with its modifiers."""

    def __init__(
        self,
        context: Context,
        function: Any,
        name: str,
        kinds: Sequence[Type],
        arguments: Sequence[str],
        line: Line,
    ) -> None:
        self._context, self._function, self._name, self._kinds = context, function, name, kinds
        self._arguments, self._line = arguments, line
        self._is_distinct = bool(tree.get(function, "distinct"))
        self._is_plain = tree.kind(function) == "AggregateFunctionCall"
        self._filters: list[str] = []
        if tree.node(tree.get(function, "where_expr")) is not None:
            self._filters.append(context.expression(tree.get(function, "where_expr")))

    def sql(self, window: str | None) -> str:
        self._check()
        nulls = tree.get(self._function, "null_handling_modifier")
        if nulls == IGNORE_NULLS or (self._name in _WITHOUT_NULLS and not nulls):
            self._filters.append(f"{self._arguments[0]} IS NOT NULL")
        if self._is_plain and tree.has(self._function, "having_modifier") and (sql := self._having()) is not None:
            return sql
        if self._name == "approx_top_sum" and self._context.groups is not None:
            return self._top_sum(self._context.groups)
        limit = self._limit()
        if limit == 0:
            return f"CAST(NULL AS {values.type_of(tree.get(self._function, 'type')).duckdb})"
        is_kept = self._is_distinct and window is None and not self._is_ordered()
        keeps_order = is_kept and self._name in ("array_agg", "string_agg") and self._kinds[0].kind != "BYTES"
        template = self._of_list(limit, keeps_order) if keeps_order or limit is not None else self._line
        return template.fill(
            self._arguments,
            D="DISTINCT " if self._is_distinct else "",
            O=f" ORDER BY {order_items(self._function.order_by_item_list)}" if self._is_ordered() else "",
            W=self._suffix(window),
        )

    def _suffix(self, window: str | None) -> str:
        filters = f" FILTER (WHERE {' AND '.join(f'({sql})' for sql in self._filters)})" if self._filters else ""
        return filters + (f" OVER ({window})" if window is not None else "")

    def _is_ordered(self) -> bool:
        return self._is_plain and bool(self._function.order_by_item_list)

    def _check(self) -> None:
        name = self._name.upper()
        if self._is_distinct:
            for kind in self._kinds:
                check_grouped(kind, f"{name}(DISTINCT)")
            if "{D}" not in self._line.template and self._name not in _SAME_WITH_DISTINCT:
                raise NotBuilt(f"{name}(DISTINCT)")
        if self._name == "array_agg" and self._kinds[0].kind == "ARRAY":
            raise NotBuilt("ARRAY_AGG of arrays")
        if not self._is_plain:
            return
        function = self._function
        if function.group_by_list or function.group_by_aggregate_list or tree.node(function.having_expr) is not None:
            raise NotBuilt(f"GROUP BY inside {name}")

    def _having(self) -> str | None:
        """HAVING MAX and MIN: ANY_VALUE is a function of DuckDB's; of others it becomes a filter."""
        modifier, groups, name = self._function.having_modifier, self._context.groups, self._name
        kind = tree.type_of(modifier.having_expr)
        key, suffix = self._context.expression(modifier.having_expr), self._suffix(None)
        if not (types.is_ordered(kind) or kind.kind == "DOUBLE"):
            raise NotBuilt(f"HAVING MAX or MIN of {kind}")
        if name == "any_value":
            word = "arg_max" if modifier.kind == _MAX else "arg_min"
            return self._unless_nan(kind, key, f"{word}_null({self._arguments[0]}, {key}){suffix}", suffix)
        if groups is None or name in GEOGRAPHY or name in PYTHON or name == "approx_top_sum":
            raise NotBuilt(f"HAVING MAX or MIN in {name.upper()}")
        column, extreme = self._context.fresh("h"), self._context.fresh("h")
        word = "max" if modifier.kind == _MAX else "min"
        groups.values[column] = key
        groups.windows[extreme] = self._unless_nan(kind, column, f"{word}({column}) {groups.over()}", groups.over())
        self._filters.append(f"{column} = {extreme}")
        return None

    def _unless_nan(self, kind: Type, key: str, found: str, suffix: str) -> str:
        """With NaN among the keys GoogleSQL's greatest and least value is NaN, which no value equals."""
        if kind.kind != "DOUBLE":
            return found
        return f"CASE WHEN NOT COALESCE(bool_or(isnan({key})) {suffix}, false) THEN {found} END"

    def _top_sum(self, groups: Groups) -> str:
        """APPROX_TOP_SUM: the sum of each value is made before the groups, in time that grows with the rows."""
        value, weight, total = (self._context.fresh("h") for _ in range(3))
        groups.values |= {value: self._arguments[0], weight: self._arguments[1]}
        suffix = self._suffix(None)
        groups.windows[total] = f"sum({weight}){suffix} {groups.over(value)}"
        is_bad = f"bool_or({weight} < 0 OR CAST({weight} AS DOUBLE) = CAST('nan' AS DOUBLE)){suffix}"
        sums = f"g_checked_sums(list(DISTINCT row(-{total}, {value})){suffix}, {is_bad})"
        return f"g_top({sums}, {self._arguments[2]})"

    def _limit(self) -> int | None:
        if not self._is_plain or tree.node(self._function.limit) is None:
            return None
        found = tree.node(self._function.limit)
        if tree.kind(found) != "Literal":
            raise NotBuilt("LIMIT that is no literal")
        return int(found.value.value.int64_value)

    def _of_list(self, limit: int | None, keeps_order: bool) -> Line:
        """The template over the list of all values: with a limit, or with DISTINCT in the order of first appearance.

        BigQuery does not promise that order, but all of its examples show it.
        """
        arguments = tuple((str(kind),) for kind in self._kinds)
        template = "g_distinct(list({0}){W})" if keeps_order else "list({D}{0}{O}){W}"
        template += "" if limit is None else f"[1:{limit}]"
        if self._name == "string_agg" and self._kinds[0].kind == "STRING":
            self._filters.append(f"{self._arguments[0]} IS NOT NULL")
            separator = "{1}" if len(self._arguments) > 1 else "','"
            template = f"array_to_string({template}, {separator})"
        elif self._name != "array_agg":
            raise NotBuilt(f"LIMIT in {self._name.upper()}")
        return Line("", AGGREGATES, self._name, arguments, template)
