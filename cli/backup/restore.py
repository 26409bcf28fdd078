"""`restore`: fills an empty platform from a backup, after checking both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cli.archive import archive
from cli.archive.archive import Archive
from cli.backup import block_key, check_backup
from cli.backup.backup import DATABASE, KEY, ORION, WAREHOUSE, describe_rows, emulator_snapshots, short_path
from cli.programs import say
from cli.runtimes import restore_note
from cli.runtimes.restore_note import RestoreNote
from cli.runtimes.runtime import Runtime, Stores, orion_url
from orionbox.errors import CommandError, printable
from orionbox.files import report_file_errors
from orionbox.orion import names
from orionbox.orion.client import Orion, RefusedError
from orionbox.orion.states import ACTIVE

RUN_TABLES = ("flow_run", "task_run")
IS_UNFINISHED = f"state_type IN {ACTIVE}"
"""A condition in SQL. Python prints a tuple of strings in the form of an SQL list."""
CRASHED = {
    "type": "CRASHED",
    "message": "This run was in progress when the backup was made. Start it again.",
}


def restore(runtime: Runtime, file: Path | None, without_blocks: bool, is_confirmed: bool = False) -> int:
    """Restores a backup, and compares the platform with it.

    Args:
        runtime: the platform.
        file: the backup; None if the user named none.
        without_blocks: whether to restore the rest if the key of the blocks is missing.
        is_confirmed: whether to restore a file that this checkout has not made, without asking.

    Raises:
        BadInputError: the backup does not match the platform, or the platform is not empty; nothing has changed.
        CommandError: a store refused its snapshot, or the disk is full; the platform is empty.
    """
    path = check_backup.require_file(file)
    interrupted = restore_note.read(runtime)
    check = partial(check_backup.check_facts, runtime=runtime, is_confirmed=is_confirmed)
    with archive.open_archive(path, check=check) as backup:
        key = check_backup.find_key(backup, without_blocks)
        if interrupted and interrupted.is_filled:
            restore_note.require_none(runtime)
        if not interrupted:  # whose platform holds nothing but a part of a backup
            check_backup.require_empty(runtime)
        say(f"restoring {backup.shown_name}, made {backup.manifest['made']}")
        note = RestoreNote(printable(short_path(path)), rows=backup.manifest["rows"])
        with restore_note.under_way(runtime, note) as under_way:
            with report_file_errors("nothing was restored"), _empty_after_failure(runtime):
                note.unfinished = _fill(backup, runtime, key)
            note.is_filled = True
            under_way.save()
            complete(runtime, note)
    return 0


def complete(runtime: Runtime, note: RestoreNote) -> None:
    """Starts a platform whose stores have been filled, and compares it with the backup.

    Raises:
        CommandError: the platform holds other rows than the backup recorded.
    """
    try:
        runtime.up()
        _crash(Orion(orion_url(runtime.settings)), note.unfinished)
    except BaseException:
        say(f"\n{note.describe(runtime.settings.platform)}; after the reason below is gone, {note.fix}")
        raise
    restore_note.remove(runtime)
    _require_same_rows(note, runtime)
    say(f"\nrestored, and counted:\n{describe_rows(note.rows)}")


def start_or_complete(runtime: Runtime) -> None:
    """Starts the platform; completes a restore that has filled it, and refuses one that has filled only a part."""
    note = restore_note.read(runtime)
    if note and note.is_filled:
        complete(runtime, note)
        return
    restore_note.require_none(runtime)
    runtime.up()


@contextmanager
def _empty_after_failure(runtime: Runtime) -> Iterator[None]:
    """Empties the stores, and does so again if the restore fails; if that fails as well, the note stays."""
    try:
        runtime.stores.clear()
        yield
    except BaseException:
        runtime.stores.clear()
        restore_note.remove(runtime)
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
    warehouse = stores.database(DATABASE)
    warehouse.restore(_content(backup, WAREHOUSE))
    for line in warehouse.restore_facts(backup.manifest.get(WAREHOUSE, {})):
        say(f"not restored in Postgres: {line}")
    stores.stop_databases()
    for name, (service, _) in emulator_snapshots(runtime.settings).items():
        stores.unpack(service, _content(backup, name))
    return unfinished


def _content(backup: Archive, snapshot: str) -> IO[bytes]:
    """Opens the member of a snapshot, whose extension depends on the runtime; `check_backup` has seen exactly one."""
    (name,) = (name for name in backup.manifest["members"] if name != KEY and name.partition(".")[0] == snapshot)
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
        shown = printable(", ".join(lost))
        say(f"not restored, because their key is missing: block {shown}; create them again in Orion")


def _crash(orion: Orion, unfinished: dict[str, list[str]]) -> None:
    """Marks the unfinished runs as crashed."""
    for table, ids in unfinished.items():
        for id_ in ids:
            try:
                orion.call(f"{table}s/{quote(id_, safe='')}/set_state", {"state": CRASHED, "force": True})
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:  # somebody has deleted it meanwhile
                    raise
    if runs := unfinished["flow_run"]:
        say(f"marked {len(runs)} runs as Crashed that were in progress when the backup was made")


def _require_same_rows(note: RestoreNote, runtime: Runtime) -> None:
    """Compares every table and bucket of the backup with the platform."""
    stores = runtime.stores
    here = {name: check_backup.count_emulator_rows(stores, name) for name in emulator_snapshots(runtime.settings)}
    warehouse = stores.database(DATABASE)
    here[WAREHOUSE] = warehouse.count_rows()
    # Early versions counted those of materialized views, too; they are computed anew, perhaps from other rows
    computed = {WAREHOUSE: set(warehouse.materialized_views())}
    different = [
        printable(f"{name} {table}: {count:,} rows in the backup, {here[name].get(table, 0):,} here")
        for name in here
        for table, count in note.rows.get(name, {}).items()
        if here[name].get(table, 0) != count and table not in computed.get(name, ())
    ]
    if different:
        raise CommandError(
            "\n  ".join(["the restored platform is running, and differs from the backup:", *different]),
            f"all else of {note.file} is there; to try another backup: make reset, then make restore",
        )
