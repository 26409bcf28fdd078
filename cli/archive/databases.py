"""A PostgreSQL database: its programs, its rows, and a dump of one moment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from cli.archive.archive import PIECE, Sink
from cli.archive.snapshots import Snapshot, feed
from cli.programs import ROOT, last_lines
from orionbox.errors import CommandError

COUNTS = (
    "SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', concat(nullif(schemaname, 'public') || '.', relname), "
    "schemaname, relname) FROM pg_stat_user_tables ORDER BY 1 \\gexec"
)
"""Has psql count the rows of every table."""
AT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{}';\n"
"""Has psql see what a snapshot sees."""
LOADS_WAIT = (
    "BEGIN; SET LOCAL lock_timeout = '60s'; DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(relname)) "
    "FROM pg_class WHERE relkind = 'p'; END $$;"
)
"""Lets no load swap a month in until this session ends: the lock is that of `orionbox.stores.postgres.ensure_table`."""
TABLES = (
    "(SELECT coalesce(string_agg(oid || '.' || relfilenode, ','), '') FROM pg_class "
    "WHERE relkind = 'r' AND relpersistence <> 't' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)')"
)
"""Every table with the file that holds its rows."""
LOCK_MILLISECONDS = 60_000
TRIES = 5


@dataclass(frozen=True)
class Database:
    """A database of PostgreSQL's: how its programs are called, how they find it, and with which variables."""

    command: Sequence[str]
    where: str
    variables: Mapping[str, str]

    def program(self, name: str, *options: str) -> list[str]:
        """The command line of psql, pg_dump or pg_restore."""
        return [*self.command, name, f"--dbname={self.where}", *options]

    def psql(self) -> list[str]:
        """A psql that reads commands, prints nothing but rows, and stops at an error."""
        return self.program("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")

    def ask(self, sql: str) -> list[str]:
        """The lines of the answer. The question goes no way on which other users of this machine could read it."""
        done = subprocess.run(
            self.psql(), input=sql, cwd=ROOT, env=dict(self.variables), capture_output=True, text=True
        )
        if done.returncode:
            raise CommandError(f"Postgres refuses:\n{last_lines(done.stderr)}")
        return done.stdout.splitlines()

    def rows(self) -> dict[str, int]:
        """Rows by table."""
        return _counted(self.ask(COUNTS))

    def size(self) -> int:
        """Bytes on disk."""
        return int(self.ask("SELECT pg_database_size(current_database())")[0])

    def restore(self, content: IO[bytes]) -> None:
        """Fills the database, which is empty, whole or not at all."""
        options = ("--no-owner", "--no-comments", "--single-transaction", "--exit-on-error")
        feed(self.program("pg_restore", *options), content, self.variables)


def _counted(lines: Iterable[str]) -> dict[str, int]:
    """Rows by table, from lines `table|rows`."""
    found = (line.rpartition("|") for line in lines)
    return {table: int(count) for table, _, count in found}


@contextmanager
def dumped(name: str, database: Database, *options: str) -> Iterator[Snapshot]:
    """A dump of the database, and its rows at the very same moment.

    A table that was made, or emptied, after a snapshot looks empty in it, to pg_dump too, and pg_dump locks the tables
    only a while after its snapshot. So the loads of months wait meanwhile, and for other tables it is checked.

    Raises:
        CommandError: tables come and go too fast, or are locked by somebody else.
    """
    own = ("--format=custom", "--compress=1", f"--lock-wait-timeout={LOCK_MILLISECONDS}")
    for _ in range(TRIES):
        with _program(database.psql(), database.variables) as holder:
            moment, tables = _moment(holder)
            try:
                rows = _counted(database.ask(AT.format(moment) + COUNTS))
            except CommandError:  # a table has gone since
                continue
            command = database.program("pg_dump", f"--snapshot={moment}", *own, *options)
            with _program(command, database.variables) as dump:
                first = _output(dump).read(1)  # it has begun, so it has all its locks
                if first and tables <= _set(database.ask(f"SELECT {TABLES}")[0]):
                    yield Snapshot(name, partial(_drain, dump, first, holder), rows)
                    return
    raise CommandError("tables in Postgres come and go, or are locked: end what does that, and try again")


def _moment(psql: subprocess.Popen[bytes]) -> tuple[str, set[str]]:
    """A snapshot, by the name that PostgreSQL gives it, and the tables in it; it lasts as long as psql."""
    assert psql.stdin
    with suppress(BrokenPipeError):
        psql.stdin.write(f"{LOADS_WAIT}\nSELECT pg_export_snapshot() || ' ' || {TABLES};\n".encode())
        psql.stdin.flush()
    moment, _, tables = _output(psql).readline().decode().strip().partition(" ")
    if not moment:
        raise CommandError("Postgres gives no snapshot; why stands above")
    return moment, _set(tables)


def _set(tables: str) -> set[str]:
    return set(filter(None, tables.split(",")))


@contextmanager
def _program(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A running program; what it complains of goes to the user."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=dict(variables), stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout
    return process.stdout


def _drain(dump: subprocess.Popen[bytes], first: bytes, holder: subprocess.Popen[bytes], sink: Sink) -> None:
    sink.write(first)
    shutil.copyfileobj(_output(dump), cast("IO[bytes]", sink), PIECE)
    if dump.wait():
        raise CommandError("a database could not be read to its end; why stands above")
    holder.communicate()  # nothing more to do, so it ends: loads go on
