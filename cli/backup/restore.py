"""`make restore FILE=`: a backup back into an empty platform. Nothing is touched before all of the file is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from cli.archive import archive
from cli.archive.archive import Archive
from cli.backup import block_key
from cli.backup.backup import DATABASE, KEY, ORION, WAREHOUSE, Rows, contents, served
from cli.backup.check_backup import RUNS, UNFINISHED, _file, _key, _live, _require_empty, _require_fit, _require_space
from cli.programs import say
from cli.runtimes.choose import STORES
from cli.runtimes.runtime import Runtime, Stores
from orionbox.errors import CommandError
from orionbox.orion import names
from orionbox.orion.client import Orion

CRASHED = {
    "type": "CRASHED",
    "message": "It was running when the backup was made that this platform was restored from. Start it again.",
}


def restore(runtime: Runtime) -> int:
    """Restores FILE, and compares what is there afterwards with what was there then."""
    with archive.opened(_file()) as backup:
        _require_fit(backup, runtime.NAME)
        runtime.build()
        stores, key = STORES[runtime.NAME], _key(backup)
        _require_empty(runtime, stores)
        _require_space(backup, stores)
        say(f"restoring {backup.path.name}, made {backup.manifest['made']}")
        with _all_or_nothing(stores):
            unfinished = _fill(backup, stores, key)
        runtime.up()
        _crash(Orion(runtime.orion_url()), unfinished)
        _require_same_rows(backup.manifest["rows"], stores)
        say(f"\nrestored, and counted:\n{contents(backup.manifest['rows'])}")
    return 0


# --- before anything is touched ---


# --- the restore itself ---


@contextmanager
def _all_or_nothing(stores: Stores) -> Iterator[None]:
    stores.clear()
    try:
        yield
    except BaseException:
        stores.clear()
        say("the restore failed: the platform is as empty as it was before")
        raise


def _fill(backup: Archive, stores: Stores, key: str) -> dict[str, list[str]]:
    """Fills the stores, which do not run; what ran at the time of the backup, by kind."""
    stores.start_databases()
    stores.put_orion(_content(backup, ORION))
    if key:
        block_key.put(stores, key)
    else:
        _drop_blocks(stores)
    unfinished = {kind: stores.ask_orion(f"SELECT id FROM {kind} WHERE {UNFINISHED}") for kind in RUNS}
    stores.database(DATABASE).restore(_content(backup, WAREHOUSE))
    stores.stop_databases()
    for part, (service, _) in served().items():
        stores.unpack(service, _content(backup, part))
    return unfinished


def _content(backup: Archive, part: str) -> IO[bytes]:
    """The content of the part's member, whatever its form."""
    (name,) = (name for name in backup.manifest["members"] if name != KEY and name.startswith(f"{part}."))
    return backup.stream(name)


def _drop_blocks(stores: Stores) -> None:
    """Deletes the blocks, which nobody can open; not what refers to them. The platform's own are made again by `up`."""
    own = str(names.BLOCKS)
    lost = stores.ask_orion(f"SELECT name FROM block_document WHERE NOT is_anonymous AND name NOT IN {own}")
    stores.ask_orion(
        "UPDATE deployment SET infrastructure_document_id = NULL, storage_document_id = NULL;"
        "UPDATE flow_run SET infrastructure_document_id = NULL;"
        "DELETE FROM block_document"
    )
    if lost:
        say(f"not restored, as their key is not here: block {', '.join(lost)}; make them again in Orion")


def _crash(orion: Orion, unfinished: dict[str, list[str]]) -> None:
    """Ends what nothing works on any more."""
    for kind, ids in unfinished.items():
        for id_ in ids:
            orion.call(f"{kind}s/{id_}/set_state", {"state": CRASHED, "force": True})
    if runs := unfinished["flow_run"]:
        say(f"{len(runs)} runs were under way when the backup was made: they are Crashed now")


def _require_same_rows(then: Rows, stores: Stores) -> None:
    """Compares every table and bucket with the manifest; what the platform's start has added is empty."""
    now = {WAREHOUSE: stores.database(DATABASE).rows(), **{part: _live(stores, part) for part in served()}}
    wrong = [
        f"{part} {table}: {rows:,} rows in the backup, {now[part].get(table, 0):,} here"
        for part in now
        for table, rows in then[part].items()
        if now[part].get(table, 0) != rows
    ]
    if wrong:
        raise CommandError("not all of it has come back:\n  " + "\n  ".join(wrong))
