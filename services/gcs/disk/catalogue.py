"""The catalogue: which buckets and objects there are, in SQLite.

A row is committed only after its content is on the disk, so every row has its content. Rows of objects are never
changed in place where a generation changes: a new content is a new row.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

FILE = "catalogue.sqlite"
LIVE, NONCURRENT, SOFT_DELETED = 0, 1, 2
"""States of an object's generation."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, generation INTEGER NOT NULL, metageneration INTEGER NOT NULL,
    created TEXT NOT NULL, updated TEXT NOT NULL, deleted TEXT, fields TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS live_buckets ON buckets (name) WHERE deleted IS NULL;
CREATE TABLE IF NOT EXISTS objects (
    generation INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets, name BLOB NOT NULL,
    metageneration INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER NOT NULL, md5 TEXT, crc32c TEXT NOT NULL,
    created TEXT NOT NULL, updated TEXT NOT NULL, deleted TEXT, fields TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS live_objects ON objects (bucket, name) WHERE state = 0;
CREATE INDEX IF NOT EXISTS generations ON objects (bucket, name, generation);
CREATE INDEX IF NOT EXISTS deleted_objects ON objects (deleted) WHERE state = 2;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL,
    fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads, number INTEGER NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL,
    md5 TEXT NOT NULL, crc32c TEXT NOT NULL, created TEXT NOT NULL, PRIMARY KEY (upload, number));
CREATE TABLE IF NOT EXISTS hmac_keys (access_id TEXT PRIMARY KEY, project TEXT NOT NULL, fields TEXT NOT NULL);
"""


@dataclass
class Bucket:
    """A bucket; `fields` are those of its resource that a client may set."""

    id: int
    name: str
    generation: int
    metageneration: int
    created: str
    updated: str
    deleted: str | None
    fields: dict[str, Any]


@dataclass
class StoredObject:
    """One generation of an object; `fields` are those of its resource that have no column."""

    generation: int
    bucket: int
    name: str
    metageneration: int
    state: int
    size: int
    md5: str | None
    crc32c: str
    created: str
    updated: str
    deleted: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class Upload:
    """An upload in several requests; `fields` hold what its first request has said."""

    id: str
    bucket: str
    name: str
    created: str
    fields: dict[str, Any]


OBJECT_COLUMNS = "generation, bucket, name, metageneration, state, size, md5, crc32c, created, updated, deleted, fields"
BUCKET_COLUMNS = "id, name, generation, metageneration, created, updated, deleted, fields"


def timestamp(moment: datetime | None = None, later: float = 0) -> str:
    """Return a moment (now, if none is given) plus `later` seconds, as Google writes it: RFC 3339 with milliseconds."""
    at = (moment or datetime.now(UTC)) + timedelta(seconds=later)
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def read_json(text: str) -> Any:
    """Return what a column holds; an earlier version may have kept half of a pair of surrogates."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def _object(row: tuple[Any, ...]) -> StoredObject:
    values = list(row)
    values[2], values[11] = row[2].decode(), read_json(row[11])
    return StoredObject(*values)


def _bucket(row: tuple[Any, ...]) -> Bucket:
    values = [*row[:7], read_json(row[7])]
    return Bucket(*values)


class Transaction:
    """What one request reads and writes; a write is committed when the request's work ends without an error."""

    def __init__(self, connection: sqlite3.Connection, catalogue: Catalogue) -> None:
        self.execute = connection.execute
        self._catalogue = catalogue
        self.placed: list[int] = []
        """Generations whose contents this transaction has put in place: removed if it fails."""
        self.discarded: list[int] = []
        """Generations that it has removed from the catalogue: their contents are removed once it is committed."""
        self.changed: set[tuple[str, str]] = set()
        """Buckets and names of objects whose live generation is another one; an empty name is the bucket itself."""

    def next_generation(self) -> int:
        """Return a generation, in microseconds since 1970, that is above every earlier one."""
        return self._catalogue.next_generation()

    def bucket(self, name: str) -> Bucket | None:
        """Return the bucket of this name."""
        found = self.execute(f"SELECT {BUCKET_COLUMNS} FROM buckets WHERE name = ? AND deleted IS NULL", [name])
        return next(map(_bucket, found), None)

    def deleted_bucket(self, name: str, generation: int) -> Bucket | None:
        """Return a soft-deleted bucket."""
        where = "name = ? AND generation = ? AND deleted IS NOT NULL"
        found = self.execute(f"SELECT {BUCKET_COLUMNS} FROM buckets WHERE {where}", [name, generation])
        return next(map(_bucket, found), None)

    def buckets(self, deleted: bool = False) -> list[Bucket]:
        """Return all buckets, or the soft-deleted ones, by name."""
        where = "IS NOT NULL" if deleted else "IS NULL"
        found = self.execute(f"SELECT {BUCKET_COLUMNS} FROM buckets WHERE deleted {where} ORDER BY name, generation")
        return list(map(_bucket, found))

    def insert_bucket(self, name: str, fields: dict[str, Any]) -> Bucket:
        """Add a bucket."""
        now, generation = timestamp(), self.next_generation()
        added = self.execute(
            "INSERT INTO buckets (name, generation, metageneration, created, updated, fields) "
            "VALUES (?, ?, 1, ?, ?, ?)",
            [name, generation, now, now, json.dumps(fields)],
        )
        return Bucket(added.lastrowid or 0, name, generation, 1, now, now, None, fields)

    def update_bucket(self, bucket: Bucket, touch: bool = True) -> None:
        """Write a bucket's fields; `touch` makes it a new metageneration."""
        if touch:
            bucket.metageneration, bucket.updated = bucket.metageneration + 1, timestamp()
        self.execute(
            "UPDATE buckets SET metageneration = ?, updated = ?, deleted = ?, fields = ? WHERE id = ?",
            [bucket.metageneration, bucket.updated, bucket.deleted, json.dumps(bucket.fields), bucket.id],
        )

    def remove_bucket(self, bucket: Bucket) -> None:
        """Remove a bucket; it has no object any more."""
        self.execute("DELETE FROM buckets WHERE id = ?", [bucket.id])

    def object(self, bucket: Bucket, name: str, generation: int | None = None) -> StoredObject | None:
        """Return the live generation of an object, or the one that is asked for, live or not."""
        where = "bucket = ? AND name = ? AND " + ("state = 0" if generation is None else "generation = ? AND state < 2")
        values = [bucket.id, name.encode(), *([] if generation is None else [generation])]
        found = self.execute(f"SELECT {OBJECT_COLUMNS} FROM objects WHERE {where}", values)
        return next(map(_object, found), None)

    def deleted_object(self, bucket: Bucket, name: str, generation: int) -> StoredObject | None:
        """Return a soft-deleted generation."""
        where = "bucket = ? AND name = ? AND generation = ? AND state = 2"
        found = self.execute(
            f"SELECT {OBJECT_COLUMNS} FROM objects WHERE {where}", [bucket.id, name.encode(), generation]
        )
        return next(map(_object, found), None)

    def objects(
        self, bucket: Bucket, states: tuple[int, ...], start: tuple[bytes, int], end: bytes | None
    ) -> Iterator[StoredObject]:
        """Return generations in the order of name and generation, one after the other.

        Args:
            bucket: their bucket.
            states: which of LIVE, NONCURRENT, SOFT_DELETED.
            start: the first name, and the first generation of it.
            end: the name before which the list ends.
        """
        values: list[Any] = [bucket.id, start[0]]
        if states == (LIVE,):
            where, order = "state = 0 AND name >= ?", "name"
        else:
            where = f"state IN ({', '.join(map(str, states))}) AND (name, generation) >= (?, ?)"
            order, values = "name, generation", [*values, start[1]]
        if end is not None:
            where, values = f"{where} AND name < ?", [*values, end]
        sql = f"SELECT {OBJECT_COLUMNS} FROM objects WHERE bucket = ? AND {where} ORDER BY {order}"
        return map(_object, self.execute(sql, values))

    def has_objects(self, bucket: Bucket) -> bool:
        """Return whether a bucket has any generation that is not soft-deleted."""
        found = self.execute("SELECT 1 FROM objects WHERE bucket = ? AND state < 2 LIMIT 1", [bucket.id])
        return found.fetchone() is not None

    def insert_object(self, stored: StoredObject) -> None:
        """Add a generation."""
        values = [*vars(stored).values()]
        values[2], values[11] = stored.name.encode(), json.dumps(stored.fields)
        self.execute(f"INSERT INTO objects ({OBJECT_COLUMNS}) VALUES ({', '.join('?' * 12)})", values)

    def update_object(self, stored: StoredObject, touch: bool = True) -> None:
        """Write a generation's fields and state; `touch` makes it a new metageneration."""
        if touch:
            stored.metageneration, stored.updated = stored.metageneration + 1, timestamp()
        self.execute(
            "UPDATE objects SET metageneration = ?, state = ?, updated = ?, deleted = ?, fields = ? "
            "WHERE generation = ?",
            [
                stored.metageneration,
                stored.state,
                stored.updated,
                stored.deleted,
                json.dumps(stored.fields),
                stored.generation,
            ],
        )

    def remove_object(self, generation: int) -> None:
        """Remove a generation."""
        self.execute("DELETE FROM objects WHERE generation = ?", [generation])

    def all_generations(self) -> Iterator[int]:
        """Return every generation that has a content."""
        return (row[0] for row in self.execute("SELECT generation FROM objects"))

    def expired(self, now: str) -> list[StoredObject]:
        """Return the soft-deleted generations whose time is over."""
        where = "state = 2 AND json_extract(fields, '$.hardDeleteTime') <= ?"
        return list(map(_object, self.execute(f"SELECT {OBJECT_COLUMNS} FROM objects WHERE {where}", [now])))

    def deleted_before(self, moment: str) -> list[StoredObject]:
        """Return the generations that were soft-deleted before a moment."""
        where = "state = 2 AND deleted < ?"
        return list(map(_object, self.execute(f"SELECT {OBJECT_COLUMNS} FROM objects WHERE {where}", [moment])))

    def upload(self, upload: str, kind: str) -> Upload | None:
        """Return an upload that has begun."""
        found = self.execute(
            "SELECT id, bucket, name, created, fields FROM uploads WHERE id = ? AND kind = ?", [upload, kind]
        )
        return next((Upload(*[*row[:4], read_json(row[4])]) for row in found), None)

    def insert_upload(self, upload: Upload, kind: str) -> None:
        """Add an upload: of kind `resumable` or `multipart`."""
        values = [upload.id, kind, upload.bucket, upload.name, upload.created, json.dumps(upload.fields)]
        self.execute("INSERT INTO uploads (id, kind, bucket, name, created, fields) VALUES (?, ?, ?, ?, ?, ?)", values)

    def update_upload(self, upload: Upload) -> None:
        """Write what is known about an upload."""
        self.execute("UPDATE uploads SET fields = ? WHERE id = ?", [json.dumps(upload.fields), upload.id])

    def forget_upload(self, upload: str) -> list[str]:
        """Remove an upload; return the names of its files."""
        files = [row[0] for row in self.execute("SELECT file FROM parts WHERE upload = ?", [upload])]
        self.execute("DELETE FROM parts WHERE upload = ?", [upload])
        self.execute("DELETE FROM uploads WHERE id = ?", [upload])
        return [upload, *files]

    def counts(self) -> dict[str, Any]:
        """Return the number of live objects by bucket, and the bytes of what a backup holds: with old versions."""
        rows = self.execute(
            "SELECT b.name, count(CASE o.state WHEN 0 THEN 1 END), coalesce(sum(o.size), 0) FROM buckets b "
            "LEFT JOIN objects o ON o.bucket = b.id AND o.state < 2 "
            "WHERE b.deleted IS NULL GROUP BY b.id ORDER BY b.name"
        ).fetchall()
        return {"rows": {name: count for name, count, _ in rows}, "bytes": sum(size for *_, size in rows)}


class Catalogue:
    """The database, which threads share: one of them writes at a time, readers never wait."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._local = threading.local()
        self._turn = threading.Lock()
        self._clock = threading.Lock()
        self._writer = self._connect()
        self._writer.executescript(SCHEMA)
        last = self._writer.execute(
            "SELECT max(g) FROM "
            "(SELECT max(generation) AS g FROM objects UNION ALL SELECT max(generation) FROM buckets)"
        ).fetchone()
        self._last: int = last[0] or 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        # An acknowledged write survives a power cut
        connection.execute("PRAGMA synchronous = FULL")
        # It may come from somebody's backup
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def next_generation(self) -> int:
        """Return a generation, in microseconds since 1970, that is above every earlier one."""
        with self._clock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last

    @contextmanager
    def write(self, committed: Callable[[Transaction], None] = lambda _: None) -> Iterator[Transaction]:
        """Begin a transaction that writes; it waits for the one before it.

        Args:
            committed: called after it has been committed, before the next one begins.
        """
        with self._turn:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                tx = Transaction(self._writer, self)
                yield tx
                self._writer.execute("COMMIT")
                committed(tx)
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Begin a transaction that sees one moment of the catalogue."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        connection.execute("BEGIN")
        try:
            yield Transaction(connection, self)
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the database; everything is in its one file then."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
        self._writer.close()

    def copy_to(self, target: Path) -> None:
        """Write a copy of the database, of this moment, into a new file."""
        with self.read() as tx:
            tx.execute("SELECT 1 FROM buckets").fetchone()
            with sqlite3.connect(target) as copy:
                self._local.connection.backup(copy)
            copy.close()


def secret_of(catalogue: Catalogue, access_id: str) -> str | None:
    """Return the secret of an HMAC key that is active."""
    with catalogue.read() as tx:
        row = tx.execute("SELECT fields FROM hmac_keys WHERE access_id = ?", [access_id]).fetchone()
    fields = read_json(row[0]) if row else {}
    return fields["secret"] if fields.get("state") == "ACTIVE" else None
