"""What a backup and the platform must be before a restore: nothing is touched before all of it is checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cli.archive import snapshots
from cli.archive.archive import Archive
from cli.backup import block_key
from cli.backup.backup import BIGQUERY, BUCKET, DATABASE, KEY, SERVICES, served
from cli.programs import ROOT
from cli.runtimes.runtime import Runtime, Stores
from cli.settings import env_file, settings
from cli.settings.env_file import version
from orionbox.errors import BadInputError, CommandError
from orionbox.orion import names
from orionbox.orion.states import ACTIVE

UNFINISHED = f"state_type IN {ACTIVE}"
"""In SQL, of which Python's tuple of texts happens to have the form."""
RUNS = ("flow_run", "task_run")


def _file() -> Path:
    if name := os.environ.get("FILE", ""):
        return Path(name).expanduser()  # commands run at the top of the checkout
    found = sorted((ROOT / "backups").glob("*.tar"))
    newest = f"; the newest is FILE={found[-1].relative_to(ROOT)}" if found else ""
    raise BadInputError(f"say which backup: make restore FILE=backups/name.tar{newest}")


def _require_fit(backup: Archive, runtime: str) -> None:
    made_by, made_in = backup.manifest["orionbox"], backup.manifest["runtime"]
    if _numbers(made_by) > _numbers(version()):
        raise BadInputError(
            f"{backup.path.name} was made by Orionbox {made_by}, and this is {version()}: restore it with {made_by} or "
            "newer; nothing was changed"
        )
    made_on, here = backup.manifest.get("cloud", "emulators"), settings.settings().cloud
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
            f"platform {env_file.load()['COMPOSE_PROJECT_NAME']} is not empty ({', '.join(held)}), and a restore would "
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
