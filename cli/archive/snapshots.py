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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import URLError
from urllib.request import urlopen

from cli.archive.archive import PIECE, Sink
from cli.programs import ROOT
from orionbox.errors import CommandError

TIMEOUT = 600
"""Seconds that a service may take for its snapshot."""
SUMMARY = ".backup.json"
"""The last member of a service's tar: the rows in it."""
QUICKLY = 1
"""A level of gzip: what is large is compressed already."""
KEY_TABLE = "configuration"
"""The table in which Orion keeps the key of its blocks."""


@dataclass
class Snapshot:
    """A snapshot: its member in the file, what writes its content, and then, the rows in it by table."""

    name: str
    write: Callable[[Sink], object]
    rows: dict[str, int] = field(default_factory=dict)


# --- PostgreSQL ---


# --- Cloud Storage and BigQuery, which answer with a tar ---


@contextmanager
def served(name: str, url: str) -> Iterator[Snapshot]:
    """What a service answers at `url`/backup: it sends the first byte when it has its snapshot."""
    with _get(f"{url}/backup") as response:
        part = Snapshot(name, lambda sink: part.rows.update(_compress(response, sink)))
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
def copied(name: str, file: Path) -> Iterator[Snapshot]:
    """A copy of the database without what is in KEY_TABLE."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        copy = Path(folder) / file.name
        with closing(sqlite3.connect(file)) as source:
            source.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            target.execute(f"DELETE FROM {KEY_TABLE}")
            target.execute("VACUUM")  # or it could be read from pages that are free now
            rows = _rows_of(target)
        yield Snapshot(name, lambda sink: _zip(copy, sink), rows)


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
