"""Google's SQL module for tests: compiled once a checkout, which takes 25 s, and started once a process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import duckdb

from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import Pool
from services.bigquery.queries import Answer, Queries, Tables
from services.bigquery.types import Type
from tests.conftest import ROOT

MODULE_FOLDER = ROOT / ".venv/googlesql"


@cache
def pool() -> Pool:
    """The workers of this process."""
    return Pool(MODULE_FOLDER, seconds=600)  # the machine may be busy


@cache
def queries() -> Queries:
    """Analyzer and evaluator; the time stands still."""
    return Queries(Analyzer(pool()), Evaluator(pool()), now=lambda: 1_600_000_000_000_000)


class Database:
    """A DuckDB in memory whose tables lie in project `p`, dataset `d`."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        duck.prepare(self.connection)
        self.tables: dict[str, Table] = {}

    def add(self, name: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> None:
        """Makes table p.d.NAME; columns are names and GoogleSQL types without parts, rows plain values."""
        kinds = [(column, Type(types.BY_NAME[kind])) for column, kind in columns]
        path = ("p", "d", name)
        self.tables[name] = Table(path, ".".join(path), [Column(column, kind) for column, kind in kinds])
        self.connection.execute(
            f"CREATE TABLE {name} ({', '.join(f'{column} {kind.duckdb}' for column, kind in kinds)})"
        )
        for row in rows:
            literals = (types.literal(kind, value) for (_, kind), value in zip(kinds, row, strict=True))
            self.connection.execute(f"INSERT INTO {name} VALUES ({', '.join(literals)})")

    def scope(self, sql: str, parameters: Mapping[str, tuple[Type, Any]] | None = None) -> Scope:
        """What a statement names, and the types of its parameters."""
        paths = queries().analyzer.table_paths(sql)
        names = {".".join(path).split(".")[-1] for path in paths}
        named = {name: kind for name, (kind, _) in (parameters or {}).items()}
        return Scope(tables=[table for name, table in self.tables.items() if name in names], named=named)

    def behind(self) -> Tables:
        """The rows of all tables."""
        relations = {
            table.name: Relation(name, [column.name for column in table.columns]) for name, table in self.tables.items()
        }
        return Tables(relations, self._rows)

    def _rows(self, full_name: str) -> list[list[Any]]:
        name = full_name.split(".")[-1]
        found = self.connection.execute(f"SELECT * FROM {name}").to_arrow_table()
        columns = [
            types.plain_column(found.column(number), column.type)
            for number, column in enumerate(self.tables[name].columns)
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def answer(self, sql: str, parameters: Mapping[str, tuple[Type, Any]] | None = None) -> Answer:
        """Runs a query."""
        return queries().answer(self.connection, sql, self.scope(sql, parameters), self.behind(), parameters)

    def rest(self, sql: str, parameters: Mapping[str, tuple[Type, Any]] | None = None) -> list[list[Any]]:
        """The rows of a query as REST has them."""
        answer = self.answer(sql, parameters)
        kinds = [kind for _, kind in answer.columns]
        return [[types.to_rest(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in answer.rows]
