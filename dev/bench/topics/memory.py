"""Peak memory of flow runs: it must not grow with the file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dev.bench.bench_platform import Platform
from dev.bench.comparisons import MONTH, check
from dev.bench.measurements import Samples
from dev.bench.results import Row, at_most, close_to, not_measured
from dev.bench.runs import counted, parameters, run_to_end
from orionbox.trips.months import TripFile

LARGE_MONTH = TripFile("yellow", 2019, 3)
LARGER = 7_832_545 / 1_369_765
"""The release's largest month against that of the comparisons, in rows."""
JOBS = {"etl/docker": "main job", "ingest-data/docker": "ingest"}
LIMIT_MB, LIMIT_RATIO = 600, 1.25


def measure(platform: Platform, samples: Samples) -> Iterator[Row]:
    """Rows for both jobs: each month on its own, and the larger against the smaller."""
    sizes = {MONTH: platform.rows, LARGE_MONTH: round(platform.rows * LARGER)}
    for trips, rows in sizes.items():
        platform.serve([trips], rows)
    for deployment, job in JOBS.items():
        peaks = [_peak(platform, deployment, trips, rows) for trips, rows in sizes.items()]
        for rows, peak in zip(sizes.values(), peaks):
            name = f"memory, {job}, {rows:,} rows"
            if not peak:
                reason = "this machine does not see the containers' processes"
                yield not_measured(name, "MB", f"<= {LIMIT_MB} MB", reason)
                continue
            samples.note(name, peak, "MB")
            yield at_most(name, peak, LIMIT_MB, "MB")
        if all(peaks):
            yield close_to(f"memory, {job}, larger vs smaller", peaks[1], peaks[0], LIMIT_RATIO, "MB")


def _peak(platform: Platform, deployment: str, trips: TripFile, rows: int) -> float:
    """The run's peak in MB."""
    peak = Peak(platform.name)
    run = run_to_end(platform, deployment, parameters(trips), peak.look)
    for count in counted(platform, run):
        for store, found in count.items():
            check(f"{deployment}, {store}", found, rows)
    check(f"{deployment}, Postgres", platform.rows_in_postgres(trips), rows)
    return peak.megabytes


class Peak:
    """The peak resident memory of a platform's flow run, the next one that starts.

    The kernel keeps each process's own high-water mark (VmHWM, proc(5)), so nothing is missed between two looks, and
    the last one is a fraction of a second before the process ends. Where a run has several processes, theirs add up.
    """

    def __init__(self, project: str) -> None:
        self._labels = (f"label=orionbox.project={project}", "label=orionbox.run=true")
        self._earlier = set(self._containers())  # a run's container outlives the run by a moment
        self._root_process = 0
        self._kilobytes: dict[int, int] = {}

    @property
    def megabytes(self) -> float:
        """The peak so far; 0 where there was nothing to see."""
        return sum(self._kilobytes.values()) * 1024 / 1e6

    def look(self) -> None:
        """Reads the marks of the run's processes."""
        self._root_process = self._root_process or self._find()
        if self._root_process:
            for process in (self._root_process, *_descendants(self._root_process)):
                mark = high_water_mark(process)
                self._kilobytes[process] = max(mark, self._kilobytes.get(process, 0))

    def _containers(self) -> list[str]:
        chosen = [word for label in self._labels for word in ("--filter", label)]
        return subprocess.run(["docker", "ps", "--quiet", *chosen], capture_output=True, text=True).stdout.split()

    def _find(self) -> int:
        """The first process of the run's container, seen from here; 0 while there is none."""
        found = [container for container in self._containers() if container not in self._earlier]
        if not found:
            return 0
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", found[0]]
        return int(subprocess.run(inspect, capture_output=True, text=True).stdout or 0)


def _descendants(process: int) -> list[int]:
    children: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            children += map(int, (thread / "children").read_text().split())
    return [found for child in children for found in (child, *_descendants(child))]


def high_water_mark(process: int) -> int:
    """The process's peak resident memory in kB; 0 when it is gone."""
    with suppress(OSError):
        mark = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        return int(mark[1]) if mark else 0
    return 0
