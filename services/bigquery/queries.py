"""One query from text to rows: compiled for DuckDB, or by Google's evaluator where the tables are small."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures.connection import as_error, is_our_fault, register_scalars
from services.bigquery.compiler.statement import Query, compile_query, is_struct_table, output_columns, raw_columns
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.evaluator import Evaluator, Rows
from services.bigquery.types import Type

_FINAL = ("resourcesExceeded", "responseTooLarge", "stopped", "timeout")
"""Reasons of errors that another way to evaluate the query would not change."""
MOST_ROWS = 100_000
"""Rows of all tables together that the evaluator may read: three columns of them take 1.4 to 4 s."""
MOST_BYTES = 2**30
"""Bytes of a result, which stays in memory until it is complete."""
_BATCH = 50_000
"""Rows."""


@dataclass(frozen=True)
class Tables:
    """The rows behind a scope's tables.

    Attributes:
        relations: Where DuckDB has them, by the tables' full names.
        contents: Reads a table's rows in plain form, at most MOST_ROWS; None if it has more.
    """

    relations: Mapping[str, Relation]
    contents: Callable[[str], Rows | None]


@dataclass(frozen=True)
class Answer:
    """A query's result.

    Attributes:
        columns: Names and types.
        table: The rows as DuckDB gives them (`Type.arrow`); columns o0, o1, ...
        reason: Why the evaluator answered; empty if DuckDB did.
        lines: The lines of `signatures/*.sql` that it used.
        scalars: DuckDB's names of the functions that Google's module or V8 evaluated.
    """

    columns: tuple[tuple[str, Type], ...]
    table: pa.Table
    reason: str = ""
    lines: frozenset[str] = frozenset()
    scalars: frozenset[str] = frozenset()

    @property
    def rows(self) -> list[list[Any]]:
        """Plain values."""
        return plain_rows(self.table, self.columns)


@dataclass
class Queries:
    """Answers queries; keeps nothing between them."""

    analyzer: Analyzer
    evaluator: Evaluator
    now: Callable[[], int] = field(default=lambda: time.time_ns() // 1000)
    most_bytes: int = MOST_BYTES

    def answer(
        self,
        connection: Any,
        sql: str,
        scope: Scope,
        tables: Tables,
        parameters: Mapping[str, tuple[Type, Any]] | None = None,
        statement: Any = None,
    ) -> Answer:
        """Runs a query.

        Args:
            connection: DuckDB, after `compiler.connection.prepare`.
            sql: One query.
            scope: What it may refer to.
            tables: The rows of the scope's tables.
            parameters: Types and plain values of its named parameters.
            statement: The resolved statement, where the caller has it.

        Raises:
            BigQueryError: The query's error, with Google's sentence.
            NotBuilt: Neither has a rule for it, or its tables are too large for the evaluator.
        """
        statement = statement or self.analyzer.analyze(sql, scope)
        try:
            query = compile_query(statement, tables.relations, self.now(), parameters, scope)
            table = self._run(connection, query)
            return Answer(query.columns, table, lines=query.lines, scalars=frozenset(query.scalars.values()))
        except BigQueryError as error:
            if error.reason in _FINAL or any(function.javascript for function in scope.functions):
                raise
            reason = error
        # GoogleSQL may defer an error that DuckDB raises, as in IF(x > 0, SUM(x), SUM(1 / x)): its evaluator decides
        contents = {table.name: tables.contents(table.name) for table in scope.tables}
        small = {name: rows for name, rows in contents.items() if rows is not None}
        if len(small) < len(contents) or sum(map(len, small.values())) > MOST_ROWS:
            raise reason
        columns = output_columns(statement)
        values = {name: value for name, (_, value) in (parameters or {}).items()}
        try:
            rows = self.evaluator.query(sql, scope, small, raw_columns(statement), values)
        except NotBuilt:
            raise reason from None
        rows = [list(row[0].values()) for row in rows] if is_struct_table(statement) else rows
        return Answer(columns, arrow_table(rows, columns), reason.message)

    def _run(self, connection: Any, query: Query) -> pa.Table:
        register_scalars(connection, query.scalars, self.evaluator)
        try:
            return self._read(connection.execute(query.sql).to_arrow_reader(_BATCH))
        except duckdb.Error as error:
            if is_our_fault(error):
                raise NotBuilt(f"this query on DuckDB ({str(error).splitlines()[0][:200]})") from error
            raise as_error(error) from error

    def _read(self, reader: Any) -> pa.Table:
        batches, size = [], 0
        for batch in reader:
            size += batch.nbytes
            if size > self.most_bytes:
                raise BigQueryError("responseTooLarge", "Response too large to return", "query", 403)
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


def arrow_table(rows: list[list[Any]], columns: tuple[tuple[str, Type], ...]) -> pa.Table:
    """Plain rows as an Arrow table as DuckDB gives one."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [types.arrow_column(list(one), kind) for one, (_, kind) in zip(values, columns, strict=True)]
    return pa.table(arrays, names=[f"o{number}" for number in range(len(columns))])


def plain_rows(table: Any, columns: tuple[tuple[str, Type], ...]) -> list[list[Any]]:
    """The rows of an Arrow table in plain form."""
    plain = [types.plain_column(table.column(number), kind) for number, (_, kind) in enumerate(columns)]
    return [list(row) for row in zip(*plain, strict=True)]
