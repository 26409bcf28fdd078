"""Whether months fit on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orionbox.errors import CommandError
from orionbox.runs import disk_space
from orionbox.runs.disk_space import Disk
from orionbox.trips.months import trip_files

MONTHS = trip_files("green", 2021, [1, 2])
"""141,090 rows."""


def test_months_that_fit_are_loaded() -> None:
    disk_space.require(MONTHS, Disk(600_000_000, 10_000_000_000))


@pytest.mark.parametrize("free", [0, disk_space.LEAST_FREE, disk_space.LEAST_FREE + 140_000 * disk_space.BYTES_PER_ROW])
def test_months_for_which_there_is_no_room_are_refused_before_the_disk_is_full(free: int) -> None:
    with pytest.raises(CommandError, match=r"disk has 0\.\d GB free, .* may need 0\.6 GB; nothing was loaded") as error:
        disk_space.require(MONTHS, Disk(free, 10_000_000_000))
    assert "make prune" in error.value.fix


def test_a_large_month_needs_more() -> None:
    with pytest.raises(CommandError, match=r"may need 3\.\d GB"):
        disk_space.require(trip_files("yellow", 2019, [1]), Disk(3_000_000_000, 10_000_000_000))


def test_the_disk_is_that_of_the_results_or_the_root_s(tmp_path: Path) -> None:
    here, root = shutil.disk_usage(tmp_path), shutil.disk_usage("/")
    for variables in (
        {"PREFECT_LOCAL_STORAGE_PATH": str(tmp_path / "not/yet"), "PREFECT_HOME": "/"},
        {"PREFECT_HOME": str(tmp_path)},
    ):
        assert disk_space.of_platform(variables).total == here.total
    assert disk_space.of_platform({}).total == root.total
