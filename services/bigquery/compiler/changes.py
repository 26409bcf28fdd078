"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE; DuckDB's rowid finds a target's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery.compiler.context import Computed, Context, Relation
from services.bigquery.compiler.signatures.null_elements import checked
from services.bigquery.errors import NotBuilt, invalid_query
from services.bigquery.language import tree, values
from services.bigquery.types import Type

ONE_SOURCE_ROW = "UPDATE/MERGE must match at most one source row for each target row"
_MATCHED, _BY_SOURCE, _BY_TARGET = range(3)
_INSERT, _UPDATE, _DELETE = range(3)
"""The module's enumerations of WHEN clauses and of their actions."""


@dataclass(frozen=True)
class Change:
    """A compiled change.

    Attributes:
        table: The target's full name.
        check: A statement to run first, in the same transaction, which fails where BigQuery refuses the change; may
            be empty.
        sql: The change itself; DuckDB answers how many rows it changed.
        scalars: As of a query.
        lines: As of a query.
    """

    table: str
    check: str
    sql: str
    scalars: Mapping[Computed, str]
    lines: frozenset[str]


@dataclass(frozen=True)
class _Target:
    name: str
    relation: Relation
    columns: Mapping[int, int]
    """The positions of the table's columns, by the tree's numbers of them."""

    def column(self, number: int) -> str:
        return self.relation.columns[self.columns[number]]

    def default(self, number: int) -> str:
        """What DEFAULT stands for."""
        return self.relation.defaults.get(self.column(number), "NULL")

    def left_out(self, given: Sequence[str]) -> dict[str, str]:
        """The default values of the columns that an INSERT leaves out, by the columns' names."""
        return {name: self.relation.defaults[name] for name in self.relation.defaults if name not in given}

    def scan(self) -> str:
        items = "".join(f", {self.relation.columns[index]} AS c{number}" for number, index in self.columns.items())
        return f"SELECT rowid AS row_number{items} FROM {self.relation.sql}"


def _target(context: Context, statement: Any) -> _Target:
    if tree.kind(statement) in ("InsertStmt", "UpdateStmt", "DeleteStmt"):
        if tree.has(statement, "assert_rows_modified"):
            raise NotBuilt("ASSERT_ROWS_MODIFIED")
        if tree.has(statement, "returning"):
            raise NotBuilt("THEN RETURN")
    scan = statement.table_scan
    numbers = [column.column_id for column in tree.get(scan, "column_list")]
    columns = dict(zip(numbers, scan.column_index_list, strict=True))
    relation = context.relation(scan.table.name)
    if relation.sql.startswith("("):
        raise invalid_query(f"{scan.table.name} is not a table; only tables can be changed")
    return _Target(scan.table.name, relation, columns)


def _change(context: Context, target: _Target, sql: str, check: str = "") -> Change:
    return Change(target.name, check, sql, dict(context.scalars), frozenset(context.used))


def delete(context: Context, statement: Any) -> Change:
    """DELETE."""
    target = _target(context, statement)
    where = context.expression(statement.where_expr)
    rows = f"SELECT row_number FROM ({target.scan()}) WHERE {where}"
    return _change(context, target, f"DELETE FROM {target.relation.sql} WHERE rowid IN ({rows})")


def truncate(context: Context, statement: Any) -> Change:
    """TRUNCATE TABLE."""
    target = _target(context, statement)
    if tree.node(statement.where_expr) is not None:
        raise NotBuilt("TRUNCATE with WHERE")
    return _change(context, target, f"DELETE FROM {target.relation.sql}")


def insert(context: Context, statement: Any) -> Change:
    """INSERT, of values or of a query."""
    target = _target(context, statement)
    if statement.insert_mode or statement.HasField("on_conflict_clause"):
        raise NotBuilt("INSERT OR ..., ON CONFLICT")
    names = [target.column(column.column_id) for column in statement.insert_column_list]
    more = target.left_out(names)
    if tree.node(statement.query) is not None:
        given = zip(statement.query_output_column_list, statement.insert_column_list, strict=True)
        written = (checked(f"c{column.column_id}", values.type_of(to.type), to.name) for column, to in given)
        items = ", ".join([*written, *more.values()])
        rows = f"SELECT {items} FROM ({context.scan(statement.query)})"
    else:
        columns = [(column, target.default(column.column_id)) for column in statement.insert_column_list]
        lists = (", ".join([_row(context, row, columns), *more.values()]) for row in statement.row_list)
        # For 5,000 rows DuckDB takes a tenth of the time that SELECTs with UNION ALL take
        rows = f"VALUES {', '.join(f'({one})' for one in lists)}"
    into = f"{target.relation.sql} ({', '.join([*names, *more])})"
    return _change(context, target, f"INSERT INTO {into} {rows}")


def _row(context: Context, row: Any, into: Sequence[tuple[Any, str]]) -> str:
    """The values of a row; `into` has each column with what DEFAULT stands for."""
    triples = ((value, column, default) for value, (column, default) in zip(row.value_list, into, strict=True))
    return ", ".join(
        _value(context, value, default, values.type_of(column.type), column.name) for value, column, default in triples
    )


def _value(context: Context, value: Any, default: str, kind: Type, name: str) -> str:
    if tree.kind(tree.node(value.value)) == "DMLDefault":
        return default
    return checked(context.expression(value.value), kind, name)


def _assignments(context: Context, target: _Target, items: Any) -> dict[int, str]:
    """The new value of each column; a field is set by building its struct anew."""
    new: dict[int, str] = {}
    for item in items:
        if item.update_item_element_list or item.delete_list or item.update_list or item.insert_list:
            raise NotBuilt("nested INSERT, UPDATE or DELETE")
        path, found = [], tree.node(item.target)
        while tree.kind(found) == "GetStructField":
            path.append((found.field_idx, tree.type_of(found.expr)))
            found = tree.node(found.expr)
        if tree.kind(found) != "ColumnRef":
            raise NotBuilt(f"UPDATE of {tree.kind(found)}")
        number = found.column.column_id
        old = new.get(number, context.column(number))
        kind, default = tree.type_of(item.target), target.default(number)
        value = _value(context, item.set_value, default, kind, found.column.name)
        new[number] = _with_field(old, path, value)
    return new


def _with_field(struct: str, path: list[tuple[int, Type]], value: str) -> str:
    if not path:
        return value
    index, kind = path[-1]
    inner = _with_field(f"struct_extract({struct}, 'f{index}')", path[:-1], value)
    old = (f"struct_extract({struct}, 'f{number}')" for number in range(len(kind.fields)))
    fields = ", ".join(inner if number == index else field for number, field in enumerate(old))
    failed = f"CAST(CAST(g_err('Cannot set field of NULL STRUCT') AS VARCHAR) AS {kind.duckdb})"
    return f"CASE WHEN {struct} IS NULL THEN {failed} ELSE CAST(row({fields}) AS {kind.duckdb}) END"


def update(context: Context, statement: Any) -> Change:
    """UPDATE, also with FROM."""
    target = _target(context, statement)
    source = f"({target.scan()})"
    if tree.node(statement.from_scan) is not None:
        joined = context.scan(statement.from_scan)
        source = f"({target.scan()}) AS {context.fresh()} CROSS JOIN ({joined}) AS {context.fresh()}"
    new = _assignments(context, target, statement.update_item_list)
    items = ", ".join(f"{sql} AS n{number}" for number, sql in new.items())
    where = context.expression(statement.where_expr)
    rows = f"SELECT row_number, {items}, count(*) OVER (PARTITION BY row_number) AS many FROM {source} WHERE {where}"
    sets = ", ".join(f"{target.column(number)} = changed.n{number}" for number in new)
    once = f"CASE WHEN changed.many > 1 THEN g_err('{ONE_SOURCE_ROW}') = 0 ELSE true END"
    table = target.relation.sql
    sql = f"UPDATE {table} SET {sets} FROM ({rows}) changed WHERE {table}.rowid = changed.row_number AND {once}"
    return _change(context, target, sql)


def merge(context: Context, statement: Any) -> Change:
    """MERGE; a target row that several source rows would change is refused before anything changes."""
    target = _target(context, statement)
    source = context.scan(statement.from_scan)
    check = _merge_check(context, statement, target, source)
    context.columns.update({number: f"target.{target.column(number)}" for number in target.columns})
    on = context.expression(statement.merge_expr)
    clauses = " ".join(_when(context, target, clause) for clause in statement.when_clause_list)
    sql = f"MERGE INTO {target.relation.sql} AS target USING ({source}) AS source ON {on} {clauses}"
    return _change(context, target, sql, check)


def _merge_check(context: Context, statement: Any, target: _Target, source: str) -> str:
    matched = [clause for clause in statement.when_clause_list if clause.match_type == _MATCHED]
    if not matched:
        return ""
    applies = " OR ".join(
        f"({context.expression(clause.match_expr)})" if tree.node(clause.match_expr) is not None else "true"
        for clause in matched
    )
    pairs = f"({target.scan()}) AS {context.fresh()} JOIN ({source}) AS {context.fresh()}"
    on = context.expression(statement.merge_expr)
    many = f"SELECT row_number FROM {pairs} ON {on} WHERE {applies} GROUP BY row_number HAVING count(*) > 1"
    return f"SELECT g_err('{ONE_SOURCE_ROW}') FROM ({many})"


def _when(context: Context, target: _Target, clause: Any) -> str:
    matches = ("MATCHED", "NOT MATCHED BY SOURCE", "NOT MATCHED BY TARGET")[clause.match_type]
    has_condition = tree.node(clause.match_expr) is not None
    condition = f" AND {context.expression(clause.match_expr)}" if has_condition else ""
    return f"WHEN {matches}{condition} THEN {_action(context, target, clause)}"


def _action(context: Context, target: _Target, clause: Any) -> str:
    if clause.action_type == _DELETE:
        return "DELETE"
    if clause.action_type == _UPDATE:
        new = _assignments(context, target, clause.update_item_list)
        return "UPDATE SET " + ", ".join(f"{target.column(number)} = {sql}" for number, sql in new.items())
    into = [(column, target.default(column.column_id)) for column in clause.insert_column_list]
    names = [target.column(column.column_id) for column, _ in into]
    more = target.left_out(names)
    row = ", ".join([_row(context, clause.insert_row, into), *more.values()])
    return f"INSERT ({', '.join([*names, *more])}) VALUES ({row})"


CHANGES: Mapping[str, Callable[[Context, Any], Change]] = {
    "InsertStmt": insert,
    "UpdateStmt": update,
    "DeleteStmt": delete,
    "MergeStmt": merge,
    "TruncateStmt": truncate,
}
