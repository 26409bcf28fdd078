"""The checks before a restore: of the backup's facts, its key, and the platform. They change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cli import messages
from cli.archive import snapshots
from cli.archive.archive import BACKUP, Archive
from cli.backup import block_key
from cli.backup.backup import (
    BIGQUERY,
    BUCKET,
    DATABASE,
    EMULATORS,
    KEY,
    ORION,
    WAREHOUSE,
    emulator_snapshots,
    short_path,
)
from cli.programs import ROOT
from cli.runtimes.runtime import Runtime, Stores
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError, printable
from orionbox.flow_settings import COURSE_DATASET
from orionbox.orion import names
from orionbox.trips.months import table_name
from orionbox.trips.schema import COLUMNS

NOTHING_CHANGED = "nothing was changed"
WHAT_IT_BRINGS = "brings deployments, functions and tables, which can run programs in this platform"
ORION_MEMBERS = {"compose": "orion.dump", "embedded": "orion.sqlite.gz"}
"""The snapshot of Orion's state, by runtime."""
WAREHOUSE_MEMBER = "warehouse.dump"
ORION_TABLES = {
    "variable": "variables",
    "concurrency_limit": "concurrency limits",
    "saved_search": "saved searches",
    "flow_run_notification_policy": "notifications",
    "automation": "automations",
}
"""Orion's tables that are empty until a user writes to them."""
FACTS = ("runtime", "made", "key", "rows")
"""What every backup's manifest has, besides what `cli.archive.manifest` requires."""
LARGEST_KEY = 100
"""Bytes."""
LOADED_MONTHS = "loaded_months"
"""The table of `orionbox.stores.bigquery`, which this program cannot import: it needs Google's clients."""
SHOWN = 3
"""How many definitions a message names."""


def require_file(file: Path | None) -> Path:
    """Returns the path of the file that the user named.

    Raises:
        BadInputError: the user named none; the fix names the newest one.
    """
    if file:
        return ROOT / file
    newest = [short_path(path) for path in sorted(BACKUP.path.glob("*.tar"))[-1:]] or ["backups/NAME.tar"]
    raise BadInputError("no backup named", f"name one: make restore FILE={newest[0]}")


def check_facts(backup: Archive, runtime: Runtime, is_confirmed: bool) -> None:
    """Refuses a backup by its manifest alone, before anything of its content is read.

    Raises:
        BadInputError: it does not fit this platform, or a stranger made it and the user does not trust him.
        CommandError: its content would not fit on the disk.
    """
    require_facts(backup)
    require_compatible(backup, runtime)
    require_members(backup)
    command = f"make restore FILE={short_path(backup.path)}"
    messages.confirm_stranger(backup, is_confirmed, WHAT_IT_BRINGS, command)
    runtime.build()
    require_space(backup, runtime.stores)


def require_facts(backup: Archive) -> None:
    """Refuses a backup whose manifest lacks a fact."""
    if missing := [name for name in FACTS if name not in backup.manifest]:
        raise BadInputError(f"{backup.shown_name} is damaged: its manifest lacks {missing[0]}; {NOTHING_CHANGED}")


def require_members(backup: Archive) -> None:
    """Refuses a backup that lacks a snapshot, or has one that backups of its runtime and cloud do not have."""
    emulators = EMULATORS if backup.manifest.get("cloud", "emulators") == "emulators" else {}
    members = {ORION_MEMBERS[backup.manifest["runtime"]], WAREHOUSE_MEMBER, *(f"{name}.tar.gz" for name in emulators)}
    wrong = members ^ (backup.manifest["members"].keys() - {KEY})
    wrong |= {ORION, WAREHOUSE, *emulators} ^ backup.manifest["rows"].keys()
    if wrong:
        raise BadInputError(
            f"{backup.shown_name} is damaged: it lacks, or should not have: {', '.join(sorted(wrong))}; "
            f"{NOTHING_CHANGED}"
        )


def require_compatible(backup: Archive, runtime: Runtime) -> None:
    """Refuses a backup of a newer version, another cloud or another runtime."""
    made_by, made_in = backup.manifest["orionbox"], backup.manifest["runtime"]
    made_with = backup.manifest.get("cloud", "emulators")  # backups of early versions lack this fact
    version, cloud = env_file.version(), runtime.settings["CLOUD"]
    name, typed = backup.shown_name, short_path(backup.path)
    if _numbers(made_by) > _numbers(version):
        raise BadInputError(
            f"{name} was made by Orionbox {made_by}; this is {version}; {NOTHING_CHANGED}",
            f"restore it with Orionbox {made_by} or newer",
        )
    if made_with != cloud:
        raise BadInputError(
            f"{name} was made with CLOUD={made_with}; this is CLOUD={cloud}; {NOTHING_CHANGED}",
            f"restore it with: make restore CLOUD={made_with} FILE={typed}",
        )
    if made_in != runtime.name:
        raise BadInputError(
            f"{name} was made in runtime {made_in}; this is {runtime.name}, which keeps Orion's state in another "
            f"kind of database; {NOTHING_CHANGED}",
            f"restore it with: make restore RUNTIME={made_in} FILE={typed}",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def find_key(backup: Archive, without_blocks: bool) -> str:
    """Returns the key of the backup's blocks; empty if it is missing and `without_blocks` allows that.

    Raises:
        BadInputError: the key is neither in the backup nor in secrets/.
    """
    fingerprint = backup.manifest["key"]
    if KEY in backup.manifest["members"]:
        key = backup.stream(KEY).read(LARGEST_KEY).decode("ascii", "replace")
        if not block_key.is_valid(key) or block_key.fingerprint(key) != fingerprint:
            raise BadInputError(
                f"{backup.shown_name} is damaged: {KEY} is not the key of its blocks; {NOTHING_CHANGED}"
            )
        return key
    key = block_key.load(fingerprint)
    file = short_path(block_key.key_file(fingerprint))
    if key and not block_key.is_valid(key):
        raise BadInputError(f"{file} is not a key of Orion's blocks; {NOTHING_CHANGED}", "copy that file again")
    if key or without_blocks:
        return key
    raise BadInputError(
        f"{backup.shown_name} was made without secrets, and {file}, which decrypts its blocks, is missing; "
        f"{NOTHING_CHANGED}",
        "copy that file from the checkout where the backup was made, or restore everything but the blocks that you "
        f"created yourself: make restore SECRETS=no FILE={short_path(backup.path)}",
    )


def require_empty(runtime: Runtime) -> None:
    """Refuses a platform that holds data of its user."""
    if not runtime.stores.has_data():
        return
    runtime.ensure_up()
    if found := [*(f"{count:,} {what}" for what, count in count_user_data(runtime) if count), *definitions(runtime)]:
        raise BadInputError(
            f"platform {runtime.settings.platform} is not empty ({', '.join(found)}), and a restore would replace "
            f"that; {NOTHING_CHANGED}",
            "save it with: make backup; then delete it with: make reset",
        )


def count_user_data(runtime: Runtime) -> Iterator[tuple[str, int]]:
    """Counts what the user has created in the platform."""
    stores = runtime.stores
    own_blocks, own_flows = (str(own) for own in (names.BLOCKS, names.FLOWS))
    yield "runs in Orion", _count(stores, "flow_run")
    yield "blocks of your own", _count(stores, f"block_document WHERE NOT is_anonymous AND name NOT IN {own_blocks}")
    yield "flows of your own", _count(stores, f"flow WHERE name NOT IN {own_flows}")
    own_deployments = str(tuple(name.partition("/")[2] for name in names.DEPLOYMENTS))
    yield "deployments of your own", _count(stores, f"deployment WHERE name NOT IN {own_deployments}")
    yield "work pools of your own", _count(stores, f"work_pool WHERE name <> '{names.POOL}'")
    yield "work queues of your own", _count(stores, f"work_queue WHERE name <> '{names.QUEUE}'")
    for table, what in ORION_TABLES.items():
        yield what, _count(stores, table)
    yield "rows in Postgres", sum(stores.database(DATABASE).count_rows().values())
    if emulator_snapshots(runtime.settings):
        yield "rows in BigQuery", sum(count_emulator_rows(stores, BIGQUERY).values())
        yield "objects in Cloud Storage", sum(count_emulator_rows(stores, BUCKET).values())


def definitions(runtime: Runtime) -> Iterator[str]:
    """Describes what the user has defined in the stores beside rows, such as views and empty tables and buckets."""
    stores, flows = runtime.stores, runtime.settings.flow_settings
    own = [table_name(color) for color in COLUMNS]
    if found := stores.database(DATABASE).definitions(own):
        yield f"{len(found):,} definitions in Postgres: {_some(found)}"
    if not emulator_snapshots(runtime.settings):
        return
    ours = {f"{flows.project}.{name}" for name in (flows.dataset, COURSE_DATASET)}
    ours |= {f"{flows.project}.{flows.dataset}.{name}" for name in (*own, LOADED_MONTHS)}
    bigquery = _ask_emulator(stores, BIGQUERY)
    if found := sorted({*bigquery["rows"], *bigquery.get("definitions", [])} - ours):
        yield f"tables, views and datasets of your own in BigQuery: {_some(found)}"
    if buckets := sorted(_ask_emulator(stores, BUCKET)["rows"].keys() - {flows.bucket}):
        yield f"buckets of your own: {_some(buckets)}"


def _some(found: Sequence[str]) -> str:
    """Lists the first of what was found."""
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return printable(", ".join(found[:SHOWN])) + more


def _count(stores: Stores, from_clause: str) -> int:
    return int(stores.ask_orion(f"SELECT count(*) FROM {from_clause}")[0])


def count_emulator_rows(stores: Stores, snapshot: str) -> dict[str, int]:
    """Returns the rows that an emulator holds now, by table or bucket."""
    return dict(_ask_emulator(stores, snapshot)["rows"])


def _ask_emulator(stores: Stores, snapshot: str) -> dict[str, Any]:
    return snapshots.fetch_counts(stores.address(EMULATORS[snapshot][1]))


def require_space(backup: Archive, stores: Stores) -> None:
    """Refuses a backup that would not fit when it is unpacked.

    Raises:
        CommandError: the disk has less free space.
    """
    needed, free = _unpacked_size(backup), stores.free_space()
    if free < needed:
        raise CommandError(
            f"{backup.shown_name} needs {needed / 1e9:,.2f} GB where the platform keeps its data, and "
            f"{free / 1e9:,.2f} GB are free; {NOTHING_CHANGED}",
            "free some space there",
        )


def _unpacked_size(backup: Archive) -> int:
    """Returns the bytes on disk that the manifest states; without that fact, the size of the members."""
    members = backup.manifest["members"].values()
    unpacked: int = sum(facts.get("unpacked", facts["bytes"]) for facts in members)
    return max(int(backup.manifest.get("bytes", 0)), unpacked)
