"""`restore`: fills an empty platform from a backup, after checking both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cli.archive import archive
from cli.archive.archive import Archive
from cli.backup import block_key, check_backup
from cli.backup.backup import DATABASE, KEY, ORION, WAREHOUSE, Rows, describe_rows, emulator_snapshots
from cli.programs import say
from cli.runtimes.runtime import Runtime, Stores, orion_url
from orionbox.errors import CommandError
from orionbox.files import report_file_errors
from orionbox.orion import names
from orionbox.orion.client import Orion
from orionbox.orion.states import ACTIVE

RUN_TABLES = ("flow_run", "task_run")
IS_UNFINISHED = f"state_type IN {ACTIVE}"
"""A condition in SQL. Python prints a tuple of strings in the form of an SQL list."""
CRASHED = {
    "type": "CRASHED",
    "message": "This run was in progress when the backup was made. Start it again.",
}


def restore(runtime: Runtime, file: Path | None, without_blocks: bool) -> int:
    """Restores a backup, and compares the platform with it.

    Raises:
        BadInputError: the backup does not match the platform, or the platform is not empty; nothing has changed.
        CommandError: a store refused its snapshot, or the disk is full; the platform is empty.
    """
    with archive.open_archive(check_backup.require_file(file)) as backup:
        check_backup.require_compatible(backup, runtime)
        runtime.build()
        key = check_backup.find_key(backup, without_blocks)
        check_backup.require_empty(runtime)
        check_backup.require_space(backup, runtime.stores)
        say(f"restoring {backup.path.name}, made {backup.manifest['made']}")
        with report_file_errors("nothing was restored"), _empty_after_failure(runtime.stores):
            unfinished = _fill(backup, runtime, key)
        runtime.up()
        _crash(Orion(orion_url(runtime.settings)), unfinished)
        _require_same_rows(backup.manifest["rows"], runtime)
        say(f"\nrestored, and counted:\n{describe_rows(backup.manifest['rows'])}")
    return 0


@contextmanager
def _empty_after_failure(stores: Stores) -> Iterator[None]:
    """Empties the stores, and does so again if the restore fails."""
    stores.clear()
    try:
        yield
    except BaseException:
        stores.clear()
        say("the restore failed: the platform is empty again")
        raise


def _fill(backup: Archive, runtime: Runtime, key: str) -> dict[str, list[str]]:
    """Fills the stores, which are not running; returns the ids of unfinished runs by table."""
    stores = runtime.stores
    stores.start_databases()
    stores.put_orion(_content(backup, ORION))
    if key:
        block_key.put(stores, key)
    else:
        _delete_blocks(stores)
    unfinished = {table: stores.ask_orion(f"SELECT id FROM {table} WHERE {IS_UNFINISHED}") for table in RUN_TABLES}
    stores.database(DATABASE).restore(_content(backup, WAREHOUSE))
    stores.stop_databases()
    for name, (service, _) in emulator_snapshots(runtime.settings).items():
        stores.unpack(service, _content(backup, name))
    return unfinished


def _content(backup: Archive, snapshot: str) -> IO[bytes]:
    """Opens the member of a snapshot; its extension depends on the runtime."""
    (name,) = (name for name in backup.manifest["members"] if name != KEY and name.startswith(f"{snapshot}."))
    return backup.stream(name)


def _delete_blocks(stores: Stores) -> None:
    """Deletes the blocks, which cannot be decrypted, and the references to them. `up` creates the platform's again."""
    own = str(names.BLOCKS)
    lost = stores.ask_orion(f"SELECT name FROM block_document WHERE NOT is_anonymous AND name NOT IN {own}")
    stores.ask_orion(
        "UPDATE deployment SET infrastructure_document_id = NULL, storage_document_id = NULL;"
        "UPDATE flow_run SET infrastructure_document_id = NULL;"
        "DELETE FROM block_document"
    )
    if lost:
        say(f"not restored, because their key is missing: block {', '.join(lost)}; create them again in Orion")


def _crash(orion: Orion, unfinished: dict[str, list[str]]) -> None:
    """Marks the unfinished runs as crashed."""
    for table, ids in unfinished.items():
        for id_ in ids:
            orion.call(f"{table}s/{id_}/set_state", {"state": CRASHED, "force": True})
    if runs := unfinished["flow_run"]:
        say(f"marked {len(runs)} runs as Crashed that were in progress when the backup was made")


def _require_same_rows(backup: Rows, runtime: Runtime) -> None:
    """Compares every table and bucket of the backup with the platform."""
    stores = runtime.stores
    here = {name: check_backup.count_emulator_rows(stores, name) for name in emulator_snapshots(runtime.settings)}
    here[WAREHOUSE] = stores.database(DATABASE).count_rows()
    different = [
        f"{name} {table}: {count:,} rows in the backup, {here[name].get(table, 0):,} here"
        for name in here
        for table, count in backup[name].items()
        if here[name].get(table, 0) != count
    ]
    if different:
        raise CommandError("\n  ".join(["the restored platform differs from the backup:", *different]))
