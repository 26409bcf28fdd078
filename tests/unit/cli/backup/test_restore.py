"""`restore`: an empty platform becomes what it was at the backup, or stays empty."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import IO, Any

import pytest

from cli.backup import backup, block_key, restore
from cli.runtimes import restore_note
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from tests.backups import rewrite_backup, write_as_0_1_0
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


def test_the_same_backup_can_be_restored_again_after_a_reset(runtime: FakeRuntime) -> None:
    file = back_up(runtime)
    for _ in range(2):
        assert restore.restore(as_runtime(runtime), file, without_blocks=False) == 0
        assert runtime.stores.database("ny_taxi").count_rows() == {"green_tripdata": 3}
        runtime.stores.clear()


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


def test_a_run_that_was_deleted_meanwhile_is_not_crashed_and_no_error(runtime: FakeRuntime, api: FakeApi) -> None:
    file = back_up(runtime)
    api.answers = [json_answer({"detail": "no such run"}, 404), json_answer({})]
    assert restore.restore(as_runtime(runtime), file, without_blocks=False) == 0


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


# --- what is interrupted ---


class KilledError(BaseException):
    """Stands for SIGKILL: nothing is tidied up after it."""


def kill_in(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Makes this process seem to be killed when the stores are asked to do something."""

    def die(*arguments: object) -> None:
        monkeypatch.setattr(FakeStores, "clear", die)
        raise KilledError

    monkeypatch.setattr(FakeStores, method, die)


def killed_restore(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, method: str = "stop_databases") -> Path:
    """Restores a backup, and is killed when half of it is there; returns the backup."""
    file = back_up(runtime)
    with monkeypatch.context() as patch:
        kill_in(runtime, patch, method)
        with pytest.raises(KilledError):
            restore.restore(as_runtime(runtime), file, without_blocks=False)
    return file


def test_a_restore_that_was_killed_is_no_platform(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_restore(runtime, monkeypatch)
    words = (
        r"the restore of backups/mine\.tar was interrupted, and platform mine holds only a part of it; "
        r"repeat it with: make restore FILE=backups/mine\.tar; or delete that part with: make reset"
    )
    assert re.fullmatch(words, restore_note.explain(as_runtime(runtime)))
    runtime.stores.calls.clear()
    with pytest.raises(CommandError, match=words):
        restore.start_or_complete(as_runtime(runtime))
    assert "up" not in runtime.stores.calls


def test_a_restore_that_was_killed_can_be_repeated(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    file = killed_restore(runtime, monkeypatch)
    assert restore.restore(as_runtime(runtime), file, without_blocks=False) == 0
    assert runtime.stores.database("ny_taxi").count_rows() == {"green_tripdata": 3}
    assert restore_note.explain(as_runtime(runtime)) == ""


def test_a_restore_whose_platform_does_not_start_is_completed_by_up(
    runtime: FakeRuntime, api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: FakeRuntime) -> None:
        raise BadInputError("ORION_PORT is in use")

    file = back_up(runtime)
    with monkeypatch.context() as patch:
        patch.setattr(FakeRuntime, "up", fail)
        with pytest.raises(BadInputError, match="ORION_PORT is in use"):
            restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "platform mine has all data of backups/mine.tar, but has not started" in capsys.readouterr().out
    with pytest.raises(CommandError, match="complete the restore with: make up"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    restore.start_or_complete(as_runtime(runtime))
    assert {path for _, path, _ in api.requests} == {"/api/flow_runs/run2/set_state", "/api/task_runs/task1/set_state"}
    assert "restored, and counted" in capsys.readouterr().out
    assert restore_note.explain(as_runtime(runtime)) == ""


def test_a_platform_that_cannot_be_emptied_again_says_what_it_holds(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        monkeypatch.setattr(FakeStores, "clear", fail)
        raise CommandError("docker does not answer")

    file = back_up(runtime)
    with monkeypatch.context() as patch:
        patch.setattr(FakeStores, "put_orion", fail)
        with pytest.raises(CommandError, match="docker does not answer"):
            restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "holds only a part of it" in restore_note.explain(as_runtime(runtime))


def test_a_restore_that_differs_keeps_what_is_there(runtime: FakeRuntime) -> None:
    broken = rewrite_backup(back_up(runtime), {"warehouse.dump": b'{"green_tripdata": 2}'})
    with pytest.raises(CommandError, match=r"(?s)differs.*all else of backups/resealed-mine\.tar is there"):
        restore.restore(as_runtime(runtime), broken, without_blocks=False)
    assert runtime.stores.database("ny_taxi").count_rows() == {"green_tripdata": 2}
    assert restore_note.explain(as_runtime(runtime)) == ""


def test_what_postgres_refuses_beside_the_rows_is_named(
    runtime: FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    file = rewrite_backup(back_up(runtime), warehouse={"views": ["public.mine"]})
    restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "not restored in Postgres: the rows of public.mine: refused" in capsys.readouterr().out


# --- a stranger's file ---


def test_a_stranger_s_backup_needs_a_yes(
    runtime: FakeRuntime, signing_key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = back_up(runtime)
    signing_key.unlink()
    with pytest.raises(BadInputError, match=r"mine\.tar was not made by this checkout.*make restore FILE=.* YES=yes"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert runtime.stores.calls == [], "nothing was built, emptied or started"
    assert restore.restore(as_runtime(runtime), file, without_blocks=False, is_confirmed=True) == 0
    assert "was not made by this checkout" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["x'; DROP TABLE flow; --", "x" * 44, "", KEY + KEY, "y" * 43 + "="])
def test_a_key_that_is_not_the_one_of_its_blocks_is_refused(key: str, runtime: FakeRuntime) -> None:
    broken = rewrite_backup(back_up(runtime), {"orion.key": key.encode() or b" "})
    with pytest.raises(BadInputError, match=r"orion\.key is not the key of its blocks; nothing was changed"):
        restore.restore(as_runtime(runtime), broken, without_blocks=False)
    assert "clear" not in runtime.stores.calls


@pytest.mark.parametrize("facts", [{"rows": {}}, {"rows": {"orion": {}, "warehouse": {}, "bucket": {}}}])
def test_a_backup_whose_rows_do_not_fit_its_snapshots_is_refused(facts: dict[str, Any], runtime: FakeRuntime) -> None:
    broken = rewrite_backup(back_up(runtime), **facts)
    with pytest.raises(BadInputError, match="is damaged: it lacks, or should not have"):
        restore.restore(as_runtime(runtime), broken, without_blocks=False)


def test_a_backup_of_0_1_0_is_restored_as_a_stranger_s(runtime: FakeRuntime, checkout: Path) -> None:
    """Its manifest has no signature, no unpacked sizes and no facts of the warehouse."""
    file = back_up(runtime)
    old = checkout / "backups/orionbox-2026-11-20-135317.tar"
    write_as_0_1_0(file, old)
    with pytest.raises(BadInputError, match="was not made by this checkout"):
        restore.restore(as_runtime(runtime), old, without_blocks=False)
    assert restore.restore(as_runtime(runtime), old, without_blocks=False, is_confirmed=True) == 0
    assert runtime.stores.database("ny_taxi").count_rows() == {"green_tripdata": 3}


@pytest.mark.parametrize("other", ["compose", "embedded"])
def test_a_backup_of_the_other_runtime_changes_nothing(
    other: str, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeRuntime, "name", "embedded" if other == "compose" else "compose")
    file = back_up(runtime)
    monkeypatch.setattr(FakeRuntime, "name", other)
    with pytest.raises(BadInputError, match=f"this is {other}, .*nothing was changed.*make restore RUNTIME="):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert runtime.stores.calls == []


# --- what counts as empty ---


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO variable VALUES ('mine')", "1 variables"),
        ("INSERT INTO work_pool VALUES ('mine')", "1 work pools of your own"),
        ("INSERT INTO work_queue VALUES ('mine')", "1 work queues of your own"),
        ("INSERT INTO deployment VALUES ('d1', 'mine', NULL, NULL)", "1 deployments of your own"),
        ("INSERT INTO concurrency_limit VALUES ('mine')", "1 concurrency limits"),
        ("INSERT INTO automation VALUES ('mine')", "1 automations"),
    ],
)
def test_what_a_user_has_defined_in_orion_is_not_deleted(sql: str, words: str, runtime: FakeRuntime) -> None:
    file = back_up(runtime)
    runtime.ensure_up()
    runtime.sql(sql)
    with pytest.raises(BadInputError, match=rf"platform mine is not empty \({words}\)"):
        restore.restore(as_runtime(runtime), file, without_blocks=False)
    assert "clear" not in runtime.stores.calls


def test_what_a_user_has_defined_in_postgres_is_not_deleted(runtime: FakeRuntime) -> None:
    file = back_up(runtime)
    runtime.ensure_up()
    runtime.define("function f()", "table empty", "view a", "view \x1b[31mred")
    words = r"is not empty \(4 definitions in Postgres: function f\(\), table empty, view a and 1 more\)"
    with pytest.raises(BadInputError, match=words):
        restore.restore(as_runtime(runtime), file, without_blocks=False)


def test_what_a_user_has_defined_in_the_emulators_is_not_deleted(with_emulators: FakeRuntime, api: FakeApi) -> None:
    api.answers = [counts(trips=3), counts(bucket=1), backup_answer(trips=3), backup_answer(bucket=1)]
    file = back_up(with_emulators)
    with_emulators.ensure_up()
    mine = {"orionbox-local.trips_data_all.green_tripdata": 0, "orionbox-local.dezoomcamp.rides": 0}
    bigquery = json_answer(
        {"rows": mine, "definitions": ["orionbox-local.dezoomcamp", "orionbox-local.mine"], "bytes": 0}
    )
    buckets = json_answer({"rows": {"prefect-de-zoomcamp": 0, "mine": 0}, "bytes": 0})
    api.answers = [bigquery, buckets, bigquery, buckets]
    words = (
        "tables, views and datasets of your own in BigQuery: orionbox-local.dezoomcamp.rides, orionbox-local.mine, "
        "buckets of your own: mine"
    )
    with pytest.raises(BadInputError, match=words):
        restore.restore(as_runtime(with_emulators), file, without_blocks=False)
