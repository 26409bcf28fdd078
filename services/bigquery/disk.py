"""The disk of the server's data: refuses what would fill it, because databases stop on a full one."""

from __future__ import annotations

import shutil
from pathlib import Path

from services.bigquery.errors import BigQueryError


def disk_full(free: int) -> BigQueryError:
    """The error of what would fill the disk."""
    text = f"Resources exceeded: the disk of the BigQuery server has only {free / 1e9:,.1f} GB free"
    return BigQueryError("quotaExceeded", f"{text}. Free what nothing needs any more: make prune", "disk", 403)


def require_room(folder: Path, least_free: int, needed: int = 0) -> None:
    """Refuses what would fill the disk.

    Args:
        folder: On the disk.
        least_free: Bytes that must stay free.
        needed: Bytes that will be written.

    Raises:
        BigQueryError: Too little is free.
    """
    free = shutil.disk_usage(folder).free
    if free - needed < least_free:
        raise disk_full(free)
