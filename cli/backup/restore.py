"""`make restore FILE=`: a backup back into an empty platform. Nothing is touched before all of the file is checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ctl import archive, block_key, cloud, dotenv, snapshots
from ctl.archive import Archive
from ctl.backup import BIGQUERY, BUCKET, DATABASE, KEY, ORION, SERVICES, WAREHOUSE, Rows, contents, served, version
from ctl.orion import Orion
from ctl.runtime import STORES, Runtime, Stores
from ctl.shell import ROOT, CommandError, say
from orionbox import names
from orionbox.errors import BadInputError
from orionbox.states import ACTIVE

UNFINISHED = f"state_type IN {ACTIVE}"
"""In SQL, of which Python's tuple of texts happens to have the form."""
CRASHED = {
    "type": "CRASHED",
    "message": "It was running when the backup was made that this platform was restored from. Start it again.",
}
RUNS = ("flow_run", "task_run")


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


def _file() -> Path:
    if name := os.environ.get("FILE", ""):
        return Path(name).expanduser()  # commands run at the top of the checkout
    found = sorted((ROOT / "backups").glob("*.tar"))
    newest = f"; the newest is FILE={found[-1].relative_to(ROOT)}" if found else ""
    raise BadInputError(f"say which backup: make restore FILE=backups/name.tar{newest}")


# --- before anything is touched ---


def _require_fit(backup: Archive, runtime: str) -> None:
    made_by, made_in = backup.manifest["orionbox"], backup.manifest["runtime"]
    if _numbers(made_by) > _numbers(version()):
        raise BadInputError(
            f"{backup.path.name} was made by Orionbox {made_by}, and this is {version()}: restore it with {made_by} or "
            "newer; nothing was changed"
        )
    made_on, here = backup.manifest.get("cloud", "emulators"), cloud.settings().cloud
    if made_on != here:
        raise BadInputError(
            f"{backup.path.name} was made with CLOUD={made_on}, and this is CLOUD={here}: make restore CLOUD={made_on} "
            "FILE=...; nothing was changed"
        )
    if made_in != runtime:
        raise BadInputError(
            f"{backup.path.name} was made in runtime {made_in}, and this is {runtime}, which keeps Orion's state in "
            f"another kind of database: make restore RUNTIME={made_in} FILE=...; nothing was changed"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _key(backup: Archive) -> str:
    """The key of the backup's blocks; empty where the user does without."""
    if KEY in backup.manifest["members"]:
        return backup.stream(KEY).read().decode()
    name = backup.manifest["key"]
    key = block_key.kept(name)
    if key or os.environ.get("SECRETS") == "no":
        return key
    file = block_key.file_of(name).relative_to(ROOT)
    raise BadInputError(
        f"{backup.path.name} was made without secrets, and {file}, which opens the blocks in it, is not here: copy "
        "that file from the checkout where the backup was made, or restore all but the blocks that you made yourself, "
        "with SECRETS=no; nothing was changed"
    )


def _require_empty(runtime: Runtime, stores: Stores) -> None:
    """Refuses a platform that holds anything but what its first start has made."""
    if not stores.has_data():
        return
    runtime.ensure_up()
    if held := [f"{count:,} {what}" for what, count in _held(stores) if count]:
        raise BadInputError(
            f"platform {dotenv.load()['COMPOSE_PROJECT_NAME']} is not empty ({', '.join(held)}), and a restore would "
            "replace that: delete it with make reset, after a make backup if you want it back; nothing was changed"
        )


def _held(stores: Stores) -> Iterator[tuple[str, int]]:
    own_blocks, own_flows = (str(own) for own in (names.BLOCKS, names.FLOWS))
    yield "runs in Orion", _count(stores, "flow_run")
    yield "blocks of your own", _count(stores, f"block_document WHERE NOT is_anonymous AND name NOT IN {own_blocks}")
    yield "flows of your own", _count(stores, f"flow WHERE name NOT IN {own_flows}")
    yield "rows in Postgres", sum(stores.database(DATABASE).rows().values())
    if served():
        yield "rows in BigQuery", sum(_live(stores, BIGQUERY).values())
        yield "objects in Cloud Storage", sum(_live(stores, BUCKET).values())


def _count(stores: Stores, what: str) -> int:
    return int(stores.ask_orion(f"SELECT count(*) FROM {what}")[0])


def _live(stores: Stores, part: str) -> dict[str, int]:
    rows: dict[str, int] = snapshots.live(stores.address(SERVICES[part][1]))["rows"]
    return rows


def _require_space(backup: Archive, stores: Stores) -> None:
    """Refuses where what the backup takes when it is unpacked would not fit.

    Raises:
        CommandError: it would not.
    """
    needed, free = _unpacked(backup), stores.free_space()
    if free < needed:
        raise CommandError(
            f"{backup.path.name} needs {needed / 1e9:,.2f} GB where the platform keeps its data, and "
            f"{free / 1e9:,.2f} GB are free: make room there; nothing was changed"
        )


def _unpacked(backup: Archive) -> int:
    """Bytes on disk, as noted when it was made; a backup without that note takes at least what is in it."""
    packed: int = sum(member["bytes"] for member in backup.manifest["members"].values())
    return max(int(backup.manifest.get("bytes", 0)), packed)


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
