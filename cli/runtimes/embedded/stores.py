"""The stores of the embedded runtime: its databases, its folders, and the steps of a start that a restore needs."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from cli.archive import snapshots, tars
from cli.archive.databases import Database
from cli.archive.snapshots import Snapshot
from cli.programs import ROOT, feed
from cli.runtimes.embedded import variables
from cli.settings.settings import Settings
from orionbox.files import delete_folder

DATA = ("postgres", "gcs", "bigquery")
"""The folders that a restore fills."""


class Platform(Protocol):
    """What the stores need of the runtime that they belong to."""

    @property
    def settings(self) -> Settings:
        """The settings, with the ports that the platform really uses."""

    def down(self) -> None:
        """Stops everything; data stays."""

    def start_postgres(self) -> None:
        """Starts Postgres, and nothing that uses it."""


class EmbeddedStores:
    """The stores of one platform."""

    def __init__(self, runtime: Platform) -> None:
        self._runtime = runtime

    @property
    def _data(self) -> Path:
        return variables.data(self._runtime.settings)

    @property
    def _orion_file(self) -> Path:
        return self._data / "prefect/prefect.db"

    def orion(self) -> AbstractContextManager[Snapshot]:
        """Opens a snapshot of Orion's state, without the key of its blocks."""
        return snapshots.copy_sqlite("orion.sqlite.gz", self._orion_file)

    def database(self, name: str) -> Database:
        """Returns a database; its programs log in as the role that owns it, which has its name."""
        settings = self._runtime.settings
        where = f"host=127.0.0.1 port={settings['POSTGRES_PORT']} user={name} dbname={name}"
        password = {"PGPASSWORD": settings["WAREHOUSE_DB_PASSWORD"]}
        return Database(["env"], where, variables.environment(settings, password))

    def ask_orion(self, sql: str, **parameters: str) -> list[str]:
        """Runs statements in Orion's database."""
        return snapshots.ask_sqlite(self._orion_file, sql, parameters)

    def size_of_orion(self) -> int:
        """Returns the bytes that Orion's database takes on disk."""
        return self._orion_file.stat().st_size

    def address(self, port: str) -> str:
        """Returns a service's address."""
        return f"http://127.0.0.1:{self._runtime.settings[port]}"

    def has_data(self) -> bool:
        """Returns whether a restore would replace anything."""
        return self._orion_file.exists() or any((self._data / name).exists() for name in DATA)

    def free_space(self) -> int:
        """Returns the bytes that are free on the disk of this checkout."""
        return shutil.disk_usage(ROOT).free

    def clear(self) -> None:
        """Stops the platform and deletes what its stores hold."""
        self._runtime.down()
        for name in DATA:
            delete_folder(self._data / name)
        for file in self._orion_file.parent.glob(f"{self._orion_file.name}*"):
            file.unlink()

    def start_databases(self) -> None:
        """Starts Postgres, and nothing that writes to it."""
        self._runtime.start_postgres()

    def stop_databases(self) -> None:
        """Stops the platform, so that `up` starts everything."""
        self._runtime.down()

    def put_orion(self, content: IO[bytes]) -> None:
        """Writes Orion's database from a snapshot."""
        snapshots.decompress_sqlite(content, self._orion_file)

    def unpack(self, service: str, content: IO[bytes]) -> None:
        """Fills the data folder of `gcs` or `bigquery` from a compressed tar."""
        folder = self._data / service
        folder.mkdir(parents=True, exist_ok=True)
        environment = variables.environment(self._runtime.settings, {})
        command = ["tar", "-xo", "--no-same-permissions", "-C", str(folder)]
        feed(command, lambda target: tars.rewrite(content, target.write), environment)
