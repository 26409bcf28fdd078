"""A server that is killed at work loses nothing that it has acknowledged, and leaves nothing half done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from services.bigquery.queries import Queries
from services.bigquery.records import Dataset, Table
from services.bigquery.settings import Limits
from services.bigquery.store.store import FileStore, open_store
from tests.conftest import ROOT
from tests.unit.services.bigquery.store.conftest import column

ROUNDS = int(os.environ.get("ORIONBOX_KILLS", "2"))
LOADED = 5000
"""Rows of a load."""
FIELDS = {"schema": {"fields": [column("x", "INTEGER")]}}


def opened(folder: Path) -> FileStore:
    return open_store(folder, cast(Queries, None), Limits(memory=256 * 2**20))


def path(name: str) -> tuple[str, str, str]:
    return ("p", "d", name)


def load(store: FileStore, number: int) -> None:
    with store.transaction() as tx:
        tx.create_table(Table(path(f"load_{number}"), "TABLE", FIELDS), f"SELECT * FROM range({LOADED})")


def insert(store: FileStore, number: int) -> None:
    with store.transaction(writes=[path("inserts")]) as tx:
        tx.connection.execute(f"INSERT INTO {tx.relation(path('inserts')).sql} VALUES ({number})")
        tx.touch(path("inserts"))


def merge(store: FileStore, number: int) -> None:
    """Changes two tables that must agree."""
    with store.transaction(writes=[path("total"), path("parts")]) as tx:
        tx.connection.execute(f"UPDATE {tx.relation(path('total')).sql} SET v0 = v0 + {number}")
        tx.connection.execute(f"INSERT INTO {tx.relation(path('parts')).sql} VALUES ({number})")
        tx.touch(path("total"))


def drop(store: FileStore, number: int) -> None:
    """Replaces a table by another of the same name."""
    with store.transaction(writes=[path("replaced")]) as tx:
        tx.drop_table(path("replaced"))
        tx.create_table(Table(path("replaced"), "TABLE", FIELDS), f"SELECT {number} FROM range(100)")


CLIENTS = {"load": load, "insert": insert, "merge": merge, "drop": drop}


def work(folder: Path, first: int) -> None:
    """What is killed: four clients, each of which says what has been acknowledged."""
    store = opened(folder)

    def client(name: str) -> None:
        for number in range(first, first + 100_000):
            CLIENTS[name](store, number)
            os.write(1, f"{name} {number}\n".encode())

    for name in CLIENTS:
        threading.Thread(target=client, args=(name,)).start()


def loads(store: FileStore) -> list[Table]:
    with store.transaction() as tx:
        return [table for table in tx.tables(("p", "d")) if table.path[2].startswith("load_")]


def values(tx: Any, name: str) -> list[int]:
    return [row[0] for row in tx.connection.execute(f"SELECT v0 FROM {tx.relation(path(name)).sql}").fetchall()]


def check(folder: Path, acknowledged: list[str]) -> None:
    store = opened(folder)
    of = {name: [int(line.split()[1]) for line in acknowledged if line.startswith(name)] for name in CLIENTS}
    found = {int(table.path[2].split("_")[1]) for table in loads(store)}
    with store.transaction() as tx:
        assert found >= set(of["load"])
        assert all(len(values(tx, f"load_{number}")) == LOADED for number in found)
        assert set(values(tx, "inserts")) >= set(of["insert"])
        assert values(tx, "total") == [sum(values(tx, "parts"))] and set(values(tx, "parts")) >= set(of["merge"])
        replaced = values(tx, "replaced")
        assert len(replaced) == 100 and len(set(replaced)) == 1 and replaced[0] >= max([0, *of["drop"]])
    assert {f"t{number}" for number in store._database.numbers()} == {
        f"t{entry.number}"
        for contents in store._versions.current.datasets.values()
        for entry in contents.tables.values()
    }
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = opened(tmp_path / "data")
    with store.transaction() as tx:
        tx.put_dataset(Dataset(("p", "d"), {}), is_new=True)
        for name, query in (
            ("inserts", ""),
            ("parts", ""),
            ("total", "SELECT 0"),
            ("replaced", "SELECT 0 FROM range(100)"),
        ):
            tx.create_table(Table(path(name), "TABLE", FIELDS), query)
    store.close()
    return tmp_path / "data"


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(folder: Path) -> None:
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        command = [sys.executable, "-m", __name__, str(folder), str(number * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
            assert server.stdout is not None
            for _ in range(random.randrange(10, 120)):
                acknowledged.append(server.stdout.readline())
            server.send_signal(signal.SIGKILL)
            acknowledged += server.stdout.read().splitlines(keepends=True)
        check(folder, [line for line in acknowledged if line.endswith("\n")])


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
