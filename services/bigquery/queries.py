"""One query from text to rows: compiled for DuckDB, or by Google's evaluator where the tables are small."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures.connection import as_error, is_our_fault, register_scalars
from services.bigquery.compiler.statement import Query, compile_query, is_struct_table, output_columns, raw_columns
from services.bigquery.disk import require_room
from services.bigquery.errors import TOO_MANY_ROUNDS, BigQueryError, NotBuilt
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.evaluator import Evaluator, Rows
from services.bigquery.settings import Limits
from services.bigquery.types import Type

_FINAL = ("quotaExceeded", "resourcesExceeded", "responseTooLarge", "stopped", "timeout")
"""Reasons of errors that another way to evaluate the query would not change."""
MOST_ROWS = 100_000
"""Rows of all tables together that the evaluator may read: three columns of them take 1.4 to 4 s."""
SMALL = 2**24
"""Bytes of a result that is kept in memory; a larger one goes to the disk while it comes."""
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
    """Answers queries; keeps nothing between them.

    Attributes:
        analyzer: Of statements.
        evaluator: Answers what DuckDB cannot.
        now: Microseconds since 1970.
        limits: Of results.
        folder: Where large results may lie; the system's folder for temporary files if there is none.
    """

    analyzer: Analyzer
    evaluator: Evaluator
    now: Callable[[], int] = field(default=lambda: time.time_ns() // 1000)
    limits: Limits = Limits()
    folder: Path | None = None

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
            is_final = error.reason in _FINAL or error.message == TOO_MANY_ROUNDS
            if is_final or any(function.javascript for function in scope.functions):
                raise
            reason = error
        # GoogleSQL may defer an error that DuckDB raises, as in IF(x > 0, SUM(x), SUM(1 / x)): its evaluator decides
        return self._evaluated(sql, scope, tables, parameters or {}, statement, reason)

    def _evaluated(
        self,
        sql: str,
        scope: Scope,
        tables: Tables,
        parameters: Mapping[str, tuple[Type, Any]],
        statement: Any,
        reason: BigQueryError,
    ) -> Answer:
        """The evaluator's answer, or the reason why DuckDB has none."""
        contents = {table.name: tables.contents(table.name) for table in scope.tables}
        small = {name: rows for name, rows in contents.items() if rows is not None}
        if len(small) < len(contents) or sum(map(len, small.values())) > MOST_ROWS:
            raise reason
        columns = output_columns(statement)
        values = {name: value for name, (_, value) in parameters.items()}
        try:
            rows = self.evaluator.query(sql, scope, small, raw_columns(statement), values)
        except BigQueryError as error:
            # The evaluator's own gaps are sentences about its C++
            if isinstance(error, NotBuilt) or "not implemented" in error.message:
                raise reason from None
            raise
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
        """All rows: in memory, or mapped from a file that nobody else sees."""
        batches, size = [], 0
        for batch in reader:
            size += batch.nbytes
            self._check(batch, size)
            batches.append(batch)
            if size > SMALL:
                return self._spooled(batches, reader, size)
        return pa.Table.from_batches(batches, reader.schema)

    def _spooled(self, batches: list[Any], reader: Any, size: int) -> pa.Table:
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part") as file:
            with pa.OSFile(file.name, "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
                while batches:
                    writer.write_batch(batches.pop(0))
                for batch in reader:
                    size += batch.nbytes
                    self._check(batch, size)
                    require_room(Path(file.name).parent, self.limits.least_free)
                    writer.write_batch(batch)
            return pa.ipc.open_file(pa.memory_map(file.name)).read_all()

    def _check(self, batch: Any, size: int) -> None:
        most = self.limits.row
        if size > self.limits.result or (batch.nbytes > most and _largest_row(batch) > most):
            raise BigQueryError("responseTooLarge", _TOO_LARGE, "query", 403)


_TOO_LARGE = (
    "Response too large to return. Consider specifying a destination table in your job configuration. For more "
    "details, see https://cloud.google.com/bigquery/troubleshooting-errors"
)


def _largest_row(batch: Any) -> int:
    return max(int(batch.slice(number, 1).nbytes) for number in range(batch.num_rows))


def arrow_table(rows: list[list[Any]], columns: tuple[tuple[str, Type], ...]) -> pa.Table:
    """Plain rows as an Arrow table as DuckDB gives one."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [types.arrow_column(list(one), kind) for one, (_, kind) in zip(values, columns, strict=True)]
    return pa.table(arrays, names=[f"o{number}" for number in range(len(columns))])


def plain_rows(table: Any, columns: tuple[tuple[str, Type], ...]) -> list[list[Any]]:
    """The rows of an Arrow table in plain form."""
    plain = [types.plain_column(table.column(number), kind) for number, (_, kind) in enumerate(columns)]
    return [list(row) for row in zip(*plain, strict=True)]
