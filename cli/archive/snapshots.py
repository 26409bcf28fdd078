"""Snapshots: the content of one store at one moment, read while the platform is running.

Opening a snapshot fixes its moment. Its content is read afterwards, which may take long.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast

from cli.archive.archive import MemberWriter
from cli.programs import CHUNK
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.files import temporary_folder
from orionbox.loopback import open_url

TIMEOUT = 600
"""Seconds that a service may take for its snapshot."""
SUMMARY = ".backup.json"
"""The last member of a service's tar: the rows in it."""
FASTEST = 1
"""Level of gzip: the large members are compressed already."""
KEY_TABLE = "configuration"
"""The table in which Orion keeps the key of its blocks."""


@dataclass
class Snapshot:
    """The content of one store in a backup."""

    name: str
    """The name of its member in the backup."""
    write: Callable[[MemberWriter], object]
    """Writes its content."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows by table, complete when the content has been written."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a restore needs besides the content."""


# --- Cloud Storage and BigQuery, whose emulators answer with a tar ---


@contextmanager
def download_emulator(name: str, url: str) -> Iterator[Snapshot]:
    """Opens the snapshot of an emulator, which sends the first byte of `url`/backup when its snapshot is complete."""
    with _request(f"{url}/backup") as response:
        snapshot = Snapshot(name, lambda member: snapshot.rows.update(_compress_tar(response, member)))
        yield snapshot


def fetch_counts(url: str) -> dict[str, Any]:
    """Returns what an emulator holds now: `rows` by table or bucket, and `bytes`."""
    with _request(f"{url}/counts") as response, _report_no_answer(f"{url}/counts"):
        return dict(json.load(response))


def _request(url: str) -> Any:
    with _report_no_answer(url), waiting_for(f"an answer of {url}"):
        return open_url(url, TIMEOUT)


@contextmanager
def _report_no_answer(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error).strip()
        raise CommandError(f"{url} gives no valid answer ({reason})", "look at: make status, then: make up") from error


class _TeeReader:
    """A file whose content goes into `target` while it is read."""

    def __init__(self, source: IO[bytes], target: IO[bytes]) -> None:
        self._source, self._target = source, target

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self._target.write(chunk)
        return chunk


def _compress_tar(response: IO[bytes], member: MemberWriter) -> dict[str, int]:
    """Writes the tar, compressed; returns the rows in it."""
    with _gzip_writer(member) as target:
        try:
            summary = _read_summary(cast("IO[bytes]", _TeeReader(response, cast("IO[bytes]", target))))
            member.unpacked = target.tell()
        except (tarfile.TarError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = f"an emulator stopped halfway ({error}); no backup was made"
            raise CommandError(reason, "look at: make logs") from error
    return dict(json.loads(summary)["rows"])


def _read_summary(tar: IO[bytes]) -> bytes:
    """Reads the tar to its end; returns its last member.

    Raises:
        tarfile.ReadError: the last member is missing.
    """
    summary = b""
    with tarfile.open(fileobj=tar, mode="r|") as members:
        for member in members:
            if member.name == SUMMARY:
                summary = cast("IO[bytes]", members.extractfile(member)).read()
    while tar.read(CHUNK):  # the padding of the last block
        pass
    if not summary:
        raise tarfile.ReadError("its end is missing")
    return summary


def _gzip_writer(member: MemberWriter) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=cast("IO[bytes]", member), mode="wb", compresslevel=FASTEST, mtime=0)


# --- SQLite, in which the embedded runtime keeps Orion's state ---


@contextmanager
def copy_sqlite(name: str, file: Path) -> Iterator[Snapshot]:
    """Opens a snapshot of a database without the rows of KEY_TABLE."""
    with temporary_folder(file.parent) as folder:
        copy = folder / file.name
        try:
            rows = _copy_without_key(file, copy)
        except sqlite3.Error as error:
            raise CommandError(f"{file}: {error}; no backup was made", "look at: df -h .") from error
        yield Snapshot(name, lambda member: _compress_file(copy, member), rows)


def _copy_without_key(file: Path, copy: Path) -> dict[str, int]:
    """Copies the database; returns the rows in the copy, by table."""
    with closing(sqlite3.connect(file)) as source:
        source.execute("VACUUM INTO ?", [str(copy)])
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        target.execute(f"DELETE FROM {KEY_TABLE}")
        target.execute("VACUUM")  # free pages still hold the deleted rows
        return _count_rows(target)


def _count_rows(database: sqlite3.Connection) -> dict[str, int]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return {table: database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for (table,) in tables}


def _compress_file(file: Path, member: MemberWriter) -> None:
    with file.open("rb") as content, _gzip_writer(member) as target:
        shutil.copyfileobj(content, target, CHUNK)
        member.unpacked = target.tell()


def decompress_sqlite(content: IO[bytes], file: Path) -> None:
    """Writes the database file that `copy_sqlite` has compressed."""
    with gzip.open(content) as source, file.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def ask_sqlite(file: Path, sql: str, parameters: Mapping[str, str]) -> list[str]:
    """Runs statements in a database, in one transaction; returns the first column of the last one's rows.

    Args:
        file: the database.
        sql: the statements, separated by semicolons.
        parameters: values that the SQL names as `:name`.

    Raises:
        CommandError: it is no database, or lacks a table.
    """
    *first, last = filter(str.strip, sql.split(";"))
    try:
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in first:
                connection.execute(statement, parameters)
            return [str(row[0]) for row in connection.execute(last, parameters).fetchall()]
    except sqlite3.Error as error:
        raise CommandError(f"Orion's database {file} refuses a query: {error}") from error
