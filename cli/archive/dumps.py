"""A consistent dump of a PostgreSQL database, made while others use it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any, cast

from cli.archive.archive import MemberWriter
from cli.archive.databases import COUNT_ROWS, FACTS, PINNED, RELATIONS, Database, rows_by_table
from cli.archive.snapshots import Snapshot
from cli.programs import CHUNK, ROOT
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
    "{ cat <&3; kill -KILL $program; } >/dev/null 2>&1 & watcher=$!; exec 3<&-; "
    "wait $program; code=$?; kill $watcher 2>/dev/null; exit $code",
    "sh",
)
"""Ends a program when its standard input ends: after this process was killed, in a container too."""
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
                first_byte = _output(dumping).read(1)  # pg_dump writes it when it has all its locks
                if first_byte and tables <= _split_tables(database.ask(f"SELECT {TABLE_FILES}")[0]):
                    yield Snapshot(name, partial(_write_dump, dumping, first_byte, holder), rows, facts)
                    return
                problem = "" if first_byte else "pg_dump could not begin; its message is above"
    reason = problem or "a program creates and drops tables, or locks them"
    raise CommandError(
        f"Postgres: no consistent copy in {TRIES} tries; {reason}", "end the program that causes this, and try again"
    )


def _read(database: Database, moment: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Returns the rows by table, and the facts for the restore, as a snapshot sees them."""
    facts, *rows = database.ask(USE_SNAPSHOT.format(moment) + FACTS + COUNT_ROWS)
    return rows_by_table(rows), {name: value for name, value in json.loads(facts).items() if value}


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
            if process.stdin:  # which ends a program that is only watched from here
                with suppress(BrokenPipeError):
                    process.stdin.close()
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
