"""`restore`: an empty platform becomes what it was at the backup, or stays empty."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import IO

import pytest

from cli.backup import backup, block_key, restore
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from tests.backups import rewrite_backup
from tests.unit.cli.backup.fake_runtime import (
    KEY,
    FakeRuntime,
    FakeStores,
    FakeWarehouse,
    as_runtime,
    backup_answer,
    counts,
)
from tests.unit.fake_api import FakeApi, json_answer

NOT_OURS = (
    "INSERT INTO block_document VALUES ('api-token', 0);"
    "INSERT INTO deployment VALUES ('d1', 'mine', 'block1', 'block2');"
    "INSERT INTO flow_run VALUES ('run1', 'COMPLETED', 'block1');"
    "INSERT INTO flow_run VALUES ('run2', 'RUNNING', NULL);"
    "INSERT INTO task_run VALUES ('task1', 'PENDING');"
)


def back_up(runtime: FakeRuntime, with_secrets: bool = True) -> Path:
    """Fills a platform, backs it up, and empties it."""
    runtime.ensure_up()
    runtime.sql(NOT_OURS)
    runtime.load(green_tripdata=3)
    file = runtime.stores.folder.parent / "backups" / "mine.tar"
    backup.write_backup(as_runtime(runtime), with_secrets, file)
    runtime.stores.clear()
    runtime.stores.calls.clear()
    return file


def test_everything_is_back_and_counted(runtime: FakeRuntime, api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    file = back_up(runtime)
    assert restore.restore(as_runtime(runtime), file, without_blocks=False) == 0
    assert runtime.stores.ask_orion("SELECT id FROM flow_run ORDER BY id") == ["run1", "run2"]
    assert block_key.read(runtime.stores) == KEY
    assert runtime.stores.database("ny_taxi").count_rows() == {"green_tripdata": 3}
    assert runtime.stores.calls == ["build", "clear", "start_databases", "stop_databases", "up"]
    assert "restored, and counted" in capsys.readouterr().out


def test_the_emulators_get_their_own_data_back(with_emulators: FakeRuntime, api: FakeApi) -> None:
    api.answers = [counts(trips=3), counts(bucket=1), backup_answer(trips=3), backup_answer(bucket=1)]
    file = back_up(with_emulators)
    two_runs_crashed = [json_answer({}), json_answer({})]
    api.answers = [*two_runs_crashed, counts(trips=3), counts(bucket=1)]
    restore.restore(as_runtime(with_emulators), file, without_blocks=False)
    assert set(with_emulators.stores.unpacked) == {"bigquery", "gcs"}


def test_runs_that_nothing_works_on_any_more_are_crashed(runtime: FakeRuntime, api: FakeApi) -> None:
    restore.restore(as_runtime(runtime), back_up(runtime), without_blocks=False)
    sent = {path: body["state"]["type"] for _, path, body in api.requests}
    assert sent == {"/api/flow_runs/run2/set_state": "CRASHED", "/api/task_runs/task1/set_state": "CRASHED"}


def test_without_the_key_only_the_blocks_are_lost(runtime: FakeRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    file = back_up(runtime, with_secrets=False)
    block_key.key_file(block_key.fingerprint(KEY)).unlink()
    with pytest.raises(BadInputError, match="decrypts its blocks, is missing"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "clear" not in runtime.stores.calls
    restore.restore(as_runtime(runtime), file, without_blocks=True)
    assert runtime.stores.ask_orion("SELECT count(*) FROM block_document") == ["0"]
    assert runtime.stores.ask_orion("SELECT count(*) FROM deployment WHERE storage_document_id IS NULL") == ["1"]
    assert "not restored, because their key is missing: block api-token" in capsys.readouterr().out


def test_a_full_disk_is_reported_and_leaves_the_platform_empty(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_orion(stores: FakeStores, content: IO[bytes]) -> None:
        stores.orion_file.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = back_up(runtime)
    monkeypatch.setattr(FakeStores, "put_orion", put_orion)
    with pytest.raises(CommandError, match="nothing was restored: no space left on the disk") as error:
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "not a backup" not in str(error.value) and "nothing was changed" not in str(error.value)
    assert not runtime.stores.has_data()


def test_a_store_that_refuses_its_part_leaves_the_platform_empty(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(database: FakeWarehouse, content: IO[bytes]) -> None:
        raise CommandError("pg_restore: exit 1")

    file = back_up(runtime)
    monkeypatch.setattr(FakeWarehouse, "restore", refuse)
    with pytest.raises(CommandError, match="pg_restore"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert not runtime.stores.has_data()
    assert "the platform is empty again" in capsys.readouterr().out


def test_rows_that_have_not_come_back_are_an_error(runtime: FakeRuntime) -> None:
    file = back_up(runtime)
    broken = rewrite_backup(file, {"warehouse.dump": json.dumps({"green_tripdata": 2}).encode()})
    with pytest.raises(CommandError, match="warehouse green_tripdata: 3 rows in the backup, 2 here"):
        restore.restore(as_runtime(runtime), broken, without_blocks=False)


def test_a_platform_that_holds_something_is_left_alone(runtime: FakeRuntime, settings: Settings) -> None:
    file = back_up(runtime)
    runtime.ensure_up()
    runtime.load(yellow_tripdata=1200)
    with pytest.raises(BadInputError, match=r"platform mine is not empty \(1,200 rows in Postgres\).*make reset"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert runtime.stores.database("ny_taxi").count_rows() == {"yellow_tripdata": 1200}


def test_data_of_the_first_start_is_replaced(runtime: FakeRuntime) -> None:
    file = back_up(runtime)
    runtime.ensure_up()
    assert restore.restore(as_runtime(runtime), file, without_blocks=False) == 0
