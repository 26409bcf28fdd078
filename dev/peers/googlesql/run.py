"""Runs one file of Google's compliance tests through analyzer, compiler, DuckDB and evaluator, without a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dev.peers.googlesql.comparison import is_same, is_same_type
from dev.peers.googlesql.outside import FEATURES, WORDS, is_outside
from dev.peers.googlesql.readers import Case, Reader, Unreadable, cases
from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.compiler.statement import compile_change
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language import values
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.tree import get, node
from services.bigquery.queries import Queries, Tables, plain_rows
from services.bigquery.types import Type

_CREATE = re.compile(r"(?is)\s*CREATE\s+(?:TEMP\s+)?(TABLE|VIEW|\w+)\s+(?:FUNCTION\s+)?([\w.`]+)")
_CHANGE = re.compile(r"(?i)\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b")


@dataclass
class Outcome:
    """What became of a case.

    Attributes:
        verdict: `right`, `wrong`, `wrong type`, `accepted` (Google refuses it), `refused` or `outside`.
        by: `duckdb` or `evaluator`.
        got: The answer or the refusal, if it is not right.
    """

    file: str
    name: str
    sql: str
    wanted: str
    verdict: str = "outside"
    by: str = ""
    got: str = ""


@dataclass
class _Database:
    """The tables of one file."""

    connection: Any = field(default_factory=duckdb.connect)
    tables: dict[str, Table] = field(default_factory=dict)
    rows: dict[str, list[list[Any]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Tables that could not be made, with the reason; empty for those that BigQuery could not have."""

    def scope(self, sql: str) -> Scope:
        """The tables that a statement names."""
        words = set(re.findall(r"\w+", sql.lower()))
        return Scope(tables=[table for name, table in self.tables.items() if name.lower() in words])

    def behind(self) -> Tables:
        """Their rows."""
        relations = {
            name: Relation(f'"{name}"', [f"o{number}" for number in range(len(table.columns))])
            for name, table in self.tables.items()
        }
        return Tables(relations, self.rows.__getitem__)

    def add(self, name: str, columns: Sequence[tuple[str, Type]], rows: list[list[Any]]) -> None:
        """Makes a table."""
        self.tables[name] = Table((name,), name, [Column(*column) for column in columns])
        self.rows[name] = rows
        declared = ", ".join(f"o{number} {kind.duckdb}" for number, (_, kind) in enumerate(columns))
        self.connection.execute(f'CREATE OR REPLACE TABLE "{name}" ({declared})')
        for row in rows:
            pairs = zip(columns, row, strict=True)
            literals = ", ".join(types.literal(kind, value) for (_, kind), value in pairs)
            self.connection.execute(f'INSERT INTO "{name}" SELECT {literals}')


def run_file(file: Path, queries: Queries) -> list[Outcome]:
    """The outcomes of a file's cases."""
    database = _Database()
    duck.prepare(database.connection)
    outcomes = []
    for case in cases(file):
        if "prepare_database" in case.options:
            _prepare(database, case, queries)
            continue
        outcome = Outcome(file.stem, case.name, case.sql, case.wanted)
        outcomes.append(outcome)
        used = [why for name, why in database.missing.items() if re.search(rf"(?i)\b{re.escape(name)}\b", case.sql)]
        if is_outside(file, case) or "" in used:
            continue
        if used:
            outcome.verdict, outcome.got = "refused", used[0]
            continue
        try:
            _judge(database, case, outcome, queries)
        except Unreadable as error:
            outcome.verdict, outcome.got = "outside", str(error)
        except Exception as error:  # a fault of the compiler is a finding, not the end of the run
            outcome.verdict, outcome.got = "crash", f"{type(error).__name__}: {error}"
    database.connection.close()
    return outcomes


def _prepare(database: _Database, case: Case, queries: Queries) -> None:
    found = _CREATE.match(case.sql)
    name = found[2].strip("`") if found else "?"
    is_table = found is not None and found[1].upper() == "TABLE"
    foreign = WORDS.search(case.sql) or re.search(r"\b(INT32|PROTO|ENUM|UINT)", case.wanted)
    if foreign or not is_table or _outside_features(case):
        database.missing[name] = ""
        return
    try:
        statement = node(queries.analyzer.analyze(case.sql, database.scope(case.sql)))
        outputs = [(item.name, values.type_of(item.column.type)) for item in get(statement, "output_column_list")]
        query = re.sub(r"(?is)^\s*CREATE\s+TABLE.*?\bAS\b\s*", "", case.sql, count=1)
        answer = queries.answer(database.connection, query, database.scope(query), database.behind())
        database.add(name, outputs, answer.rows)
    except (BigQueryError, duckdb.Error) as error:
        database.missing[name] = f"table {name}: {error}"


def _outside_features(case: Case) -> bool:
    return bool(case.features - FEATURES)


def _judge(database: _Database, case: Case, outcome: Outcome, queries: Queries) -> None:
    is_error, sql = case.wanted.startswith("ERROR"), case.sql.rstrip(";\n ")
    is_change = bool(_CHANGE.match(sql))
    count, kind, wanted = -1, Type("?"), None
    if not is_error:
        count, kind, wanted = Reader(case.wanted).change() if is_change else (-1, *Reader(case.wanted).result())
        _check_readable(kind)
    try:
        if is_change:
            changed, columns, rows = _changed(database, sql, queries)
            outcome.by = "duckdb"
        else:
            answer = queries.answer(database.connection, sql, database.scope(sql), database.behind())
            changed, columns, rows = -1, [one for _, one in answer.columns], answer.rows
            outcome.by = "evaluator" if answer.reason else "duckdb"
    except NotBuilt as error:
        outcome.verdict, outcome.got = "refused", str(error)
        return
    except BigQueryError as error:
        outcome.verdict, outcome.got = "right" if is_error else "refused", str(error)
        return
    if is_error:
        outcome.verdict, outcome.got = "accepted", str(rows)[:300]
        return
    _compare(outcome, kind, wanted, columns, rows)
    if changed != count and outcome.verdict == "right":
        outcome.verdict, outcome.got = "wrong", f"{changed} rows changed, not {count}"


def _check_readable(kind: Type) -> None:
    if kind.kind != "ARRAY" or kind.part.kind != "STRUCT":
        raise Unreadable("value table")
    names = [name.lower() for name, _ in kind.part.fields if name]
    if len(names) != len(set(names)):
        raise Unreadable("two columns of one name")


def _compare(outcome: Outcome, kind: Type, wanted: Any, columns: Sequence[Type], rows: list[list[Any]]) -> None:
    if len(columns) != len(kind.part.fields):
        outcome.verdict, outcome.got = "wrong", f"{len(columns)} columns"
        return
    got = [{f"f{number}": value for number, value in enumerate(row)} for row in rows]
    types_differ = [
        f"{column} for {one}"
        for (_, one), column in zip(kind.part.fields, columns, strict=True)
        if not is_same_type(one, column)
    ]
    compared = Type("ARRAY", Type("STRUCT", fields=tuple(("", column) for column in columns)))
    if types_differ:
        outcome.verdict, outcome.got = "wrong type", "; ".join(types_differ)
    elif is_same(compared, wanted, got):
        outcome.verdict = "right"
    else:
        outcome.verdict, outcome.got = "wrong", str(rows)[:700]


def _changed(database: _Database, sql: str, queries: Queries) -> tuple[int, list[Type], list[list[Any]]]:
    """Rows changed, and the table's types and rows afterwards; the change is rolled back."""
    scope, tables, connection = database.scope(sql), database.behind(), database.connection
    change = compile_change(queries.analyzer.analyze(sql, scope), tables.relations, queries.now())
    duck.register_scalars(connection, change.scalars, queries.evaluator)
    connection.execute("BEGIN")
    try:
        if change.check:
            connection.execute(change.check).fetchall()
        count = connection.execute(change.sql).fetchone()[0]
        columns = [column.type for column in database.tables[change.table].columns]
        after = connection.execute(f'SELECT * FROM "{change.table}"').to_arrow_table()
        return count, columns, plain_rows(after, tuple(("", kind) for kind in columns))
    except duckdb.Error as error:
        if duck.is_our_fault(error):
            raise NotBuilt(f"this change on DuckDB ({str(error).splitlines()[0][:200]})") from error
        raise duck.as_error(error) from error
    finally:
        connection.execute("ROLLBACK")
