"""The stores as a restore uses them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.runtimes.embedded import variables
from cli.runtimes.embedded.stores import EmbeddedStores
from cli.settings.settings import Settings


class FakePlatform:
    """A platform that is stopped by `down`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.downs = 0

    def down(self) -> None:
        self.downs += 1

    def start_postgres(self) -> None:
        """Starts nothing."""


@pytest.fixture
def data(embedded: Settings) -> Path:
    """The folder of the stores' data, as after a reset."""
    data = variables.data(embedded)
    for name in ("postgres", "gcs", "bigquery"):
        (data / name).rmdir()
    return data


def test_statements_run_in_turn_and_the_last_one_answers(embedded: Settings, data: Path) -> None:
    stores = EmbeddedStores(FakePlatform(embedded))
    sql = "CREATE TABLE run (id INTEGER); INSERT INTO run VALUES (7), (8); SELECT id, 'x' FROM run ORDER BY id DESC;"
    assert stores.ask_orion(sql) == ["8", "7"]
    with closing(sqlite3.connect(data / "prefect/prefect.db")) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (2,)


def test_any_store_with_data_is_something_that_a_restore_would_replace(embedded: Settings, data: Path) -> None:
    stores = EmbeddedStores(FakePlatform(embedded))
    assert not stores.has_data()
    (data / "gcs").mkdir()
    assert stores.has_data()


def test_clearing_stops_the_platform_first_and_deletes_only_stores(embedded: Settings, data: Path) -> None:
    platform = FakePlatform(embedded)
    stores = EmbeddedStores(platform)
    for name in ("gcs/object", "prefect/prefect.db", "prefect/prefect.db-wal", "prefect/profiles.toml"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).touch()
    stores.clear()
    assert platform.downs == 1 and not stores.has_data()
    assert [file.name for file in (data / "prefect").iterdir()] == ["profiles.toml"]
