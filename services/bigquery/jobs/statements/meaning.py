"""What a statement means: the tables and routines that its names stand for, and Google's resolved tree."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.bigquery.compiler.statement import is_change
from services.bigquery.errors import BigQueryError
from services.bigquery.jobs import destinations, scripts
from services.bigquery.jobs.destinations import Destination
from services.bigquery.jobs.job import Job
from services.bigquery.jobs.statements import coercions, partition_filter
from services.bigquery.jobs.statements.statement import (
    Session,
    Statement,
    Text,
    changed_table,
    has_path,
    path_of,
    table_reference,
)
from services.bigquery.language import names, tree
from services.bigquery.language.analyzer import Scope, syntax_of
from services.bigquery.language.catalog import Table
from services.bigquery.language.pool import Pool
from services.bigquery.queries import Queries
from services.bigquery.records import Known, Path, Transaction

_TEMPORARY = 3
"""The module's number of CreateScope TEMP."""


@dataclass(frozen=True)
class Meaning:
    """Finds out what statements mean."""

    queries: Queries
    pool: Pool

    def analyze(
        self, tx: Transaction, session: Session, sql: str, job: Job, before: Statement | None = None
    ) -> Statement:
        """What a statement means.

        Args:
            tx: In which its names are looked up.
            session: What it shares with others.
            sql: The statement.
            job: Where the statistics go.
            before: What it meant in an earlier transaction.
        """
        text = before.text if before else self._read(sql)
        paths = [names.parts(path) for path in self._paths(tx, session, text)]
        known = self.know(tx, session, paths, text.routines)
        scope, given = _scope(session, sql, text, known), session.values
        if before is not None and before.known.scope == scope:
            statement = before.statement
        else:
            statement, scope, given = coercions.resolved(
                partial(self.queries.analyzer.analyze, sql), partial(syntax_of, self.pool, sql), scope, given
            )
        known = dataclasses.replace(known, scope=scope)
        one = Statement(sql, text, known, statement, given, job)
        written = changed_table(statement) if one.kind == "InsertStmt" else ""
        target = [path_of(changed_table(statement))] if is_change(statement) else []
        destinations.check_location(tx, session.job, [*known.referenced, *target])
        partition_filter.check(statement, known.tables_of, tx.table, written)
        about = job.statistics["query"]
        about["statementType"] = one.statement_type
        if known.referenced:
            about["referencedTables"] = [table_reference(path) for path in known.referenced]
        return one

    def _read(self, sql: str) -> Text:
        analyzer = self.queries.analyzer
        names_in_it = analyzer.table_paths(sql), analyzer.routine_paths(sql)
        return Text(*names_in_it, scripts.altered(self.pool, sql), scripts.loaded(self.pool, sql))

    def _paths(self, tx: Transaction, session: Session, text: Text) -> list[tuple[str, ...]]:
        """The tables that a statement names."""
        paths = list(text.tables)
        if target := text.altered:
            is_known = not target.is_if_exists or _exists(tx, self.locate(tx, session, target.path))
            paths += [target.path] if is_known else []
        if text.loaded and _exists(tx, self.locate(tx, session, text.loaded)):
            paths.append(text.loaded)
        return paths

    def know(
        self, tx: Transaction, session: Session, paths: list[tuple[str, ...]], routines: list[tuple[str, ...]]
    ) -> Known:
        """What the names stand for; those of temporary tables stand for these."""
        temporary = [path for path in paths if len(path) == 1 and path[0].lower() in session.temporary]
        others = [path for path in paths if path not in temporary]
        known = tx.know(others, session.project, session.dataset, routines)
        for path in temporary:
            full = session.temporary[path[0].lower()]
            own = tx.know([full], session.project, session.dataset)
            tables = [dataclasses.replace(table, path=path) for table in own.scope.tables]
            scope = dataclasses.replace(known.scope, tables=[*known.scope.tables, *tables])
            relations = {**known.tables.relations, **own.tables.relations}
            both = _both(known.tables.contents, own.tables.contents, set(own.tables.relations))
            known = dataclasses.replace(
                known,
                scope=scope,
                tables=dataclasses.replace(known.tables, relations=relations, contents=both),
                tables_of={**known.tables_of, **own.tables_of},
            )
        return known

    def destination(self, session: Session) -> Destination | None:
        """Where the job wants its query's rows; None for a result."""
        if session.job.statistics["query"].get("statementType") == "SCRIPT":
            return None
        given = session.configuration.get("destinationTable")
        if not given or not given.get("tableId"):
            return None
        return destinations.read(session.configuration, session.job.project, "WRITE_EMPTY")

    def writes(self, tx: Transaction, session: Session, one: Statement) -> list[Path]:
        """The tables that a statement changes."""
        if one.kind == "QueryStmt":
            to = self.destination(session)
            return [to.path] if to else []
        if is_change(one.statement):
            node = tree.node(one.statement)
            return [path_of(node.table_scan.table.name)]
        path = tree.get(tree.node(one.statement), "name_path") if has_path(one.statement) else ()
        is_schema = "Schema" in one.kind or one.statement_type == "DROP_SCHEMA"
        if is_schema or one.kind in ("GrantStmt", "RevokeStmt") or not path:
            return []
        if "CreateTable" in one.kind and tree.get(tree.node(one.statement), "create_scope") == _TEMPORARY:
            return [self.temporary(session, path[-1])]
        return [self.locate(tx, session, tuple(path))]

    def locate(self, tx: Transaction, session: Session, path: tuple[str, ...]) -> Path:
        """The full path of a name in a statement."""
        parts = names.parts(path)
        if len(parts) == 1 and parts[0].lower() in session.temporary:
            return session.temporary[parts[0].lower()]
        return tx.find(parts, session.project, session.dataset)

    def locate_dataset(self, session: Session, path: tuple[str, ...]) -> tuple[str, str]:
        """The full path of a dataset's name in a statement."""
        parts = names.parts(path)
        return (session.project, parts[0]) if len(parts) == 1 else (parts[0], parts[1])

    def temporary(self, session: Session, name: str) -> Path:
        """Where a temporary table is.

        Raises:
            BigQueryError: The statement is no part of a script.
        """
        if session.job.statistics["query"].get("statementType") != "SCRIPT":
            raise BigQueryError("invalidQuery", "Use of CREATE TEMPORARY TABLE requires a script or session", "query")
        return session.job.project, f"_script{session.job.name.replace('-', '_')}", name


def _scope(session: Session, sql: str, text: Text, known: Known) -> Scope:
    """All that a statement may refer to: what its names stand for, variables and parameters."""
    scope = session.step.scope(known.scope) if session.step else known.scope
    if text.loaded and all(text.loaded != table.path for table in scope.tables):
        # The analyzer wants to know the table that LOAD DATA may make
        scope = dataclasses.replace(scope, tables=[*scope.tables, Table(text.loaded, ".".join(text.loaded), ())])
    positional = tuple(kind for kind, _ in session.values.positional)
    named = {name: kind for name, (kind, _) in session.values.named.items()}
    # The evaluator knows no system variables, and a query without them needs none
    system = scope.system if "@@" in sql else {}
    return dataclasses.replace(scope, named=named, positional=positional, system=system)


def _exists(tx: Transaction, path: Path) -> bool:
    try:
        tx.table(path)
    except BigQueryError:
        return False
    return True


def _both(first: Any, second: Any, of_second: set[str]) -> Any:
    return lambda name: second(name) if name in of_second else first(name)
