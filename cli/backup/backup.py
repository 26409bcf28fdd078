"""`make backup`: all that a platform holds, in one file, made while it runs.

Four snapshots are opened right after one another, and only then read: Orion first, then the warehouse, BigQuery and
the bucket. So what Orion calls completed is in the stores' snapshots, and what is in a warehouse is in the bucket's.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timezone
from typing import Any

from cli.archive import archive, databases, snapshots
from cli.backup import block_key
from cli.programs import ROOT, say
from cli.runtimes.choose import STORES
from cli.runtimes.runtime import Runtime, Stores
from cli.settings import env_file, settings
from cli.settings.env_file import version
from orionbox.errors import BadInputError, CommandError

FOLDER = archive.BACKUP.path
ORION, WAREHOUSE, BIGQUERY, BUCKET = "orion", "warehouse", "bigquery", "bucket"
"""The parts of a backup: their members' names, up to the first dot."""
SERVICES = {BIGQUERY: ("bigquery", "BIGQUERY_PORT"), BUCKET: ("gcs", "GCS_PORT")}
"""The parts that an emulator hands out; the service and its port. What is at Google is Google's to keep."""
KEY = "orion.key"
"""The member with the key of Orion's blocks; only in a backup with secrets."""
DATABASE = "ny_taxi"
Rows = dict[str, dict[str, int]]
"""Rows by part and table."""


def make(runtime: Runtime) -> int:
    """Writes a backup; it appears under its name when it is whole, or not at all."""
    with_secrets = _secrets_wanted()
    runtime.ensure_up()
    stores, start = STORES[runtime.NAME], time.monotonic()
    held = _require_space(stores)
    key = block_key.read(stores)
    file = FOLDER / f"{env_file.load()['COMPOSE_PROJECT_NAME']}-{datetime.now():%Y-%m-%d-%H%M%S}.tar"
    with _a_full_disk_in_words(), archive.new_file(file) as target:
        rows = _write(
            archive.Writer(target),
            {"runtime": runtime.NAME, "cloud": settings.settings().cloud, "bytes": held},
            stores,
            key,
            with_secrets,
        )
    size, seconds = file.stat().st_size / 1e6, time.monotonic() - start
    say(f"{file.relative_to(ROOT)}: {size:,.1f} MB, made in {seconds:.1f} s while the platform ran\n{contents(rows)}")
    say(_about_secrets(with_secrets, key))
    return 0


def served() -> dict[str, tuple[str, str]]:
    """The parts of SERVICES that this platform has."""
    return {} if settings.is_real() else SERVICES


def _secrets_wanted() -> bool:
    answers = {"": False, "no": False, "yes": True}
    answer = os.environ.get("SECRETS", "")
    if answer not in answers:
        raise BadInputError(f"SECRETS={answer}: say yes or no")
    return answers[answer]


def _about_secrets(with_secrets: bool, key: str) -> str:
    if with_secrets:
        return "SECRETS=yes: whoever has this file can read every block in it, and restore it anywhere"
    kept = block_key.keep(key).relative_to(ROOT)
    return f"without secrets: only {kept} opens the blocks in it; keep that, or make one with SECRETS=yes"


def _require_space(stores: Stores) -> int:
    """Refuses where all that there is might not fit; it will be compressed. The bytes that it takes now."""
    by_emulators: int = sum(snapshots.live(stores.address(port))["bytes"] for _, port in served().values())
    needed = stores.size_of_orion() + stores.database(DATABASE).size() + by_emulators
    archive.require_space(archive.BACKUP, needed)
    return needed


@contextmanager
def _a_full_disk_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise CommandError(f"backups/: {error.strerror}; no backup was made, and nothing of it is left") from error


def _write(writer: archive.Writer, facts: dict[str, Any], stores: Stores, key: str, with_secrets: bool) -> Rows:
    rows: Rows = {}
    with ExitStack() as stack:
        for part in [stack.enter_context(snapshot) for snapshot in _snapshots(stores)]:
            writer.add(part.name, part.write)
            rows[part.name.partition(".")[0]] = part.rows
    if with_secrets:
        writer.add(KEY, lambda sink: sink.write(key.encode()))
    writer.finish({**_facts(key, rows), **facts})
    return rows


def _facts(key: str, rows: Rows) -> dict[str, Any]:
    return {
        "orionbox": version(),
        "platform": env_file.load()["COMPOSE_PROJECT_NAME"],
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "key": block_key.name_of(key),
        "rows": rows,
    }


def _snapshots(stores: Stores) -> Iterator[AbstractContextManager[snapshots.Snapshot]]:
    yield stores.orion()
    yield databases.dumped(f"{WAREHOUSE}.dump", stores.database(DATABASE))
    for part, (_, port) in served().items():
        yield snapshots.served(f"{part}.tar.gz", stores.address(port))


def contents(rows: Rows) -> str:
    """What a backup holds, a line for each part."""
    orion = rows[ORION]
    lines = [
        f"  Orion          {orion['flow_run']:,} runs, {orion['deployment']:,} deployments",
        f"  Postgres       {_sum(rows[WAREHOUSE], 'tables')}",
    ]
    if BIGQUERY not in rows:
        return "\n".join([*lines, "  nothing of BigQuery and Cloud Storage: they are Google's"])
    lines.append(f"  BigQuery       {_sum(rows[BIGQUERY], 'tables')}")
    return "\n".join([*lines, f"  Cloud Storage  {sum(rows[BUCKET].values()):,} objects"])


def _sum(rows: dict[str, int], what: str) -> str:
    return f"{sum(rows.values()):,} rows in {len(rows)} {what}"
