"""Snapshots of what the platform holds, each of one moment, made while it works, and the way back.

To open a snapshot is to fix its moment; what it holds is read afterwards, however long that takes.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import URLError
from urllib.request import urlopen

from ctl.archive import PIECE, Sink
from ctl.shell import ROOT, CommandError, last_lines

TIMEOUT = 600
"""Seconds that a service may take for its snapshot."""
SUMMARY = ".backup.json"
"""The last member of a service's tar: the rows in it."""
QUICKLY = 1
"""A level of gzip: what is large is compressed already."""
KEY_TABLE = "configuration"
"""The table in which Orion keeps the key of its blocks."""
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
"""Lets no load swap a month in until this session ends: the lock is that of `orionbox.postgres.ensure_table`."""
TABLES = (
    "(SELECT coalesce(string_agg(oid || '.' || relfilenode, ','), '') FROM pg_class "
    "WHERE relkind = 'r' AND relpersistence <> 't' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)')"
)
"""Every table with the file that holds its rows."""
LOCK_MILLISECONDS = 60_000
TRIES = 5


@dataclass
class Part:
    """A snapshot: its member in the file, what writes its content, and then, the rows in it by table."""

    name: str
    write: Callable[[Sink], object]
    rows: dict[str, int] = field(default_factory=dict)


# --- PostgreSQL ---


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
def dumped(name: str, database: Database, *options: str) -> Iterator[Part]:
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
                    yield Part(name, partial(_drain, dump, first, holder), rows)
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


# --- Cloud Storage and BigQuery, which answer with a tar ---


@contextmanager
def served(name: str, url: str) -> Iterator[Part]:
    """What a service answers at `url`/backup: it sends the first byte when it has its snapshot."""
    with _get(f"{url}/backup") as response:
        part = Part(name, lambda sink: part.rows.update(_compress(response, sink)))
        yield part


def live(url: str) -> dict[str, Any]:
    """What the service holds now: its `rows` by table or bucket, and `bytes`."""
    with _get(f"{url}/counts") as response:
        return dict(json.load(response))


def _get(url: str) -> Any:
    try:
        return urlopen(url, timeout=TIMEOUT)
    except (URLError, OSError) as error:
        raise CommandError(f"{url} does not answer ({error}); look at: make status, then: make up") from error


class _Passing:
    """A file that is copied while it is read."""

    def __init__(self, source: IO[bytes], target: IO[bytes]) -> None:
        self._source, self._target = source, target

    def read(self, size: int) -> bytes:
        piece = self._source.read(size)
        self._target.write(piece)
        return piece


def _compress(response: IO[bytes], sink: Sink) -> dict[str, int]:
    """Writes the tar, compressed; the rows in it, from its last member."""
    with gzip.GzipFile(fileobj=cast("IO[bytes]", sink), mode="wb", compresslevel=QUICKLY, mtime=0) as target:
        try:
            summary = _pass_on(cast("IO[bytes]", _Passing(response, cast("IO[bytes]", target))))
        except (tarfile.TarError, HTTPException, ConnectionError, TimeoutError) as error:
            raise CommandError(
                f"a service broke off in the middle of its data ({error}); look at: make logs"
            ) from error
    return dict(json.loads(summary)["rows"])


def _pass_on(passing: IO[bytes]) -> bytes:
    """Reads the tar to its end; what its last member holds.

    Raises:
        tarfile.ReadError: it ends too early.
    """
    summary = b""
    with tarfile.open(fileobj=passing, mode="r|") as tar:
        for member in tar:
            if member.name == SUMMARY:
                summary = cast("IO[bytes]", tar.extractfile(member)).read()
    while passing.read(PIECE):  # what fills up the tar's last block
        pass
    if not summary:
        raise tarfile.ReadError("its end is missing")
    return summary


# --- SQLite, Orion's in the embedded runtime ---


@contextmanager
def copied(name: str, file: Path) -> Iterator[Part]:
    """A copy of the database without what is in KEY_TABLE."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        copy = Path(folder) / file.name
        with closing(sqlite3.connect(file)) as source:
            source.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            target.execute(f"DELETE FROM {KEY_TABLE}")
            target.execute("VACUUM")  # or it could be read from pages that are free now
            rows = _rows_of(target)
        yield Part(name, lambda sink: _zip(copy, sink), rows)


def _rows_of(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return {table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for (table,) in tables}


def _zip(file: Path, sink: Sink) -> None:
    with (
        file.open("rb") as content,
        gzip.GzipFile(fileobj=cast("IO[bytes]", sink), mode="wb", compresslevel=QUICKLY, mtime=0) as target,
    ):
        shutil.copyfileobj(content, target, PIECE)


def unzip(content: IO[bytes], file: Path) -> None:
    """Writes the database file."""
    with gzip.open(content) as source, file.open("wb") as target:
        shutil.copyfileobj(source, target, PIECE)


# --- the way back ---


def feed(command: Sequence[str], content: IO[bytes], variables: Mapping[str, str]) -> None:
    """Runs a program with `content` as its input; what it complains of goes to the user."""
    with subprocess.Popen(command, cwd=ROOT, env=dict(variables), stdin=subprocess.PIPE) as process:
        assert process.stdin
        with suppress(BrokenPipeError):
            shutil.copyfileobj(content, process.stdin, PIECE)
            process.stdin.close()
    if process.returncode:
        raise CommandError("a part of the backup could not be put back; why stands above")
