"""A platform of files: Orion's state in SQLite, a warehouse in JSON; its emulators are a fake API."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from cli.archive import snapshots
from cli.archive.databases import Database
from cli.archive.snapshots import Snapshot
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.orion.names import BLOCKS, FLOWS, POOL, QUEUE
from tests.tars import tar_of
from tests.unit.fake_api import Answer, FakeApi, json_answer, raw_answer

KEY = "x" * 43 + "="
SCHEMA = (
    "CREATE TABLE configuration (id, created, updated, key, value);"
    "CREATE TABLE flow_run (id, state_type, infrastructure_document_id);"
    "CREATE TABLE task_run (id, state_type);"
    "CREATE TABLE flow (name);"
    "CREATE TABLE deployment (id, name, infrastructure_document_id, storage_document_id);"
    "CREATE TABLE work_pool (name); CREATE TABLE work_queue (name); CREATE TABLE variable (name);"
    "CREATE TABLE concurrency_limit (tag); CREATE TABLE saved_search (name); CREATE TABLE automation (name);"
    "CREATE TABLE flow_run_notification_policy (id);"
    "CREATE TABLE block_document (name, is_anonymous);"
    f"INSERT INTO flow VALUES ('{FLOWS[0]}');"
    f"INSERT INTO block_document VALUES ('{BLOCKS[0]}', 0);"
    f"INSERT INTO work_pool VALUES ('{POOL}'); INSERT INTO work_queue VALUES ('{QUEUE}');"
)


class FakeWarehouse(Database):
    """A database whose rows by table are in a JSON file."""

    def __init__(self, file: Path) -> None:
        super().__init__([], str(file), {})

    @property
    def file(self) -> Path:
        return Path(self.connection)

    def count_rows(self) -> dict[str, int]:
        return dict(json.loads(self.file.read_text())) if self.file.exists() else {}

    def definitions(self, known: Iterable[str]) -> list[str]:
        file = self.file.with_suffix(".definitions")
        return list(json.loads(file.read_text())) if file.exists() else []

    def materialized_views(self) -> list[str]:
        return []

    def restore_facts(self, facts: Mapping[str, Any]) -> list[str]:
        return [f"the rows of {view}: refused" for view in facts.get("views", [])]

    def size(self) -> int:
        return 1000

    def restore(self, content: IO[bytes]) -> None:
        self.file.write_bytes(content.read())


@contextmanager
def fake_dump(name: str, database: FakeWarehouse) -> Iterator[Snapshot]:
    """Replaces `dumps.dump`."""
    yield Snapshot(name, lambda member: member.write(json.dumps(database.count_rows()).encode()), database.count_rows())


class FakeStores:
    """The stores of a platform in a folder."""

    def __init__(self, folder: Path, api: FakeApi) -> None:
        self.folder, self.api = folder, api
        self.orion_file = folder / "prefect.db"
        self.unpacked: dict[str, bytes] = {}
        self.calls: list[str] = []

    def orion(self) -> AbstractContextManager[Snapshot]:
        return snapshots.copy_sqlite("orion.dump", self.orion_file)

    def database(self, name: str) -> Database:
        return FakeWarehouse(self.folder / f"{name}.json")

    def ask_orion(self, sql: str, **parameters: str) -> list[str]:
        return snapshots.ask_sqlite(self.orion_file, sql, parameters)

    def size_of_orion(self) -> int:
        return self.orion_file.stat().st_size

    def address(self, port: str) -> str:
        return self.api.url

    def has_data(self) -> bool:
        return self.orion_file.exists()

    def free_space(self) -> int:
        return 3_000_000_000

    def clear(self) -> None:
        self.calls.append("clear")
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def start_databases(self) -> None:
        self.calls.append("start_databases")

    def stop_databases(self) -> None:
        self.calls.append("stop_databases")

    def put_orion(self, content: IO[bytes]) -> None:
        snapshots.decompress_sqlite(content, self.orion_file)

    def unpack(self, service: str, content: IO[bytes]) -> None:
        self.unpacked[service] = content.read()


class FakeRuntime:
    """The platform of the FakeStores; `ensure_up` creates what a first start creates."""

    name = "compose"
    infrastructure = "docker"

    def __init__(self, folder: Path, api: FakeApi, settings: Settings) -> None:
        folder.mkdir()
        port = api.url.rpartition(":")[2]
        self.settings = settings.with_values(ORION_PORT=port, COMPOSE_PROJECT_NAME="mine")
        self.stores = FakeStores(folder, api)

    def build(self) -> None:
        self.stores.calls.append("build")

    def up(self) -> None:
        self.stores.calls.append("up")

    def ensure_stores(self) -> None:
        self.ensure_up()

    def ensure_up(self) -> None:
        if not self.stores.orion_file.exists():
            self.sql(SCHEMA)
            self.sql(
                f"INSERT INTO configuration VALUES (1, 0, 0, 'ENCRYPTION_KEY', '{json.dumps({'fernet_key': KEY})}')"
            )

    def sql(self, script: str) -> None:
        """Changes Orion's state."""
        with closing(sqlite3.connect(self.stores.orion_file)) as connection, connection:
            connection.executescript(script)

    def load(self, **rows: int) -> None:
        """Loads tables into the warehouse."""
        (self.stores.folder / "ny_taxi.json").write_text(json.dumps(rows))

    def define(self, *what: str) -> None:
        """Defines something in the warehouse."""
        (self.stores.folder / "ny_taxi.definitions").write_text(json.dumps(what))


def as_runtime(fake: FakeRuntime) -> Runtime:
    """Returns the fake as a runtime; it has everything that a backup needs."""
    return cast(Runtime, fake)


def counts(**rows: int) -> Answer:
    """Answers as an emulator that holds these rows."""
    return json_answer({"rows": rows, "bytes": 10 * sum(rows.values())})


def backup_tar(**rows: int) -> bytes:
    """Returns what an emulator sends for a backup."""
    return tar_of({"data": b"trips", snapshots.SUMMARY: json.dumps({"rows": rows}).encode()})


def backup_answer(**rows: int) -> Answer:
    """Answers as an emulator that is asked for a backup."""
    return raw_answer(backup_tar(**rows))
