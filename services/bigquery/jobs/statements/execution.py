"""Carries out a statement in a transaction: queries, changes, definitions and all others, with their statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from services.bigquery import cost, schema
from services.bigquery.clock import now_ms
from services.bigquery.compiler import definitions as asked
from services.bigquery.compiler.signatures.connection import as_error, is_our_fault, register_scalars
from services.bigquery.compiler.signatures.null_elements import checked_rows
from services.bigquery.compiler.statement import (
    compile_change,
    compile_query,
    compile_values,
    is_change,
    output_columns,
)
from services.bigquery.errors import NotBuilt
from services.bigquery.jobs import destinations
from services.bigquery.jobs.definitions import Maker
from services.bigquery.jobs.external import create_external
from services.bigquery.jobs.extract import ExtractRunner
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job
from services.bigquery.jobs.load import LoadRunner
from services.bigquery.jobs.statements import assertion, export_data, grants, load_data, options
from services.bigquery.jobs.statements.meaning import Meaning
from services.bigquery.jobs.statements.statement import Session, Statement, changed_table, path_of, table_reference
from services.bigquery.language import tree
from services.bigquery.queries import Answer, plain_rows
from services.bigquery.records import Path, Transaction
from services.bigquery.scripts.syntax import parse
from services.bigquery.types import Type

_COUNTS = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}
_COUNTS |= {"TRUNCATE_TABLE": "deletedRowCount"}
_TARGETS = {"table": ("ddlTargetTable", "tableId"), "routine": ("ddlTargetRoutine", "routineId")}


@dataclass
class Execution:
    """Carries out statements."""

    meaning: Meaning
    loads: LoadRunner
    extracts: ExtractRunner

    def count(self, tx: Transaction, one: Statement, is_dry: bool = False) -> None:
        """Puts into the statistics what a statement reads."""
        read: dict[Path, set[str] | None] = {}
        target = changed_table(one.statement)
        for name, columns in cost.columns_read(one.statement).items():
            for path in one.known.tables_of.get(name, ()):
                read[path] = columns
        if target and one.kind == "InsertStmt":
            read = {path: columns for path, columns in read.items() if ".".join(path) != target}
        elif target:  # all columns of what is changed count
            read |= dict.fromkeys(one.known.tables_of.get(target, ()))
        for path, inner in one.known.read_by_views:
            known = read.get(path, set())
            read[path] = None if known is None else known | inner
        processed = sum(tx.size(path, columns).bytes for path, columns in read.items())
        spent = None if is_dry else now_ms() - int(one.job.statistics["startTime"])
        one.job.statistics["query"] |= cost.statistics(processed, len(read), spent)

    def check(self, one: Statement) -> None:
        """A dry run of a statement that is no query: whether it can be compiled."""
        if is_change(one.statement):
            compile_change(
                one.statement, one.known.tables.relations, self.meaning.queries.now(), one.parameters, one.known.scope
            )
        elif one.kind == "CreateTableAsSelectStmt":
            one.describe(schema.result_fields(output_columns(one.statement)))

    def select(self, tx: Transaction, one: Statement, is_dry: bool) -> Result | None:
        """The rows of a query; of a dry run only their schema."""
        columns = output_columns(one.statement)
        fields = schema.result_fields(columns)
        if is_dry:
            one.describe(fields)
            self.count(tx, one, is_dry)
            return None
        known = one.known
        answer = self.meaning.queries.answer(
            tx.connection, one.sql, known.scope, known.tables, one.parameters, statement=one.statement
        )
        if "query" in one.job.configuration["query"]:
            # Otherwise the value belongs to a statement, such as SET, which may use such arrays
            _refuse_null_elements(tx, answer)
        self.set_destination(one.job)
        self.count(tx, one)
        return Result(fields, answer.table)

    def set_destination(self, job: Job) -> None:
        """Names the anonymous table that stands for the result."""
        if "destinationTable" not in job.configuration["query"]:
            path = destinations.anonymous(job)
            job.configuration["query"] |= {"destinationTable": table_reference(path)}
            job.configuration["query"] |= {
                "createDisposition": "CREATE_IF_NEEDED",
                "writeDisposition": "WRITE_TRUNCATE",
            }

    def execute(self, tx: Transaction, session: Session, one: Statement) -> Result | None:
        """Carries out a statement of any kind.

        Raises:
            BigQueryError: The statement's error.
            NotBuilt: DuckDB cannot run what was compiled.
        """
        if one.kind in ("QueryStmt", "CreateTableAsSelectStmt") or is_change(one.statement):
            self.count(tx, one)
        try:
            if one.kind == "QueryStmt":
                return self._select_into(tx, session, one)
            if is_change(one.statement):
                self._change(tx, one)
                return None
            constant = options.with_constants(one.statement, lambda expressions: self._values(tx, one, expressions))
            one = dataclasses.replace(one, statement=constant)
            if one.kind == "CreateExternalTableStmt":
                path = self.meaning.locate(tx, session, tuple(tree.get(tree.node(one.statement), "name_path")))
                self._note(one, "table", path, create_external(tx, path, one.statement, self.loads.bucket))
                return None
            if one.kind in _OTHERS:
                _OTHERS[one.kind](self, tx, session, one)
                return None
            return self._define(tx, session, one)
        except duckdb.Error as error:
            if is_our_fault(error):
                raise NotBuilt(f"this statement on DuckDB ({str(error).splitlines()[0][:200]})") from error
            raise as_error(error) from error

    def _values(self, tx: Transaction, one: Statement, expressions: Sequence[Any]) -> list[tuple[Type, Any]]:
        """Types and plain values of expressions in a statement."""
        query = compile_values(expressions, self.meaning.queries.now(), one.parameters, one.known.scope)
        register_scalars(tx.connection, query.scalars, self.meaning.queries.evaluator)
        table = tx.connection.execute(query.sql).to_arrow_table()
        kinds = [kind for _, kind in query.columns]
        return list(zip(kinds, plain_rows(table, query.columns)[0], strict=True))

    def _rows(self, tx: Transaction, one: Statement) -> str:
        """DuckDB SQL of the rows of a query or of CREATE TABLE AS, with columns o0, o1, ..."""
        try:
            query = compile_query(
                one.statement, one.known.tables.relations, self.meaning.queries.now(), one.parameters, one.known.scope
            )
        except NotBuilt:
            return self._evaluated(tx, one)
        register_scalars(tx.connection, query.scalars, self.meaning.queries.evaluator)
        return checked_rows(query.sql, query.columns)

    def _evaluated(self, tx: Transaction, one: Statement) -> str:
        """The rows of a query that DuckDB cannot answer, as a relation of the connection."""
        if one.kind != "QueryStmt":
            raise NotBuilt("this query in CREATE TABLE AS; give the query itself a destination table")
        known = one.known
        answer = self.meaning.queries.answer(
            tx.connection, one.sql, known.scope, known.tables, one.parameters, statement=one.statement
        )
        tx.connection.register("evaluated", answer.table)
        return checked_rows("SELECT * FROM evaluated", answer.columns)

    def _select_into(self, tx: Transaction, session: Session, one: Statement) -> Result | None:
        to = self.meaning.destination(session)
        if to is None:
            return self.select(tx, one, False)
        fields = schema.result_fields(output_columns(one.statement))
        destinations.write(tx, to, fields, self._rows(tx, one))
        one.job.statistics["query"]["schema"] = {"fields": fields}
        return None

    def _change(self, tx: Transaction, one: Statement) -> None:
        change = compile_change(
            one.statement, one.known.tables.relations, self.meaning.queries.now(), one.parameters, one.known.scope
        )
        register_scalars(tx.connection, change.scalars, self.meaning.queries.evaluator)
        if change.check:
            tx.connection.execute(change.check).fetchall()
        stats = _carried_out(tx, one.statement_type, change.sql)
        tx.touch(path_of(change.table))
        about = one.job.statistics["query"]
        about["numDmlAffectedRows"] = str(sum(stats.values()))
        about["dmlStats"] = {name: str(count) for name, count in stats.items()}

    def _assert(self, tx: Transaction, session: Session, one: Statement) -> None:
        assertion.check(
            one.statement, parse(self.meaning.pool, one.sql), lambda sql: self._inner(tx, session, one, sql)
        )

    def _export(self, tx: Transaction, session: Session, one: Statement) -> None:
        def answer(sql: str) -> Result:
            return self._inner(tx, session, one, sql)

        about = one.job.statistics["query"]
        about |= export_data.export(one.statement, parse(self.meaning.pool, one.sql), answer, self.extracts)

    def _load(self, tx: Transaction, session: Session, one: Statement) -> None:
        definition = asked.load_data(tree.node(one.statement))
        configuration = load_data.configuration(definition, self.meaning.locate(tx, session, definition.path))
        self.loads.load_data(tx, one.job, configuration)
        one.job.statistics["query"]["loadQueryStatistics"] = one.job.statistics.pop("load")

    def _grant(self, tx: Transaction, session: Session, one: Statement) -> None:
        def locate(path: tuple[str, ...]) -> Path:
            return self.meaning.locate(tx, session, path)

        grants.carry_out(tx, one.statement, locate, lambda path: self.meaning.locate_dataset(session, path))

    def _inner(self, tx: Transaction, session: Session, one: Statement, sql: str) -> Result:
        """The result of a query that is a part of a statement."""
        scratch = Job(one.job.project, one.job.name, {"query": {}, "jobType": "QUERY"})
        scratch.statistics |= {"query": {}, "startTime": one.job.statistics["startTime"]}
        result = self.select(tx, self.meaning.analyze(tx, session, sql, scratch), False)
        assert result is not None
        names = ("totalBytesProcessed", "totalBytesBilled", "totalSlotMs", "referencedTables")
        about = scratch.statistics["query"]
        one.job.statistics["query"] |= {name: about[name] for name in names if name in about}
        return result

    def _define(self, tx: Transaction, session: Session, one: Statement) -> Result | None:
        definition = asked.describe(one.statement)
        if isinstance(definition, asked.CreateTable) and definition.is_temporary:
            hidden = self.meaning.temporary(session, definition.path[-1])
            destinations.ensure_hidden(tx, hidden)
            session.temporary[definition.path[-1].lower()] = hidden
        maker = Maker(
            tx,
            lambda path: self.meaning.locate(tx, session, path),
            lambda path: self.meaning.locate_dataset(session, path),
            lambda: self._rows(tx, one),
        )
        done = maker.carry_out(definition)
        self._note(one, done.kind, done.path, done.operation)
        if isinstance(definition, asked.CreateTable) and definition.has_query and one.job.parent == "":
            one.job.configuration["query"] |= {"destinationTable": table_reference(done.path)}
            one.describe(schema.result_fields(output_columns(one.statement)))
        return None

    def _note(self, one: Statement, kind: str, path: tuple[str, ...], operation: str) -> None:
        """The target of a definition in the statistics."""
        about = one.job.statistics["query"]
        about["ddlOperationPerformed"] = operation
        if kind == "dataset":
            about["ddlTargetDataset"] = {"projectId": path[0], "datasetId": path[-1]}
        elif len(path) == 3:
            name, last = _TARGETS[kind]
            about[name] = {"projectId": path[0], "datasetId": path[1], last: path[2]}


_OTHERS: Mapping[str, Callable[[Execution, Transaction, Session, Statement], None]] = {
    "AssertStmt": Execution._assert,
    "ExportDataStmt": Execution._export,
    "AuxLoadDataStmt": Execution._load,
    "GrantStmt": Execution._grant,
    "RevokeStmt": Execution._grant,
}


def _carried_out(tx: Transaction, kind: str, sql: str) -> dict[str, int]:
    """Runs a change; answers how many rows it inserted, updated and deleted, as REST calls them."""
    if kind != "MERGE":
        found = tx.connection.execute(sql).fetchall()
        return {_COUNTS[kind]: int(found[0][0]) if found else 0}
    counts = dict.fromkeys(("insertedRowCount", "deletedRowCount", "updatedRowCount"), 0)
    for batch in tx.connection.execute(f"{sql} RETURNING merge_action").to_arrow_reader():
        for one in batch.column(0).value_counts().to_pylist():
            counts[_COUNTS[one["values"]]] += one["counts"]
    return counts


def _refuse_null_elements(tx: Transaction, answer: Answer) -> None:
    """Fails where the answer has an array with NULL in it."""
    if (rows := checked_rows("SELECT * FROM answer", answer.columns)) != "SELECT * FROM answer":
        tx.connection.register("answer", answer.table)
        try:
            tx.connection.execute(f"SELECT count(*) FROM ({rows}) AS checked WHERE hash(checked) = 0").fetchall()
        except duckdb.Error as error:
            raise as_error(error) from error
        finally:
            tx.connection.unregister("answer")
