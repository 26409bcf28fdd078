"""Runs the statements of a script for the interpreter, each as a job of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from services.bigquery import cost, schema
from services.bigquery.clock import now_ms
from services.bigquery.compiler.definitions import CreateRoutine, describe
from services.bigquery.errors import BigQueryError
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job, Jobs, stopped
from services.bigquery.language import names
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.functions.routines import Function, Resource
from services.bigquery.queries import Answer
from services.bigquery.records import Path, Store, Transaction
from services.bigquery.scripts.interpreter import Step
from services.bigquery.types import Type


@dataclass(frozen=True)
class Means:
    """What a script's statements are run with.

    Attributes:
        store: The tables.
        analyzer: Of statements.
        jobs: Where the statements' jobs go; None to run them without.
        statement: Runs one statement; gets the step, its text, and the job for the statistics.
        scope: What a statement's names stand for.
        find: The full path of a name.
        seconds: How long a script may take.
    """

    store: Store
    analyzer: Analyzer
    jobs: Jobs | None
    statement: Callable[[Step | None, str, Job], Result | None]
    scope: Callable[[Transaction, str], Scope]
    find: Callable[[Transaction, Sequence[str]], Path]
    seconds: float


@dataclass
class ScriptHost:
    """The host of one script.

    Attributes:
        job: The script's.
        sql: The whole script.
        tx: Its open transaction.
        set_transaction: Tells the statements of it.
        set_system: Sets a system variable.
    """

    means: Means
    job: Job
    sql: str
    set_transaction: Callable[[Transaction | None], None]
    set_system: Callable[[str, tuple[Type, Any]], None] = lambda name, value: None
    tx: Transaction | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _transaction: str = ""

    def _check(self) -> None:
        """Ends a script that was cancelled, or that takes too long: each of its statements has a limit of its own."""
        if self.job.is_cancelled:
            raise stopped()
        most = self.means.seconds
        if now_ms() - int(self.job.statistics["startTime"]) > most * 1000:
            text = f"Operation timed out after {most:g} seconds. Consider reducing the amount of work performed by your"
            raise BigQueryError("timeout", f"{text} operation so that it can complete within this limit.", "query")

    def run(self, step: Step) -> Answer | None:
        """Runs a statement."""
        self._check()
        if step.kind in _CONTROL:
            self._control(step)
            return None
        result = self._child(step)
        return None if result is None else _answer(result)

    def evaluate(self, step: Step) -> Answer:
        """Answers a query that belongs to another statement."""
        self._check()
        scratch = Job(self.job.project, self.job.name, {"query": {}, "jobType": "QUERY"})
        scratch.statistics |= {"query": {}, "startTime": self.job.statistics["startTime"]}
        result = self.means.statement(step, step.sql, scratch)
        if result is None:
            raise BigQueryError("invalidQuery", "An expression of a script must be a query", "query")
        return _answer(result)

    def temporary_function(self, step: Step) -> Function:
        """The function of CREATE TEMP FUNCTION."""
        with self.means.store.transaction() as tx:
            scope = step.scope(self.means.scope(tx, step.sql))
        statement = step.sql.strip()
        return self.means.analyzer.function(statement, self._name(step, scope), scope)

    def _name(self, step: Step, scope: Scope) -> tuple[str, ...]:
        described = describe(self.means.analyzer.analyze(step.sql, scope))
        assert isinstance(described, CreateRoutine)
        return tuple(described.path)

    def procedure(self, path: Sequence[str]) -> Resource:
        """A procedure as REST has it."""
        with self.means.store.transaction() as tx:
            return tx.routine(self.means.find(tx, names.parts(path))).resource

    def close(self) -> None:
        """Rolls back what the script has not committed."""
        if self.tx is not None:
            self._rollback()

    def _control(self, step: Step) -> None:
        """Begins or ends a transaction: a job of its own, too."""

        def work(child: Job) -> None:
            child.statistics["query"] = {**cost.statistics(0, 0, 0), "statementType": _TYPES[step.kind]}
            if step.kind == "BeginStatement" and self.tx is None:
                self._transaction = uuid.uuid4().hex
            child.statistics["transactionInfo"] = {"transactionId": self._transaction}
            _CONTROL[step.kind](self)

        self._run_child(step, work)

    def _run_child(self, step: Step, work: Callable[[Job], Result | None]) -> Job:
        configuration = {"query": {"query": step.sql.strip(), "useLegacySql": False}, "jobType": "QUERY"}
        assert self.means.jobs is not None
        return self.means.jobs.run_child(self.job, configuration, work)

    def _child(self, step: Step) -> Result | None:
        kept = list[Result]()

        def work(child: Job) -> Result | None:
            child.statistics["query"] = cost.statistics(0, 0, 0)
            if self.tx is not None:
                child.statistics["transactionInfo"] = {"transactionId": self._transaction}
            result = self.means.statement(step, step.sql, child)
            kept.extend([result] if result is not None else [])
            return result

        done = self._run_child(step, work)
        about = done.statistics["query"]
        for name in ("dmlStats", "numDmlAffectedRows"):
            if name in about:
                self.job.statistics["query"][name] = about[name]
        if "numDmlAffectedRows" in about:
            self.set_system("row_count", (Type("INT64"), int(about["numDmlAffectedRows"])))
        return kept[0] if kept else None

    def _begin(self) -> None:
        if self.tx is not None:
            raise BigQueryError("invalidQuery", "Transaction is already active; nested transactions are not supported")
        writes = self._named()
        self._open = ExitStack()
        self.tx = self._open.enter_context(self.means.store.transaction(self.job.key, writes))
        self.set_transaction(self.tx)

    def _named(self) -> set[Path]:
        """The tables that the script names: all are locked, because its end is not known yet."""
        found = set()
        with self.means.store.transaction() as tx:
            for path in self.means.analyzer.table_paths(self.sql, is_script=True):
                try:
                    found.add(self.means.find(tx, names.parts(path)))
                except BigQueryError:  # a table that the script makes later
                    continue
        return found

    def _commit(self) -> None:
        self._end().close()

    def _rollback(self) -> None:
        try:
            with self._end():
                raise _RolledBack
        except _RolledBack:
            return

    def _end(self) -> ExitStack:
        if self.tx is None:
            raise BigQueryError("invalidQuery", "There is no active transaction to end", "query")
        self.tx = None
        self.set_transaction(None)
        return self._open.pop_all()


class _RolledBack(Exception):
    """Ends a transaction without its changes."""


def _answer(result: Result) -> Answer:
    return Answer(schema.columns_of(result.fields), result.table)


_TYPES = {
    "BeginStatement": "BEGIN_TRANSACTION",
    "CommitStatement": "COMMIT_TRANSACTION",
    "RollbackStatement": "ROLLBACK_TRANSACTION",
}
_CONTROL: dict[str, Callable[[ScriptHost], None]] = {
    "BeginStatement": ScriptHost._begin,
    "CommitStatement": ScriptHost._commit,
    "RollbackStatement": ScriptHost._rollback,
}
