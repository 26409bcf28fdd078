"""What `backup` and `restore` need of the embedded runtime: its databases, its folders, and steps of its start."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import IO

from cli.archive import databases, snapshots
from cli.programs import ROOT, environment
from cli.runtimes.embedded import runtime
from cli.runtimes.embedded import variables as surroundings
from cli.settings import env_file

DATA = ("postgres", "gcs", "bigquery")


def orion() -> AbstractContextManager[snapshots.Snapshot]:
    """Orion's state, without the key of its blocks."""
    return snapshots.copied("orion.sqlite.gz", _orion_file())


def _orion_file() -> Path:
    return surroundings.data() / "prefect/prefect.db"


def database(name: str) -> databases.Database:
    """A database of Postgres', which bears the name of the role that owns it."""
    where = f"host=127.0.0.1 port={surroundings.port_numbers()['POSTGRES_PORT']} user={name} dbname={name}"
    variables = surroundings.variables({"PGPASSWORD": env_file.load()["WAREHOUSE_DB_PASSWORD"]})
    return databases.Database(["env"], where, variables)


def ask_orion(sql: str) -> list[str]:
    """What Orion's database answers to one or more statements: the first column of the last one's rows."""
    *first, last = filter(str.strip, sql.split(";"))
    with closing(sqlite3.connect(_orion_file())) as connection, connection:
        for statement in first:
            connection.execute(statement)
        return [str(row[0]) for row in connection.execute(last).fetchall()]


def size_of_orion() -> int:
    """Bytes on disk."""
    return _orion_file().stat().st_size


def address(port: str) -> str:
    """A service's address."""
    return f"http://localhost:{surroundings.port_numbers()[port]}"


def has_data() -> bool:
    """Whether there is anything that a restore would replace."""
    return _orion_file().exists() or any((surroundings.data() / name).exists() for name in DATA)


def free_space() -> int:
    """Bytes that are free on the disk of this checkout."""
    return shutil.disk_usage(ROOT).free


def clear() -> None:
    """Stops the platform and deletes what its stores hold."""
    runtime.down()
    for name in DATA:
        shutil.rmtree(surroundings.data() / name, ignore_errors=True)
    for file in _orion_file().parent.glob(f"{_orion_file().name}*"):
        file.unlink()


def start_databases() -> None:
    """Starts Postgres, and nothing that writes to it."""
    runtime.start_only("postgres")


def stop_databases() -> None:
    """Stops it, so that `up` starts everything."""
    runtime.down()


def put_orion(content: IO[bytes]) -> None:
    """Makes Orion's database."""
    snapshots.unzip(content, _orion_file())


def unpack(service: str, content: IO[bytes]) -> None:
    """Fills the data folder of `gcs` or `bigquery` from a compressed tar."""
    folder = surroundings.data() / service
    folder.mkdir(parents=True, exist_ok=True)
    snapshots.feed(["tar", "-xzo", "-C", str(folder)], content, environment())
