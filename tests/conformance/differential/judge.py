"""Runs a query both ways, compiled on DuckDB and by Google's evaluator, and compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dev.peers.googlesql.comparison import is_same
from dev.peers.googlesql.readers import Unordered
from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.compiler.statement import Query, compile_query
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import Pool
from services.bigquery.queries import plain_rows
from services.bigquery.types import Type

Rows = list[list[Any]]
SAME, BOTH_FAIL, WRONG, ACCEPTED, LOUD, REFUSED = "same", "both fail", "wrong", "accepted", "loud", "refused"
"""Accepted: Google's evaluator has an error, DuckDB a value. Loud: DuckDB has an error, Google a value."""


PATIENCE = 3600
"""Seconds for one call of the module: no query of the comparison is endless, and the machine may be busy."""


class Failure(str):
    """An error in place of a value."""


@dataclass
class Difference:
    """Where the two differ.

    Attributes:
        verdict: WRONG, ACCEPTED or LOUD.
        text: What was asked, and both answers.
    """

    verdict: str
    text: str


class Judge:
    """Both sides, with one table `t` at a time."""

    def __init__(self, folder: Path) -> None:
        self.pool = Pool(folder, seconds=PATIENCE)
        self.analyzer, self.evaluator = Analyzer(self.pool), Evaluator(self.pool)
        self.connection = duckdb.connect()
        duck.prepare(self.connection)
        self.columns: list[tuple[str, Type]] = []
        self.rows: Rows = []

    def fill(self, columns: Sequence[tuple[str, Type]], rows: Rows) -> None:
        """Puts rows of plain values into `t`."""
        self.columns, self.rows = list(columns), rows
        declared = ", ".join(f"{name} {kind.duckdb}" for name, kind in columns)
        self.connection.execute(f"CREATE OR REPLACE TABLE t ({declared})")
        for start in range(0, len(rows), 100):
            literals = ", ".join(self._row(row) for row in rows[start : start + 100])
            self.connection.execute(f"INSERT INTO t VALUES {literals}")

    def _row(self, row: Sequence[Any]) -> str:
        pairs = zip(self.columns, row, strict=True)
        return f"({', '.join(types.literal(kind, value) for (_, kind), value in pairs)})"

    def scope(self) -> Scope:
        """The scope of a query over `t`."""
        table = Table(("t",), "t", [Column(name, kind) for name, kind in self.columns])
        return Scope(tables=[table], is_judge=True)

    def compile(self, sql: str) -> Query:
        """Compiles a query over `t`.

        Raises:
            BigQueryError: It cannot be analyzed.
            NotBuilt: It cannot be compiled.
        """
        relation = Relation("t", [name for name, _ in self.columns])
        return compile_query(self.analyzer.analyze(sql, self.scope()), {"t": relation}, now=0)

    def google(self, sql: str, kinds: Sequence[Type]) -> Rows | Failure:
        """The evaluator's rows.

        Raises:
            NotBuilt: It lacks something.
        BigQueryError: It took too long.
        """
        try:
            return self.evaluator.query(sql, self.scope(), {"t": self.rows}, kinds, seconds=PATIENCE)
        except NotBuilt:
            raise
        except BigQueryError as error:
            if error.reason == "timeout":
                raise
            return Failure(error.message)

    def ours(self, query: Query, where: str = "") -> Rows | Failure:
        """DuckDB's rows of a compiled query, or of its rows that fit a condition on o0."""
        duck.register_scalars(self.connection, query.scalars, self.evaluator)
        try:
            table = self.connection.execute(query.sql + where).to_arrow_table()
        except duckdb.Error as error:
            return Failure(str(error).splitlines()[0])
        return plain_rows(table, query.columns)

    def whole(self, sql: str, is_ordered: bool) -> tuple[str, str]:
        """Compares a whole query; returns a verdict and what differs."""
        try:
            query = self.compile(sql)
            kinds = [kind for _, kind in query.columns]
            wanted = self.google(sql, kinds)
        except (NotBuilt, BigQueryError) as error:
            return REFUSED, str(error)
        got = self.ours(query)
        if isinstance(wanted, Failure) or isinstance(got, Failure):
            return _of_failures(wanted, got), f"{sql}\n  Google {str(wanted)[:300]}\n  DuckDB {str(got)[:300]}"
        if same_rows(kinds, wanted, got, is_ordered):
            return SAME, ""
        return WRONG, f"{sql}\n  Google {wanted[:5]}\n  DuckDB {got[:5]}"


def _of_failures(wanted: Rows | Failure, got: Rows | Failure) -> str:
    if isinstance(wanted, Failure) and isinstance(got, Failure):
        return BOTH_FAIL
    return ACCEPTED if isinstance(wanted, Failure) else LOUD


def same_rows(kinds: Sequence[Type], wanted: Rows, got: Rows, is_ordered: bool) -> bool:
    """Whether rows are the same, in order or in any."""
    row = Type("STRUCT", fields=tuple(("", kind) for kind in kinds))
    items = [_as_struct(values) for values in wanted]
    return is_same(
        Type("ARRAY", row), items if is_ordered else Unordered(items), [_as_struct(values) for values in got]
    )


def _as_struct(values: Sequence[Any]) -> dict[str, Any]:
    return {f"f{number}": value for number, value in enumerate(values)}
