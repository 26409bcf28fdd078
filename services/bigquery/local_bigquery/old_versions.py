"""Deletes the files of replaced rows: DuckLake keeps every version of a table, and with it every file, for ever.

The emulator does so for versions of more than KEPT_DAYS days, as long as BigQuery's time travel reaches back
(https://cloud.google.com/bigquery/docs/time-travel); `POST /prune` does so for younger ones.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import logging
import threading
import time

from fastapi import FastAPI
from local_bigquery.engine import database
from local_bigquery.settings import settings

from services.bigquery.local_bigquery.backup import TEMPORARY

KEPT_DAYS = 7
LEAST_HOURS = 1
"""Younger versions always stay: a query that is running, or a backup that has just begun, may read them."""
PAUSE, FIRST_PAUSE = 3600, 60
"""Seconds between two looks for old versions, and from the start to the first one."""
log = logging.getLogger(__name__)


def prune(days: float = KEPT_DAYS, dry_run: bool = False) -> dict[str, int]:
    """Delete versions that are older than ``days``; return the number of the files that only these need, and bytes."""
    sizes: list[int] = []
    if any(settings.data_dir.glob(f"{TEMPORARY}*")):
        log.info("a backup reads these files: old versions stay until the next time")
    else:
        for project in database.projects():
            sizes += _old_files(project, max(days * 24, LEAST_HOURS), dry_run)
    return {"files": len(sizes), "bytes": sum(sizes)}


def _old_files(project: str, hours: float, dry_run: bool) -> list[int]:
    """Return the size of each file that goes; in a dry run all stay."""
    sizes = {path.name: path.stat().st_size for path in (settings.data_dir / project).rglob("*.parquet")}
    name, older = project.replace("'", "''"), f"now() - INTERVAL {int(hours * 60)} MINUTE"
    clean_up = f"CALL ducklake_cleanup_old_files('{name}', cleanup_all => true, dry_run => {dry_run})"
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"CALL ducklake_expire_snapshots('{name}', older_than => {older})")
        if dry_run:
            found = cursor.execute(clean_up).fetchall()
            cursor.execute("ROLLBACK")
        else:
            cursor.execute("COMMIT")
            found = cursor.execute(clean_up).fetchall()
    return [sizes.get(path.rpartition("/")[2], 0) for (path,) in found]


def prune_for_ever() -> None:
    """Delete what is older than KEPT_DAYS, and look again each hour."""
    pause = FIRST_PAUSE
    while True:
        time.sleep(pause)
        pause = PAUSE
        try:
            prune()
        except Exception as error:  # whatever the reason is, the emulator must go on
            log.warning("old versions stay: %s", error)


def install(app: FastAPI) -> None:
    """Add the route, and begin to delete."""
    app.add_api_route("/prune", prune, methods=["POST"])
    threading.Thread(target=prune_for_ever, daemon=True).start()
