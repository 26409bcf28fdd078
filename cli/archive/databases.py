"""A PostgreSQL database: its programs, its row counts, and a consistent dump."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from cli.archive.archive import MemberWriter
from cli.archive.snapshots import Snapshot
from cli.programs import CHUNK, ROOT, last_lines, run_with_input
from cli.waiting import waiting_for
from orionbox.errors import CommandError

COUNT_ROWS = (
    "SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', concat(nullif(schemaname, 'public') || '.', relname), "
    "schemaname, relname) FROM pg_stat_user_tables ORDER BY 1 \\gexec"
)
"""Makes psql count the rows of every table."""
USE_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{}';\n"
"""Makes psql see what a snapshot sees."""
MAKE_LOADS_WAIT = (
    "BEGIN; SET LOCAL lock_timeout = '60s'; DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(relname)) "
    "FROM pg_class WHERE relkind = 'p'; END $$;"
)
"""Makes loads of months wait until this session ends, with the lock of `orionbox.stores.postgres.ensure_table`."""
TABLE_FILES = (
    "(SELECT coalesce(string_agg(oid || '.' || relfilenode, ','), '') FROM pg_class "
    "WHERE relkind = 'r' AND relpersistence <> 't' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)')"
)
"""Every table, each with the file that holds its rows."""
LOCK_MILLISECONDS = 60_000
TRIES = 5


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database.

    Args:
        command: the prefix for PostgreSQL programs, for example `docker compose exec postgres`.
        connection: the connection string.
        variables: the programs' environment variables.
    """

    command: Sequence[str]
    connection: str
    variables: Mapping[str, str]

    def program(self, name: str, *options: str) -> list[str]:
        """Returns the command line of psql, pg_dump or pg_restore."""
        return [*self.command, name, f"--dbname={self.connection}", *options]

    def psql(self) -> list[str]:
        """Returns the command line of psql that reads standard input, prints rows only, and stops at an error."""
        return self.program("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")

    def ask(self, sql: str) -> list[str]:
        """Returns the lines of the answer. The SQL goes through standard input, which other users cannot read."""
        with waiting_for("an answer of Postgres"):
            done = subprocess.run(
                self.psql(), input=sql, cwd=ROOT, env=dict(self.variables), capture_output=True, text=True
            )
        if done.returncode:
            raise CommandError(f"Postgres refuses the query:\n{last_lines(done.stderr)}")
        return done.stdout.splitlines()

    def count_rows(self) -> dict[str, int]:
        """Counts the rows of every table."""
        return _rows_by_table(self.ask(COUNT_ROWS))

    def size(self) -> int:
        """Returns the bytes that the database takes on disk."""
        return int(self.ask("SELECT pg_database_size(current_database())")[0])

    def restore(self, content: IO[bytes]) -> None:
        """Restores a dump into the empty database in one transaction."""
        options = ("--no-owner", "--no-comments", "--single-transaction", "--exit-on-error")
        run_with_input(self.program("pg_restore", *options), content, self.variables)


def _rows_by_table(lines: Iterable[str]) -> dict[str, int]:
    """Reads lines of the form `table|rows`."""
    pairs = (line.rpartition("|") for line in lines)
    return {table: int(count) for table, _, count in pairs}


@contextmanager
def dump(name: str, database: Database, *options: str) -> Iterator[Snapshot]:
    """Opens a snapshot of a database: a dump, and the row counts at the same moment.

    In a PostgreSQL snapshot, a table that was created or emptied later looks empty. pg_dump sees it that way, too, and
    it locks the tables only some time after its snapshot. So this makes loads of months wait, and checks that no other
    table has changed in that way.

    Args:
        name: of the member in the backup.
        database: to read.
        options: of pg_dump.

    Raises:
        CommandError: tables keep being created or dropped, or are locked.
    """
    own = ("--format=custom", "--compress=1", f"--lock-wait-timeout={LOCK_MILLISECONDS}")
    for _ in range(TRIES):
        with _run_program(database.psql(), database.variables) as holder:
            moment, tables = _export_snapshot(holder)
            try:
                rows = _rows_by_table(database.ask(USE_SNAPSHOT.format(moment) + COUNT_ROWS))
            except CommandError:  # a table was dropped in between
                continue
            command = database.program("pg_dump", f"--snapshot={moment}", *own, *options)
            with _run_program(command, database.variables) as dumping:
                first_byte = _output(dumping).read(1)  # pg_dump writes it when it has all its locks
                if first_byte and tables <= _split_tables(database.ask(f"SELECT {TABLE_FILES}")[0]):
                    yield Snapshot(name, partial(_write_dump, dumping, first_byte, holder), rows)
                    return
    raise CommandError("Postgres: a program creates and drops tables, or locks them", "end that program, and try again")


def _export_snapshot(psql: subprocess.Popen[bytes]) -> tuple[str, set[str]]:
    """Returns the name of a new snapshot, which lasts as long as psql, and the tables in it."""
    assert psql.stdin
    with suppress(BrokenPipeError):
        psql.stdin.write(f"{MAKE_LOADS_WAIT}\nSELECT pg_export_snapshot() || ' ' || {TABLE_FILES};\n".encode())
        psql.stdin.flush()
    moment, _, tables = _output(psql).readline().decode().strip().partition(" ")
    if not moment:
        raise CommandError("Postgres could not export a snapshot; its message is above")
    return moment, _split_tables(tables)


def _split_tables(tables: str) -> set[str]:
    return set(filter(None, tables.split(",")))


@contextmanager
def _run_program(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program until the block ends; it prints its errors itself."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=dict(variables), stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout
    return process.stdout


def _write_dump(
    dumping: subprocess.Popen[bytes], first_byte: bytes, holder: subprocess.Popen[bytes], member: MemberWriter
) -> None:
    member.write(first_byte)
    shutil.copyfileobj(_output(dumping), cast("IO[bytes]", member), CHUNK)
    if dumping.wait():
        raise CommandError("pg_dump failed halfway through a database; its message is above")
    holder.communicate()  # ends psql, which releases the lock on loads
