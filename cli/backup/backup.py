"""`backup`: writes everything that a platform holds into one file, while the platform is running.

It opens four snapshots right after one another, and only then reads them: Orion first, then Postgres, BigQuery and the
bucket. So every run that Orion calls completed is in the stores' snapshots, and every loaded month is in the bucket's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

from cli.archive import dumps, snapshots
from cli.archive.archive import BACKUP, ArchiveWriter, require_space
from cli.backup import block_key
from cli.programs import ROOT, say
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.errors import BadInputError
from orionbox.files import report_file_errors, unused_file

ORION, WAREHOUSE, BIGQUERY, BUCKET = "orion", "warehouse", "bigquery", "bucket"
"""The snapshots; their members are named NAME.EXTENSION."""
EMULATORS = {BIGQUERY: ("bigquery", "BIGQUERY_PORT"), BUCKET: ("gcs", "GCS_PORT")}
"""The snapshots that an emulator makes: its service and its port. With CLOUD=gcp there are none."""
KEY = "orion.key"
"""The member with the key of Orion's blocks; only a backup with secrets has it."""
DATABASE = "ny_taxi"
Rows = dict[str, dict[str, int]]
"""Rows by snapshot and table."""


def write_backup(runtime: Runtime, with_secrets: bool, target: Path | None) -> int:
    """Writes a backup.

    Args:
        runtime: the platform; this starts its stores if they are not running, and needs nothing else of it.
        with_secrets: whether the key of Orion's blocks goes into the file.
        target: the file; None for a new one in backups/.

    Raises:
        BadInputError: `target` exists or is being written, or its folder does not exist.
        CommandError: a store does not answer, or the disk is full.
    """
    folder = _check_target(target) if target else BACKUP.create_folder()
    runtime.ensure_stores()
    start, key = time.monotonic(), block_key.read(runtime.stores)
    facts = _facts(runtime, key)
    require_space(folder, facts["bytes"])
    names = [ROOT / target] if target else _names(runtime.settings)
    with report_file_errors("no backup was made, and no file is left"):
        with unused_file(names) as (file, content):
            rows = _write(ArchiveWriter(content), runtime, facts, key if with_secrets else "")
    size, seconds = file.stat().st_size / 1e6, time.monotonic() - start
    say(f"{short_path(file)}: {size:,.1f} MB, made in {seconds:.1f} s while the platform was running")
    say(describe_rows(rows))
    say(_describe_secrets(with_secrets, key))
    return 0


def emulator_snapshots(settings: Settings) -> dict[str, tuple[str, str]]:
    """Returns those of EMULATORS that the platform has."""
    return {} if settings.is_real_cloud else EMULATORS


def short_path(file: Path) -> str:
    """Returns a path for a message, without the checkout's own path if the file is in it."""
    return str(file.relative_to(ROOT) if ROOT in file.parents else file)


def _check_target(target: Path) -> Path:
    """Returns the folder of `target`, after checking that a new file can be written there."""
    file = ROOT / target
    if file.exists():
        raise BadInputError(f"{target} exists", "choose another name, or delete it first")
    if not file.parent.is_dir():
        raise BadInputError(f"{target}: there is no folder {target.parent}", "create that folder first")
    if not os.access(file.parent, os.W_OK):
        raise BadInputError(f"{target}: you may not write into {target.parent}", "choose another folder")
    return file.parent


def _names(settings: Settings) -> Iterator[Path]:
    """Yields the paths in backups/ for a backup of this second, the preferred one first."""
    name = f"{settings.platform}-{datetime.now():%Y-%m-%d-%H%M%S}"
    return (BACKUP.path / (f"{name}.tar" if number == 1 else f"{name}-{number}.tar") for number in count(1))


def _facts(runtime: Runtime, key: str) -> dict[str, Any]:
    """Returns the facts for the manifest; `bytes` is what all stores take on disk."""
    stores, settings = runtime.stores, runtime.settings
    addresses = [stores.address(port) for _, port in emulator_snapshots(settings).values()]
    by_emulators = sum(snapshots.fetch_counts(address)["bytes"] for address in addresses)
    return {
        "orionbox": env_file.version(),
        "platform": settings.platform,
        "runtime": runtime.name,
        "cloud": settings["CLOUD"],
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "key": block_key.fingerprint(key),
        "bytes": stores.size_of_orion() + stores.database(DATABASE).size() + by_emulators,
    }


def _write(writer: ArchiveWriter, runtime: Runtime, facts: dict[str, Any], key: str) -> Rows:
    """Writes all snapshots, the key unless it is empty, and the manifest; returns the rows written."""
    rows, of_snapshots = Rows(), dict[str, Any]()
    with ExitStack() as stack:
        with waiting_for("the stores to fix their state for the backup"):
            opened = [stack.enter_context(opening) for opening in _snapshots(runtime)]
        for snapshot in opened:
            with waiting_for(f"{snapshot.name} of the backup"):
                writer.add(snapshot.name, snapshot.write)
            name = snapshot.name.partition(".")[0]
            rows[name] = snapshot.rows
            if name == WAREHOUSE:
                of_snapshots[name] = snapshot.facts
    if key:
        writer.add_bytes(KEY, key.encode())
    writer.finish({**facts, **of_snapshots, "rows": rows})
    return rows


def _snapshots(runtime: Runtime) -> Iterator[AbstractContextManager[snapshots.Snapshot]]:
    stores = runtime.stores
    yield stores.orion()
    yield dumps.dump(f"{WAREHOUSE}.dump", stores.database(DATABASE))
    for name, (_, port) in emulator_snapshots(runtime.settings).items():
        yield snapshots.download_emulator(f"{name}.tar.gz", stores.address(port))


def describe_rows(rows: Rows) -> str:
    """Describes what a backup holds, a line for each snapshot."""
    orion = rows[ORION]
    lines = [
        f"  Orion          {orion.get('flow_run', 0):,} runs, {orion.get('deployment', 0):,} deployments",
        f"  Postgres       {_total(rows[WAREHOUSE])}",
    ]
    if BIGQUERY not in rows:
        return "\n".join([*lines, "  BigQuery and Cloud Storage are not included: they stay at Google"])
    lines.append(f"  BigQuery       {_total(rows[BIGQUERY])}")
    return "\n".join([*lines, f"  Cloud Storage  {sum(rows[BUCKET].values()):,} objects"])


def _total(rows: dict[str, int]) -> str:
    return f"{sum(rows.values()):,} rows in {len(rows)} tables"


def _describe_secrets(with_secrets: bool, key: str) -> str:
    if with_secrets:
        return "with secrets: anyone who has this file can read every block in it, and restore it anywhere"
    saved = short_path(block_key.save(key))
    return f"without secrets: only {saved} decrypts its blocks; keep that file, or make a backup with SECRETS=yes"
