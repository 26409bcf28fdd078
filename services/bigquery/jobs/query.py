"""Query jobs: a statement or a script, from text to a result and its statistics."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from services.bigquery import cost, schema
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs import parameters, scripts
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job, Jobs
from services.bigquery.jobs.script_host import Means, ScriptHost
from services.bigquery.jobs.statements import sessions
from services.bigquery.jobs.statements.execution import Execution
from services.bigquery.jobs.statements.meaning import Meaning
from services.bigquery.jobs.statements.statement import Session
from services.bigquery.language import names
from services.bigquery.language.analyzer import Scope
from services.bigquery.records import Path, Store, Transaction
from services.bigquery.scripts.interpreter import Interpreter, Step
from services.bigquery.scripts.syntax import Parsed, parse

SCRIPT = 10
"""How many times as long as a statement a script may take."""


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
    meaning: Meaning
    execution: Execution
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
        session = Session(
            job,
            sessions.project_of(configuration, job),
            default.get("datasetId") or "",
            parameters.read(configuration),
            most_seconds=self.meaning.queries.limits.seconds,
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
        if scripts.is_script(sql) and (script := parse(self.meaning.pool, sql)).is_script:
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
        script = parse(self.meaning.pool, sql)
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
        interpreter = Interpreter(self.meaning.pool, host)
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
        self.execution.set_destination(job)
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
            paths = [names.parts(path) for path in self.meaning.queries.analyzer.table_paths(text)]
            return self.meaning.know(tx, session, paths, self.meaning.queries.analyzer.routine_paths(text)).scope

        means = Means(
            self.store,
            self.meaning.queries.analyzer,
            self.jobs,
            statement,
            scope,
            lambda tx, path: self.meaning.locate(tx, session, tuple(path)),
            SCRIPT * self.meaning.queries.limits.seconds,
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
            one = self.meaning.analyze(tx, session, sql, job)
            if one.kind == "QueryStmt":
                to = self.meaning.destination(session)
                if session.is_dry or to is None:
                    return self.execution.select(tx, one, session.is_dry)
            writes = self.meaning.writes(tx, session, one)
            if session.is_dry:
                self.execution.check(one)
                self.execution.count(tx, one, is_dry=True)
                return None
            if session.tx is not None:
                return self.execution.execute(tx, session, one)

        def work(tx: Transaction) -> Result | None:
            return self.execution.execute(tx, session, self.meaning.analyze(tx, session, sql, job, one))

        return self.store.run(work, session.job.key, writes, session.seconds)
