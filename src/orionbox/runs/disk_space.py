"""The disk on which the platform keeps its data: how full it is, and whether months still fit on it.

Every container has Docker's disk as its root folder, and without Docker all data is on the checkout's disk. Standard
library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from orionbox.errors import CommandError
from orionbox.trips.row_counts import AnyMonth, expected_rows

LEAST_FREE = 500_000_000
"""Bytes that stay free: databases stop on a full disk."""
LOW = 2_000_000_000
"""Free bytes below which the start page warns."""
BYTES_PER_ROW = 400
"""What a row of trips takes at most: about 350 in Postgres and its log, and 50 in the file, the object and BigQuery."""
FREE_SOME = "free what nothing needs any more: make prune; or delete something: df -h"


class Disk(NamedTuple):
    """A disk, in bytes."""

    free: int
    total: int

    @property
    def is_low(self) -> bool:
        """Whether it is nearly full."""
        return self.free < LOW


def of_platform(environment: Mapping[str, str] = os.environ) -> Disk:
    """Returns the disk of the platform's data, as a service or a run sees it."""
    # In the containers of flows the first one is set, and without Docker the second one
    folder = Path(environment.get("PREFECT_LOCAL_STORAGE_PATH") or environment.get("PREFECT_HOME") or "/")
    usage = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists()))
    return Disk(usage.free, usage.total)


def require(months: Iterable[AnyMonth], disk: Disk | None = None) -> None:
    """Refuses to load months for which the disk has no room, before anything is written.

    Raises:
        CommandError: the months may fill the disk.
    """
    free = (disk or of_platform()).free
    needed = LEAST_FREE + BYTES_PER_ROW * sum(map(expected_rows, months))
    if free < needed:
        raise CommandError(
            f"the platform's disk has {free / 1e9:,.1f} GB free, and these months may need {needed / 1e9:,.1f} GB; "
            "nothing was loaded",
            FREE_SOME,
        )
