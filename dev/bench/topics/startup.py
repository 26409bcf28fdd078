"""Measures a warm `make up`, the memory at rest, and the time from starting a run to its first task."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

from dev.bench.bench_platform import BenchPlatform
from dev.bench.measurements import Measurements
from dev.bench.results import Row, at_most, close_to
from dev.bench.runs import parameters, run_to_end, seconds_between
from orionbox.trips.months import TripFile

SMALL_MONTH, SMALL_ROWS = TripFile("green", 2021, 1), 1_000
STARTS, RUNS = 3, 3
IDLE_SECONDS = 60
IDLE_MB = 1_200
"""The goal, in MB."""
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Measures the start, the memory at rest and the overhead of a run."""
    for _ in range(STARTS):
        platform.make("down")
        measurements.add("prefect server start until healthy", _server_start(platform))
        measurements.add("make up, warm", _seconds(lambda: platform.make("up")))
    up, server_start = measurements.median("make up, warm"), measurements.median("prefect server start until healthy")
    yield close_to("warm make up", up, server_start, 1.8)
    time.sleep(IDLE_SECONDS)
    memory = idle_memory(platform)
    for service, megabytes in memory.items():
        measurements.add(f"idle memory, {service}", megabytes, "MB")
    measurements.add("idle memory", sum(memory.values()), "MB")
    yield at_most("idle memory", measurements.median("idle memory"), IDLE_MB, "MB")
    yield _run_overhead(platform, measurements)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _server_start(platform: BenchPlatform) -> float:
    """Returns the seconds of a bare `prefect server start`, in the platform's image for Orion."""
    settings = ("--workdir=/opt", "--env=PREFECT_SERVER_ANALYTICS_ENABLED=false")
    options = (f"--volume={platform.root / 'dev'}:/opt/dev:ro", "--network=none", *settings)
    program = (platform.image("orion"), "python", "-m", "dev.bench.inside.server_start")
    return float(json.loads(platform.run("docker", "run", "--rm", *options, *program))["seconds"])


def idle_memory(platform: BenchPlatform) -> dict[str, float]:
    """Returns the MB of each service, by `docker stats`, which leaves out the page cache."""
    containers = platform.run(*platform.compose("ps", "--quiet")).split()
    lines = platform.run("docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *containers)
    return parse_memory(lines, platform.name)


def parse_memory(lines: str, platform: str) -> dict[str, float]:
    """Returns the MB of each service in lines like `NAME-orion-1 123.4MiB / 1GiB`, most first."""
    usage = dict(line.split(" ", 1) for line in lines.splitlines())
    memory = {name[len(f"{platform}-") : -len("-1")]: parse_bytes(used) / 1e6 for name, used in usage.items()}
    return dict(sorted(memory.items(), key=lambda item: -item[1]))


def parse_bytes(usage: str) -> float:
    """Returns the first size in `123.4MiB / 1GiB`, in bytes."""
    match = re.match(r"([\d.]+)([KMG]?i?B)", usage)
    if not match:
        raise ValueError(f"docker stats: {usage!r} is not a size")
    return float(match[1]) * BYTES[match[2]]


def _run_overhead(platform: BenchPlatform, measurements: Measurements) -> Row:
    """Measures from creating the flow run to the start of its first task, by Orion's own timestamps."""
    platform.serve([SMALL_MONTH], SMALL_ROWS)
    for package, seconds in platform.measure("python", "-m", "dev.bench.inside.imports")["packages"].items():
        measurements.add(f"a run's imports, {package}", seconds)
    version = ("docker", "run", "--rm", platform.image("flows"), "prefect", "version")
    for _ in range(RUNS):
        measurements.add("prefect version", _seconds(lambda: platform.run(*version)))
        run = run_to_end(platform, "etl/docker", parameters(SMALL_MONTH))
        measurements.add("run to first task", seconds_between(run["created"], _first_task_start(platform, run["id"])))
    return close_to(
        "run overhead", measurements.median("run to first task"), measurements.median("prefect version"), 1.6
    )


def _first_task_start(platform: BenchPlatform, run_id: str) -> str:
    tasks = platform.orion.call("task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    return min(str(task["start_time"]) for task in tasks if task["start_time"])
