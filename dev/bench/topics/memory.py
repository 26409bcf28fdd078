"""Measures the peak memory of flow runs, which must not grow with the file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dev.bench.bench_platform import BenchPlatform
from dev.bench.comparisons import MONTH, check
from dev.bench.measurements import Measurements
from dev.bench.results import Row, at_most, close_to, not_measured
from dev.bench.runs import counted, parameters, run_to_end
from orionbox.trips.months import TripFile

LARGE_MONTH = TripFile("yellow", 2019, 3)
SIZE_RATIO = 7_832_545 / 1_369_765
"""Rows of the release's largest month, divided by those of the comparisons' month."""
JOBS = {"etl/docker": "main job", "ingest-data/docker": "ingest"}
LIMIT_MB, LIMIT_RATIO = 600, 1.25


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Measures both jobs: each month, and the larger compared with the smaller."""
    sizes = {MONTH: platform.rows, LARGE_MONTH: round(platform.rows * SIZE_RATIO)}
    for trips, rows in sizes.items():
        platform.serve([trips], rows)
    for deployment, job in JOBS.items():
        peaks = [_peak(platform, deployment, trips, rows) for trips, rows in sizes.items()]
        for rows, peak in zip(sizes.values(), peaks):
            name = f"memory, {job}, {rows:,} rows"
            if not peak:
                reason = "the containers' processes cannot be seen from here"
                yield not_measured(name, "MB", f"<= {LIMIT_MB} MB", reason)
                continue
            measurements.add(name, peak, "MB")
            yield at_most(name, peak, LIMIT_MB, "MB")
        if all(peaks):
            yield close_to(f"memory, {job}, larger vs smaller", peaks[1], peaks[0], LIMIT_RATIO, "MB")


def _peak(platform: BenchPlatform, deployment: str, trips: TripFile, rows: int) -> float:
    """Returns a run's peak memory in MB."""
    peak = Peak(platform.name)
    run = run_to_end(platform, deployment, parameters(trips), peak.update)
    for count in counted(platform, run):
        for store, stored in count.items():
            check(f"{deployment}, {store}", stored, rows)
    check(f"{deployment}, Postgres", platform.rows_in_postgres(trips), rows)
    return peak.megabytes


class Peak:
    """The peak resident memory of the next flow run that starts on a platform.

    The kernel keeps the high-water mark of each process (VmHWM, proc(5)), so no peak is missed between two updates,
    and the last update is a fraction of a second before the process ends. The marks of a run's processes add up.
    """

    def __init__(self, project: str) -> None:
        self._labels = (f"label=orionbox.project={project}", "label=orionbox.run=true")
        self._earlier = set(self._containers())  # the container of the run before may still be there
        self._root_process = 0
        self._kilobytes: dict[int, int] = {}

    @property
    def megabytes(self) -> float:
        """Returns the peak so far; 0 if no process was seen."""
        return sum(self._kilobytes.values()) * 1024 / 1e6

    def update(self) -> None:
        """Reads the high-water marks of the run's processes."""
        self._root_process = self._root_process or self._find()
        if self._root_process:
            for process in (self._root_process, *_descendants(self._root_process)):
                mark = high_water_mark(process)
                self._kilobytes[process] = max(mark, self._kilobytes.get(process, 0))

    def _containers(self) -> list[str]:
        chosen = [word for label in self._labels for word in ("--filter", label)]
        return subprocess.run(["docker", "ps", "--quiet", *chosen], capture_output=True, text=True).stdout.split()

    def _find(self) -> int:
        """Returns the id of the first process of the run's container, as the host sees it; 0 while there is none."""
        new = [container for container in self._containers() if container not in self._earlier]
        if not new:
            return 0
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", new[0]]
        return int(subprocess.run(inspect, capture_output=True, text=True).stdout or 0)


def _descendants(process: int) -> list[int]:
    children: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            children += map(int, (thread / "children").read_text().split())
    return [process for child in children for process in (child, *_descendants(child))]


def high_water_mark(process: int) -> int:
    """Returns the process's peak resident memory in kB; 0 when it has ended."""
    with suppress(OSError):
        mark = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        return int(mark[1]) if mark else 0
    return 0
