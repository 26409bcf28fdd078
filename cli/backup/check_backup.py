"""The checks before a restore: of the backup's facts, its key, and the platform. They change nothing.

`cli.archive.archive.open_archive` has checked every byte of the file before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cli.archive import snapshots
from cli.archive.archive import BACKUP, Archive
from cli.backup import block_key
from cli.backup.backup import BIGQUERY, BUCKET, DATABASE, EMULATORS, KEY, emulator_snapshots, short_path
from cli.programs import ROOT
from cli.runtimes.runtime import Runtime, Stores
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError
from orionbox.orion import names

NOTHING_CHANGED = "nothing was changed"


def require_file(file: Path | None) -> Path:
    """Returns the path of the file that the user named.

    Raises:
        BadInputError: the user named none; the fix names the newest one.
    """
    if file:
        return ROOT / file
    newest = [short_path(path) for path in sorted(BACKUP.path.glob("*.tar"))[-1:]] or ["backups/NAME.tar"]
    raise BadInputError("no backup named", f"name one: make restore FILE={newest[0]}")


def require_compatible(backup: Archive, runtime: Runtime) -> None:
    """Refuses a backup of a newer version, another cloud or another runtime."""
    made_by, made_in = backup.manifest["orionbox"], backup.manifest["runtime"]
    made_with = backup.manifest.get("cloud", "emulators")  # backups of early versions lack this fact
    version, cloud = env_file.version(), runtime.settings["CLOUD"]
    name, typed = backup.path.name, short_path(backup.path)
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
    if KEY in backup.manifest["members"]:
        return backup.stream(KEY).read().decode()
    fingerprint = backup.manifest["key"]
    key = block_key.load(fingerprint)
    if key or without_blocks:
        return key
    file = short_path(block_key.key_file(fingerprint))
    raise BadInputError(
        f"{backup.path.name} was made without secrets, and {file}, which decrypts its blocks, is missing; "
        f"{NOTHING_CHANGED}",
        "copy that file from the checkout where the backup was made, or restore everything but the blocks that you "
        f"created yourself: make restore SECRETS=no FILE={short_path(backup.path)}",
    )


def require_empty(runtime: Runtime) -> None:
    """Refuses a platform that holds data of its user."""
    if not runtime.stores.has_data():
        return
    runtime.ensure_up()
    if found := [f"{count:,} {what}" for what, count in count_user_data(runtime) if count]:
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
    yield "rows in Postgres", sum(stores.database(DATABASE).count_rows().values())
    if emulator_snapshots(runtime.settings):
        yield "rows in BigQuery", sum(count_emulator_rows(stores, BIGQUERY).values())
        yield "objects in Cloud Storage", sum(count_emulator_rows(stores, BUCKET).values())


def _count(stores: Stores, from_clause: str) -> int:
    return int(stores.ask_orion(f"SELECT count(*) FROM {from_clause}")[0])


def count_emulator_rows(stores: Stores, snapshot: str) -> dict[str, int]:
    """Returns the rows that an emulator holds now, by table or bucket."""
    rows: dict[str, int] = snapshots.fetch_counts(stores.address(EMULATORS[snapshot][1]))["rows"]
    return rows


def require_space(backup: Archive, stores: Stores) -> None:
    """Refuses a backup that would not fit when it is unpacked.

    Raises:
        CommandError: the disk has less free space.
    """
    needed, free = _unpacked_size(backup), stores.free_space()
    if free < needed:
        raise CommandError(
            f"{backup.path.name} needs {needed / 1e9:,.2f} GB where the platform keeps its data, and "
            f"{free / 1e9:,.2f} GB are free; {NOTHING_CHANGED}",
            "free some space there",
        )


def _unpacked_size(backup: Archive) -> int:
    """Returns the bytes on disk that the manifest states; without that fact, the size of the members."""
    packed: int = sum(member["bytes"] for member in backup.manifest["members"].values())
    return max(int(backup.manifest.get("bytes", 0)), packed)
