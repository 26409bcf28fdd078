"""Query jobs: a statement or a script, from text to a result and its statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb

from services.bigquery import cost, schema
from services.bigquery.clock import now_ms
from services.bigquery.compiler import definitions as asked
from services.bigquery.compiler.signatures.connection import as_error, is_our_fault, register_scalars
from services.bigquery.compiler.signatures.null_elements import checked_rows
from services.bigquery.compiler.statement import compile_change, compile_query, is_change, output_columns
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs import destinations, parameters, scripts
from services.bigquery.jobs.definitions import Maker
from services.bigquery.jobs.destinations import Destination
from services.bigquery.jobs.external import create_external
from services.bigquery.jobs.extract import ExtractRunner
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job, Jobs
from services.bigquery.jobs.load import LoadRunner
from services.bigquery.jobs.parameters import Parameters
from services.bigquery.jobs.script_host import Means, ScriptHost
from services.bigquery.jobs.statements import assertion, export_data, grants, load_data, partition_filter, sessions
from services.bigquery.language import names, tree
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Table
from services.bigquery.language.pool import Pool
from services.bigquery.queries import Answer, Queries
from services.bigquery.records import Known, Path, Store, Transaction
from services.bigquery.scripts.interpreter import Interpreter, Step
from services.bigquery.scripts.syntax import Parsed, parse
from services.bigquery.types import Type

SCRIPT = 10
"""How many times as long as a statement a script may take."""
_TYPES = {
    "QueryStmt": "SELECT",
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "MergeStmt": "MERGE",
    "TruncateStmt": "TRUNCATE_TABLE",
    "CreateTableStmt": "CREATE_TABLE",
    "CreateTableAsSelectStmt": "CREATE_TABLE_AS_SELECT",
    "CreateViewStmt": "CREATE_VIEW",
    "CreateMaterializedViewStmt": "CREATE_MATERIALIZED_VIEW",
    "CreateExternalTableStmt": "CREATE_EXTERNAL_TABLE",
    "CreateSchemaStmt": "CREATE_SCHEMA",
    "CreateFunctionStmt": "CREATE_FUNCTION",
    "CreateTableFunctionStmt": "CREATE_TABLE_FUNCTION",
    "CreateProcedureStmt": "CREATE_PROCEDURE",
    "DropMaterializedViewStmt": "DROP_MATERIALIZED_VIEW",
    "DropFunctionStmt": "DROP_FUNCTION",
    "DropTableFunctionStmt": "DROP_TABLE_FUNCTION",
    "DropSnapshotTableStmt": "DROP_SNAPSHOT_TABLE",
    "AlterTableStmt": "ALTER_TABLE",
    "AlterTableSetOptionsStmt": "ALTER_TABLE",
    "AlterViewStmt": "ALTER_VIEW",
    "AlterMaterializedViewStmt": "ALTER_MATERIALIZED_VIEW",
    "AlterSchemaStmt": "ALTER_SCHEMA",
    "AssertStmt": "ASSERT",
    "ExportDataStmt": "EXPORT_DATA",
    "AuxLoadDataStmt": "LOAD_DATA",
}
_COUNTS = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}
_COUNTS |= {"TRUNCATE_TABLE": "deletedRowCount"}
_TARGETS = {"table": ("ddlTargetTable", "tableId"), "routine": ("ddlTargetRoutine", "routineId")}


@dataclass
class Session:
    """What the statements of one job share.

    Attributes:
        job: The job.
        project: In which names without a project are.
        dataset: In which names without a dataset are; may be empty.
        parameters: Of the query.
        temporary: The paths of temporary tables, by their names in lower case.
        most_seconds: The server's limit of a statement.
        tx: The script's open transaction.
        step: The script's statement that is being run.
    """

    job: Job
    project: str
    dataset: str
    parameters: Parameters
    temporary: dict[str, Path] = field(default_factory=dict)
    most_seconds: float = 360
    tx: Transaction | None = None
    step: Step | None = None

    @property
    def values(self) -> Parameters:
        """The parameters of the statement that is being run."""
        if self.step is None or self.step.parameters is None:
            return self.parameters
        given = self.step.parameters
        if "1" in given:
            return Parameters(positional=tuple(given.values()))
        return Parameters(named=given)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The job's configuration of the query."""
        found: Mapping[str, Any] = self.job.configuration["query"]
        return found

    @property
    def seconds(self) -> float:
        """How long a statement may take."""
        most = self.most_seconds
        return min(float(self.job.configuration.get("jobTimeoutMs") or most * 1000) / 1000, most)

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be run."""
        return bool(self.job.configuration.get("dryRun"))


@dataclass(frozen=True)
class State:
    """What a script's statements share; in a session, also those of further jobs."""

    session: Session
    host: ScriptHost
    interpreter: Interpreter


@dataclass
class QueryRunner:
    """Runs query jobs."""

    store: Store
    queries: Queries
    pool: Pool
    loads: LoadRunner
    extracts: ExtractRunner
    jobs: Jobs | None = None

    def __post_init__(self) -> None:
        """Begins without sessions."""
        self.sessions = sessions.Sessions(self._end)

    def __call__(self, job: Job) -> Result | None:
        """Runs a job; fills its statistics.

        Raises:
            BigQueryError: The query's error.
        """
        configuration = job.configuration["query"]
        sql = configuration.get("query")
        if not isinstance(sql, str) or not sql.strip():
            raise BigQueryError("required", "Required parameter is missing: query", "query")
        if configuration.get("useLegacySql") is True:
            raise NotBuilt("legacy SQL; set useLegacySql to false")
        default = configuration.get("defaultDataset") or {}
        project = default.get("projectId") or job.project
        session = Session(
            job,
            project,
            default.get("datasetId") or "",
            parameters.read(configuration),
            most_seconds=self.queries.limits.seconds,
        )
        job.statistics["query"] = cost.statistics(0, 0, None if session.is_dry else 0)
        result = self._run(session, sql)
        about = job.statistics["query"]
        # REST has these twice
        job.statistics |= {name: about[name] for name in ("totalBytesProcessed", "totalSlotMs") if name in about}
        return result

    def _run(self, session: Session, sql: str) -> Result | None:
        job = session.job
        if (kept := self.sessions.of(job)) is not None:
            job.statistics["sessionInfo"] = {"sessionId": kept.name}
            with self.sessions.turn(kept, job):
                return self._in_session(kept, session, sql)
        if scripts.is_script(sql) and (script := parse(self.pool, sql)).is_script:
            job.statistics["query"]["statementType"] = "SCRIPT"
            if session.is_dry:
                return None
            state = self._state(session)
            try:
                return self._script(state, script, sql)
            finally:
                self._end(state)
        return self.statement(session, sql, job)

    def _in_session(self, kept: sessions.Kept, session: Session, sql: str) -> Result | None:
        """Runs a job of a session: always as a script, which goes on with the variables of the one before."""
        if session.is_dry:
            raise NotBuilt("a dry run in a session")
        if name := sessions.aborted(sql, kept):
            self.sessions.end(name)
            return None
        if (session.configuration.get("destinationTable") or {}).get("tableId"):
            raise NotBuilt("a destination table in a session")
        state: State = kept.state or self._state(session)
        kept.state = state
        before, session.temporary = session, state.session.temporary
        vars(state.session).update(vars(before))
        script = parse(self.pool, sql)
        about = session.job.statistics["query"]
        about["statementType"] = "SCRIPT"
        result = self._script(state, script, sql)
        if state.host.tx is not None:
            state.host.close()
            raise NotBuilt("a transaction that stays open between the jobs of a session")
        children = self.jobs.find(session.job.project, session.job.name) if self.jobs else []
        if len(children) == 1 == len(script.statements):
            about["statementType"] = children[0]["statistics"]["query"].get("statementType", "SCRIPT")
        return result

    def _state(self, session: Session) -> State:
        host = self._host(session)
        interpreter = Interpreter(self.pool, host)
        host.set_system = interpreter.system.__setitem__
        return State(session, host, interpreter)

    def _script(self, state: State, script: Parsed, sql: str) -> Result | None:
        job = state.host.job = state.session.job
        state.host.sql = sql
        try:
            last = state.interpreter.run(script)
        except BaseException:
            state.host.close()
            raise
        finally:
            self._sum(job)
        if last is None:
            return None
        self._set_destination(job)
        return Result(schema.result_fields(last.columns), last.table)

    def _end(self, state: State) -> None:
        """Gives up what a script or session has left."""
        state.host.close()
        for dataset in {path[:2] for path in state.session.temporary.values()}:
            # Not there if its first table could not be made
            with suppress(BigQueryError), self.store.transaction() as tx:
                tx.drop_dataset(dataset, with_contents=True)

    def _sum(self, job: Job) -> None:
        """A script's cost is that of its statements."""
        children = self.jobs.find(job.project, job.name) if self.jobs else []
        about = [child["statistics"].get("query", {}) for child in children]
        for name in ("totalBytesProcessed", "totalBytesBilled", "totalSlotMs"):
            job.statistics["query"][name] = str(sum(int(one.get(name) or 0) for one in about))

    def _host(self, session: Session) -> ScriptHost:
        def statement(step: Step | None, text: str, job: Job) -> Result | None:
            session.step = step
            return self.statement(session, text, job)

        def scope(tx: Transaction, text: str) -> Scope:
            paths = [names.parts(path) for path in self.queries.analyzer.table_paths(text)]
            return self._know(tx, session, paths, self.queries.analyzer.routine_paths(text)).scope

        means = Means(
            self.store,
            self.queries.analyzer,
            self.jobs,
            statement,
            scope,
            lambda tx, path: self.locate(tx, session, tuple(path)),
            SCRIPT * self.queries.limits.seconds,
        )
        return ScriptHost(means, session.job, "", partial(setattr, session, "tx"))

    @contextmanager
    def _transact(self, session: Session, writes: Collection[Path] = ()) -> Iterator[Transaction]:
        """A transaction of the statement's own, or the script's."""
        if session.tx is not None:
            yield session.tx
            return
        with self.store.transaction(session.job.key, writes, session.seconds) as tx:
            yield tx

    def statement(self, session: Session, sql: str, job: Job) -> Result | None:
        """Runs one statement.

        Args:
            session: What it shares with others.
            sql: The statement.
            job: Where the statistics go.

        Raises:
            BigQueryError: The statement's error.
        """
        with self._transact(session) as tx:
            one = self._analyze(tx, session, sql, job)
            if one.kind == "QueryStmt":
                to = self._destination(session)
                if session.is_dry or to is None:
                    return self._select(tx, one, session.is_dry)
            writes = self._writes(tx, session, one)
            if session.is_dry:
                self._check(one)
                self._count(tx, one, is_dry=True)
                return None
            if session.tx is not None:
                return self._execute(tx, session, one)

        def work(tx: Transaction) -> Result | None:
            return self._execute(tx, session, self._analyze(tx, session, sql, job, one))

        return self.store.run(work, session.job.key, writes, session.seconds)

    def _analyze(self, tx: Transaction, session: Session, sql: str, job: Job, before: _One | None = None) -> _One:
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
        known = self._know(tx, session, paths, text.routines)
        positional = tuple(kind for kind, _ in session.values.positional)
        named = {name: kind for name, (kind, _) in session.values.named.items()}
        scope = session.step.scope(known.scope) if session.step else known.scope
        if text.loaded and all(text.loaded != table.path for table in scope.tables):
            # The analyzer wants to know the table that LOAD DATA may make
            scope = dataclasses.replace(scope, tables=[*scope.tables, Table(text.loaded, ".".join(text.loaded), ())])
        # The evaluator knows no system variables, and a query without them needs none
        system = scope.system if "@@" in sql else {}
        scope = dataclasses.replace(scope, named=named, positional=positional, system=system)
        known = dataclasses.replace(known, scope=scope)
        is_same = before is not None and before.known.scope == scope
        statement = before.statement if before and is_same else self.queries.analyzer.analyze(sql, scope)
        one = _One(sql, text, known, statement, session.values, job)
        written = _target(statement) if one.kind == "InsertStmt" else ""
        target = [self._path_of(one, _target(statement))] if is_change(statement) else []
        destinations.check_location(tx, session.job, [*known.referenced, *target])
        partition_filter.check(statement, known.tables_of, tx.table, written)
        about = job.statistics["query"]
        about["statementType"] = one.statement_type
        if known.referenced:
            about["referencedTables"] = [_table_reference(path) for path in known.referenced]
        return one

    def _read(self, sql: str) -> _Text:
        analyzer = self.queries.analyzer
        names_in_it = analyzer.table_paths(sql), analyzer.routine_paths(sql)
        return _Text(*names_in_it, scripts.altered(self.pool, sql), scripts.loaded(self.pool, sql))

    def _paths(self, tx: Transaction, session: Session, text: _Text) -> list[tuple[str, ...]]:
        """The tables that a statement names."""
        paths = list(text.tables)
        if target := text.altered:
            is_known = not target.is_if_exists or _exists(tx, self.locate(tx, session, target.path))
            paths += [target.path] if is_known else []
        if text.loaded and _exists(tx, self.locate(tx, session, text.loaded)):
            paths.append(text.loaded)
        return paths

    def _know(
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

    def _count(self, tx: Transaction, one: _One, is_dry: bool = False) -> None:
        """Puts into the statistics what a statement reads."""
        read: dict[Path, set[str] | None] = {}
        target = _target(one.statement)
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

    def _destination(self, session: Session) -> Destination | None:
        if session.job.statistics["query"].get("statementType") == "SCRIPT":
            return None
        given = session.configuration.get("destinationTable")
        if not given or not given.get("tableId"):
            return None
        return destinations.read(session.configuration, session.job.project, "WRITE_EMPTY")

    def _writes(self, tx: Transaction, session: Session, one: _One) -> list[Path]:
        """The tables that a statement changes."""
        if one.kind == "QueryStmt":
            to = self._destination(session)
            return [to.path] if to else []
        if is_change(one.statement):
            node = tree.node(one.statement)
            return [self._path_of(one, node.table_scan.table.name)]
        path = tree.get(tree.node(one.statement), "name_path") if _has_path(one.statement) else ()
        is_schema = "Schema" in one.kind or one.statement_type == "DROP_SCHEMA"
        if is_schema or one.kind in ("GrantStmt", "RevokeStmt") or not path:
            return []
        if "CreateTable" in one.kind and tree.get(tree.node(one.statement), "create_scope") == _TEMPORARY:
            return [self._temporary(session, path[-1])]
        return [self.locate(tx, session, tuple(path))]

    def _path_of(self, one: _One, name: str) -> Path:
        """The path of a table's full name, `project.dataset.table`."""
        project, dataset, table = name.rsplit(".", 2)
        return project, dataset, table

    def locate(self, tx: Transaction, session: Session, path: tuple[str, ...]) -> Path:
        """The full path of a name in a statement."""
        parts = names.parts(path)
        if len(parts) == 1 and parts[0].lower() in session.temporary:
            return session.temporary[parts[0].lower()]
        return tx.find(parts, session.project, session.dataset)

    def _locate_dataset(self, session: Session, path: tuple[str, ...]) -> tuple[str, str]:
        parts = names.parts(path)
        return (session.project, parts[0]) if len(parts) == 1 else (parts[0], parts[1])

    def _check(self, one: _One) -> None:
        """A dry run of a statement that is no query: whether it can be compiled."""
        if is_change(one.statement):
            compile_change(
                one.statement, one.known.tables.relations, self.queries.now(), one.parameters, one.known.scope
            )
        elif one.kind == "CreateTableAsSelectStmt":
            one.describe(schema.result_fields(output_columns(one.statement)))

    def _select(self, tx: Transaction, one: _One, is_dry: bool) -> Result | None:
        columns = output_columns(one.statement)
        fields = schema.result_fields(columns)
        if is_dry:
            one.describe(fields)
            self._count(tx, one, is_dry)
            return None
        known = one.known
        answer = self.queries.answer(
            tx.connection, one.sql, known.scope, known.tables, one.parameters, statement=one.statement
        )
        if "query" in one.job.configuration["query"]:
            # Otherwise the value belongs to a statement, such as SET, which may use such arrays
            _refuse_null_elements(tx, answer)
        self._set_destination(one.job)
        self._count(tx, one)
        return Result(fields, answer.table)

    def _set_destination(self, job: Job) -> None:
        """Names the anonymous table that stands for the result."""
        if "destinationTable" not in job.configuration["query"]:
            path = anonymous(job)
            job.configuration["query"] |= {"destinationTable": _table_reference(path)}
            job.configuration["query"] |= {
                "createDisposition": "CREATE_IF_NEEDED",
                "writeDisposition": "WRITE_TRUNCATE",
            }

    def _execute(self, tx: Transaction, session: Session, one: _One) -> Result | None:
        if one.kind in ("QueryStmt", "CreateTableAsSelectStmt") or is_change(one.statement):
            self._count(tx, one)
        try:
            if one.kind == "QueryStmt":
                return self._select_into(tx, session, one)
            if is_change(one.statement):
                self._change(tx, one)
                return None
            if one.kind == "CreateExternalTableStmt":
                path = self.locate(tx, session, tuple(tree.get(tree.node(one.statement), "name_path")))
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

    def _rows(self, tx: Transaction, one: _One) -> str:
        """DuckDB SQL of the rows of a query or of CREATE TABLE AS, with columns o0, o1, ..."""
        try:
            query = compile_query(
                one.statement, one.known.tables.relations, self.queries.now(), one.parameters, one.known.scope
            )
        except NotBuilt:
            return self._evaluated(tx, one)
        register_scalars(tx.connection, query.scalars, self.queries.evaluator)
        return checked_rows(query.sql, query.columns)

    def _evaluated(self, tx: Transaction, one: _One) -> str:
        """The rows of a query that DuckDB cannot answer, as a relation of the connection."""
        if one.kind != "QueryStmt":
            raise NotBuilt("this query in CREATE TABLE AS; give the query itself a destination table")
        known = one.known
        answer = self.queries.answer(
            tx.connection, one.sql, known.scope, known.tables, one.parameters, statement=one.statement
        )
        tx.connection.register("evaluated", answer.table)
        return checked_rows("SELECT * FROM evaluated", answer.columns)

    def _select_into(self, tx: Transaction, session: Session, one: _One) -> Result | None:
        to = self._destination(session)
        if to is None:
            return self._select(tx, one, False)
        fields = schema.result_fields(output_columns(one.statement))
        destinations.write(tx, to, fields, self._rows(tx, one))
        one.job.statistics["query"]["schema"] = {"fields": fields}
        return None

    def _change(self, tx: Transaction, one: _One) -> None:
        change = compile_change(
            one.statement, one.known.tables.relations, self.queries.now(), one.parameters, one.known.scope
        )
        register_scalars(tx.connection, change.scalars, self.queries.evaluator)
        if change.check:
            tx.connection.execute(change.check).fetchall()
        stats = _carried_out(tx, one.statement_type, change.sql)
        tx.touch(self._path_of(one, change.table))
        about = one.job.statistics["query"]
        about["numDmlAffectedRows"] = str(sum(stats.values()))
        about["dmlStats"] = {name: str(count) for name, count in stats.items()}

    def _assert(self, tx: Transaction, session: Session, one: _One) -> None:
        assertion.check(one.statement, parse(self.pool, one.sql), lambda sql: self._inner(tx, session, one, sql))

    def _export(self, tx: Transaction, session: Session, one: _One) -> None:
        def answer(sql: str) -> Result:
            return self._inner(tx, session, one, sql)

        about = one.job.statistics["query"]
        about |= export_data.export(one.statement, parse(self.pool, one.sql), answer, self.extracts)

    def _load(self, tx: Transaction, session: Session, one: _One) -> None:
        definition = asked.load_data(tree.node(one.statement))
        configuration = load_data.configuration(definition, self.locate(tx, session, definition.path))
        self.loads.load_data(tx, one.job, configuration)
        one.job.statistics["query"]["loadQueryStatistics"] = one.job.statistics.pop("load")

    def _grant(self, tx: Transaction, session: Session, one: _One) -> None:
        def locate(path: tuple[str, ...]) -> Path:
            return self.locate(tx, session, path)

        grants.carry_out(tx, one.statement, locate, lambda path: self._locate_dataset(session, path))

    def _inner(self, tx: Transaction, session: Session, one: _One, sql: str) -> Result:
        """The result of a query that is a part of a statement."""
        scratch = Job(one.job.project, one.job.name, {"query": {}, "jobType": "QUERY"})
        scratch.statistics |= {"query": {}, "startTime": one.job.statistics["startTime"]}
        result = self._select(tx, self._analyze(tx, session, sql, scratch), False)
        assert result is not None
        names = ("totalBytesProcessed", "totalBytesBilled", "totalSlotMs", "referencedTables")
        about = scratch.statistics["query"]
        one.job.statistics["query"] |= {name: about[name] for name in names if name in about}
        return result

    def _define(self, tx: Transaction, session: Session, one: _One) -> Result | None:
        definition = asked.describe(one.statement)
        if isinstance(definition, asked.CreateTable) and definition.is_temporary:
            hidden = self._temporary(session, definition.path[-1])
            destinations.ensure_hidden(tx, hidden)
            session.temporary[definition.path[-1].lower()] = hidden
        maker = Maker(
            tx,
            lambda path: self.locate(tx, session, path),
            lambda path: self._locate_dataset(session, path),
            lambda: self._rows(tx, one),
        )
        done = maker.carry_out(definition)
        self._note(one, done.kind, done.path, done.operation)
        if isinstance(definition, asked.CreateTable) and definition.has_query and one.job.parent == "":
            one.job.configuration["query"] |= {"destinationTable": _table_reference(done.path)}
            one.describe(schema.result_fields(output_columns(one.statement)))
        return None

    def _temporary(self, session: Session, name: str) -> Path:
        """Where a temporary table is.

        Raises:
            BigQueryError: The statement is no part of a script.
        """
        if session.job.statistics["query"].get("statementType") != "SCRIPT":
            raise BigQueryError("invalidQuery", "Use of CREATE TEMPORARY TABLE requires a script or session", "query")
        return session.job.project, f"_script{session.job.name.replace('-', '_')}", name

    def _note(self, one: _One, kind: str, path: tuple[str, ...], operation: str) -> None:
        """The target of a definition in the statistics."""
        about = one.job.statistics["query"]
        about["ddlOperationPerformed"] = operation
        if kind == "dataset":
            about["ddlTargetDataset"] = {"projectId": path[0], "datasetId": path[-1]}
        elif len(path) == 3:
            name, last = _TARGETS[kind]
            about[name] = {"projectId": path[0], "datasetId": path[1], last: path[2]}


_OTHERS: Mapping[str, Callable[[QueryRunner, Transaction, Session, _One], None]] = {
    "AssertStmt": QueryRunner._assert,
    "ExportDataStmt": QueryRunner._export,
    "AuxLoadDataStmt": QueryRunner._load,
    "GrantStmt": QueryRunner._grant,
    "RevokeStmt": QueryRunner._grant,
}
_TEMPORARY = 3
"""The module's number of CreateScope TEMP."""


@dataclass(frozen=True)
class _Text:
    """What a statement's text names, whatever that may be.

    Attributes:
        tables: Paths of tables.
        routines: Paths of routines.
        altered: What ALTER names.
        loaded: The path of LOAD DATA's table; empty for another statement.
    """

    tables: list[tuple[str, ...]]
    routines: list[tuple[str, ...]]
    altered: scripts.Altered | None
    loaded: tuple[str, ...]


@dataclass(frozen=True)
class _One:
    """An analyzed statement."""

    sql: str
    text: _Text
    known: Known
    statement: Any
    values: Parameters
    job: Job

    @property
    def kind(self) -> str:
        """The module's name of it, such as `QueryStmt`."""
        return tree.kind(tree.node(self.statement))

    @property
    def statement_type(self) -> str:
        """REST's name of it, such as SELECT."""
        if self.kind == "DropStmt":
            return f"DROP_{tree.node(self.statement).object_type.upper().replace(' ', '_')}"
        return _TYPES.get(self.kind, self.kind.removesuffix("Stmt").upper())

    @property
    def parameters(self) -> dict[str, tuple[Type, Any]]:
        """The query's parameters."""
        return self.values.by_name

    def describe(self, fields: list[dict[str, Any]]) -> None:
        """Puts the schema of the result into the statistics."""
        self.job.statistics["query"]["schema"] = {"fields": fields}


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


def _target(statement: Any) -> str:
    """The full name of the table that INSERT, UPDATE, DELETE or MERGE changes; empty for other statements."""
    return str(tree.node(statement).table_scan.table.name) if is_change(statement) else ""


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


def _exists(tx: Transaction, path: Path) -> bool:
    try:
        tx.table(path)
    except BigQueryError:
        return False
    return True


def _both(first: Any, second: Any, of_second: set[str]) -> Any:
    return lambda name: second(name) if name in of_second else first(name)


def _has_path(statement: Any) -> bool:
    message = tree.node(statement)
    while message is not None:
        if "name_path" in message.DESCRIPTOR.fields_by_name:
            return True
        message = message.parent if "parent" in message.DESCRIPTOR.fields_by_name else None
    return False


def _table_reference(path: tuple[str, ...]) -> dict[str, str]:
    return {"projectId": path[0], "datasetId": path[1], "tableId": path[2]}


ANONYMOUS = "_orionbox_results"
"""The dataset of the tables that stand for results; each is called `anon` and the job's id."""


def anonymous(job: Job) -> Path:
    """The table that stands for a job's result."""
    return job.project, ANONYMOUS, f"anon{job.name}"
