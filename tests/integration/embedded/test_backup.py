"""Backup and restore without Docker: the key stays in the checkout; without it, all but the user's blocks is back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cli.archive import archive
from dev.throwaway_platform import clean_environment
from orionbox.trips.months import TripFile
from tests.backups import decrypt_blocks, decrypt_with_own_keys, read_content, rewrite_backup
from tests.conftest import Checkout, wait_for
from tests.integration.conftest import Stores
from tests.integration.stores.test_replacing_a_month import JANUARY, load_bigquery, load_postgres
from tests.stores import query_bigquery, query_postgres

SECRET = "correct-horse-battery-staple"
SAVE_BLOCK = f"from prefect.blocks.system import Secret; Secret(value='{SECRET}').save('api-token', overwrite=True)"
PRINT_BLOCK = "from prefect.blocks.system import Secret; print('value:', Secret.load('api-token').get())"
OBJECTS = "from orionbox.stores.clients import bucket; print('objects:', [blob.name for blob in bucket().list_blobs()])"


@pytest.fixture(scope="module")
def backup(platform: Checkout) -> Path:
    """A backup of a platform with one loaded month and a Secret block, which is then emptied."""
    if platform.orion.call("flow_runs/filter", {}):
        platform.make("reset")
    platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    in_shell(platform, SAVE_BLOCK)
    printed = platform.make("backup")
    platform.make("reset")
    return platform.root / str(re.findall(r"backups/\S+\.tar", printed)[0])


def key_of(platform: Checkout, backup: Path) -> Path:
    """The key of the blocks in it; a platform that was reset has left another one."""
    with archive.open_archive(backup) as opened:
        return platform.root / "secrets" / f"orion-{opened.manifest['key']}.key"


def in_shell(platform: Checkout, program: str) -> str:
    return platform.make("shell", stdin=f"python - <<'END'\n{program}\nEND\n")


def test_months_that_are_being_replaced_are_complete_in_every_backup(stores: Stores, platform: Checkout) -> None:
    loaders, ended = (load_postgres, load_bigquery), threading.Event()
    for load in loaders:
        load(stores, JANUARY, 1000)
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_again, load, stores, ended) for load in loaders]
        try:
            backups = [rows_in_backup(platform, stores.dataset) for _ in range(3)]
        finally:
            ended.set()
        assert all(each.result() > 1 for each in loads)
    for found in backups:
        assert {store: set(counts) - {0} for store, counts in found.items()} == {
            "warehouse": {1000},
            "bigquery": {1000},
        }


def load_again(load: Callable[[Stores, TripFile, int], int], stores: Stores, ended: threading.Event) -> int:
    """Replaces the month until the end; returns how often."""
    return sum(bool(load(stores, JANUARY, 1000)) for _ in iter(ended.is_set, True))


def rows_in_backup(platform: Checkout, dataset: str) -> dict[str, list[int]]:
    """Rows of the tables in a dataset and in a schema, as a new backup notes them."""
    file = platform.root / str(re.findall(r"backups/\S+\.tar", platform.make("backup"))[0])
    with archive.open_archive(file) as backup:
        noted = {store: backup.manifest["rows"][store] for store in ("warehouse", "bigquery")}
    file.unlink()
    is_own = re.compile(rf"(?!.*(loading|loaded_months)).*{dataset}").match
    return {store: [count for table, count in tables.items() if is_own(table)] for store, tables in noted.items()}


def rows(platform: Checkout) -> list[list[tuple[Any, ...]]]:
    settings, count = platform.settings, "SELECT count(*) FROM"
    return [
        query_postgres(settings, f"{count} green_tripdata"),
        query_bigquery(settings, f"{count} trips_data_all.green_tripdata"),
    ]


def test_without_secrets_nothing_in_the_file_opens_a_block(platform: Checkout, backup: Path) -> None:
    (pg_restore,) = (platform.root / ".embedded/flows").glob("lib/python*/site-packages/*/pginstall/bin/pg_restore")
    key = key_of(platform, backup)
    content = read_content(backup, str(pg_restore))
    passwords = [value for name, value in platform.settings.items() if name.endswith("_PASSWORD")]
    assert [word for word in (*passwords, SECRET, "PRIVATE KEY") if word.encode() in content] == []
    assert decrypt_with_own_keys(content) == []
    assert any(SECRET.encode() in block for block in decrypt_blocks(key.read_bytes(), content))


def test_a_restore_that_fails_on_the_way_leaves_the_platform_empty(platform: Checkout, backup: Path) -> None:
    broken = rewrite_backup(backup, {"warehouse.dump": b"no dump"})
    assert "the platform is empty again" in platform.make_fails("restore", f"FILE={broken}", "YES=yes")
    assert not list(platform.root.glob(".embedded/*/data/prefect/prefect.db"))


def test_a_backup_that_would_not_fit_is_refused_and_nothing_is_made(platform: Checkout, backup: Path) -> None:
    too_large = rewrite_backup(backup, bytes=10**15)
    assert "needs 1,000,000.00 GB where the platform keeps its data" in platform.make_fails(
        "restore", f"FILE={too_large}", "YES=yes"
    )
    assert not list(platform.root.glob(".embedded/*/data/prefect/prefect.db"))


def test_a_backup_of_another_checkout_is_named_and_asked_about(platform: Checkout, backup: Path) -> None:
    assert "was not made by this checkout" in platform.make_fails("restore", f"FILE={rewrite_backup(backup)}")
    assert not list(platform.root.glob(".embedded/*/data/prefect/prefect.db"))


def test_a_restore_that_is_killed_is_noted_and_no_platform(platform: Checkout, backup: Path) -> None:
    environment = {**clean_environment(), **platform.env, "PWD": str(platform.root)}
    command = ["make", "restore", f"FILE={backup}"]
    with subprocess.Popen(
        command, cwd=platform.root, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        wait_for(lambda: any(platform.root.glob(".ports/*.restore")), "the note", 120)
        os.killpg(process.pid, signal.SIGKILL)
    words = f"make restore FILE={backup.relative_to(platform.root)}"
    assert "was interrupted" in platform.make("status")
    for command in (["up"], ["backup"], ["run-etl", "COLOR=green", "MONTHS=1"]):
        said = platform.make_fails(*command)
        assert "was interrupted, and platform" in said and words in said


def test_where_the_key_stayed_everything_is_back(platform: Checkout, backup: Path) -> None:
    assert "restored, and counted" in platform.make("restore", f"FILE={backup}")
    rows_of_the_file = platform.rows_in("green/green_tripdata_2021-01.csv.gz")
    assert rows(platform) == [[(rows_of_the_file,)], [(rows_of_the_file,)]]
    assert f"value: {SECRET}" in in_shell(platform, PRINT_BLOCK)
    assert "data/green/green_tripdata_2021-01.parquet" in in_shell(platform, OBJECTS)
    assert [run["state_type"] for run in platform.orion.call("flow_runs/filter", {})] == ["COMPLETED"]


def test_without_the_key_all_but_the_user_s_blocks_comes_back(platform: Checkout, backup: Path) -> None:
    platform.make("reset")
    key = key_of(platform, backup)
    key.rename(key.with_suffix(".elsewhere"))
    try:
        assert "which decrypts its blocks, is missing" in platform.make_fails("restore", f"FILE={backup}")
        printed = platform.make("restore", f"FILE={backup}", "SECRETS=no")
    finally:
        key.with_suffix(".elsewhere").rename(key)
    assert "not restored, because their key is missing: block api-token" in printed
    assert rows(platform)[0][0][0] > 0
    assert "Completed after" in platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")


def test_a_backup_of_the_other_runtime_is_refused(platform: Checkout, backup: Path) -> None:
    done = platform.run("make", "restore", f"FILE={backup}", RUNTIME="compose")
    assert done.returncode and "was made in runtime embedded; this is compose" in done.stdout
