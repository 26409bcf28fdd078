"""A consistent dump of a PostgreSQL database, made while others use it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, cast

from cli.archive.archive import MemberWriter
from cli.archive.databases import COUNT_ROWS, FACTS, PINNED, RELATIONS, Database, rows_by_table
from cli.archive.snapshots import Snapshot
from cli.programs import CHUNK, ROOT, read_errors
from orionbox.errors import CommandError

USE_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{}';\n"
"""Makes psql see what a snapshot sees."""
MAKE_LOADS_WAIT = (
    "BEGIN; DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(relname)) "
    "FROM pg_class WHERE relkind = 'p'; END $$;"
)
"""Makes loads of months wait until this session ends, with the lock of `orionbox.stores.postgres.ensure_table`."""
TABLE_FILES = (
    f"(SELECT coalesce(string_agg(pg_class.oid || '.' || relfilenode, ','), '') {RELATIONS} AND relkind = 'r')"
)
"""Every table, each with the file that holds its rows."""
WATCHED = (
    "sh",
    "-c",
    'exec 3<&0 </dev/null; "$@" & program=$!; '
    "{ while read -r line <&3; do :; done; kill -KILL $program; } >/dev/null 2>&1 & watcher=$!; exec 3<&-; "
    "{ wait $program; code=$?; kill $watcher; wait $watcher; } 2>/dev/null; exit $code",
    "sh",
)
"""Ends a program when its standard input ends: after this process was killed, in a container too.

It leaves no process behind. In its container PostgreSQL has process id 1, so it would inherit one, take the end of that
for a crash of its own, and end all sessions.
"""
TRIES = 5


@contextmanager
def dump(name: str, database: Database, *options: str) -> Iterator[Snapshot]:
    """Opens a snapshot of a database: a dump, and the row counts at the same moment.

    In a PostgreSQL snapshot, a table that was created or emptied later looks empty. pg_dump sees it that way, too, and
    it locks the tables only some time after its snapshot. So this makes loads of months wait, and checks that no other
    table has changed in that way.

    The rows of materialized views are left out: a restore computes them, and one that cannot be computed any more must
    not make the restore fail.

    Args:
        name: of the member in the backup.
        database: to read.
        options: of pg_dump.

    Raises:
        CommandError: tables keep being created or dropped, or are locked.
    """
    database = database.without_settings()
    own = ("--format=custom", "--compress=1", f"--lock-wait-timeout={PINNED['lock_timeout']}")
    problem = ""
    for _ in range(TRIES):
        with _run_program(database.psql(), database.variables) as holder:
            moment, tables = _export_snapshot(holder)
            try:
                rows, facts = _read(database, moment)
            except CommandError as error:  # a table was dropped in between, or is locked
                problem = error.text
                continue
            left_out = [f"--exclude-table-data={view}" for view in facts.get("views") or []]
            command = database.program("pg_dump", f"--snapshot={moment}", *own, *left_out, *options, wrapper=WATCHED)
            with _run_program(command, database.variables) as dumping:
                first_byte = dumping.output.read(1)  # pg_dump writes it when it has all its locks
                if first_byte and tables <= _split_tables(database.ask(f"SELECT {TABLE_FILES}")[0]):
                    yield Snapshot(name, partial(_write_dump, dumping, first_byte, holder), rows, facts)
                    return
                problem = "a program creates and drops tables" if first_byte else f"pg_dump:\n{dumping.said()}"
    raise CommandError(
        f"no consistent copy of Postgres in {TRIES} tries: {problem}", "end the program that causes this, and try again"
    )


@dataclass(frozen=True)
class _Program:
    """A running program."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    @property
    def output(self) -> IO[bytes]:
        """Its standard output."""
        assert self.process.stdout
        return self.process.stdout

    def send(self, text: str) -> None:
        """Writes to its standard input, unless it has ended."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()

    def said(self) -> str:
        """Waits for its end; returns what it said about errors, which may quote what students have written."""
        self.process.wait()
        return read_errors(self.errors)


def _read(database: Database, moment: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Returns the rows by table, and the facts for the restore, as a snapshot sees them."""
    facts, *rows = database.ask(USE_SNAPSHOT.format(moment) + FACTS + COUNT_ROWS)
    return rows_by_table(rows), {name: value for name, value in json.loads(facts).items() if value}


def _export_snapshot(psql: _Program) -> tuple[str, set[str]]:
    """Returns the name of a new snapshot, which lasts as long as psql, and the tables in it."""
    psql.send(f"{MAKE_LOADS_WAIT}\nSELECT pg_export_snapshot() || ' ' || {TABLE_FILES};\n")
    moment, _, tables = psql.output.readline().decode().strip().partition(" ")
    if not moment:
        raise CommandError(f"Postgres could not export a snapshot:\n{psql.said()}")
    return moment, _split_tables(tables)


def _split_tables(tables: str) -> set[str]:
    return set(filter(None, tables.split(",")))


@contextmanager
def _run_program(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[_Program]:
    """Runs a program until the block ends."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, cwd=ROOT, env=dict(variables), stdin=pipe, stdout=pipe, stderr=errors) as process,
    ):
        try:
            yield _Program(process, errors)
        finally:
            if process.stdin:  # which ends a program that is only watched from here
                with suppress(BrokenPipeError):
                    process.stdin.close()
            process.kill()


def _write_dump(dumping: _Program, first_byte: bytes, holder: _Program, member: MemberWriter) -> None:
    member.write(first_byte)
    shutil.copyfileobj(dumping.output, cast("IO[bytes]", member), CHUNK)
    if dumping.process.wait():
        raise CommandError(f"pg_dump failed halfway through a database:\n{dumping.said()}")
    holder.process.communicate()  # ends psql, which releases the lock on loads
