"""Describes the conditions of the measurements: machine, versions, date."""

from __future__ import annotations

import os
import platform as this_machine
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dev.bench.bench_platform import BenchPlatform

PACKAGES = "prefect pandas pyarrow sqlalchemy psycopg2-binary adbc-driver-postgresql pandas-gbq".split()
OTHER_TOOLS = ("dlt", "duckdb")
VERSIONS = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def describe(platform: BenchPlatform) -> dict[str, Any]:
    """Returns date, machine and versions."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
            "system": f"{this_machine.system()} {this_machine.machine()}",
            "load_at_start": os.getloadavg()[0],
        },
        "versions": versions(platform),
    }


def _processor() -> str:
    match = re.search(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return match[1] if match else this_machine.processor()


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def versions(platform: BenchPlatform) -> dict[str, str]:
    """Returns the versions of the programs and libraries that the measurements depend on."""
    engine = platform.run("docker", "version", "--format", "{{.Server.Version}}").strip()
    packages = platform.run(*platform.in_bench_image("python", "-c", VERSIONS, *PACKAGES)).split()
    tools = platform.run(*platform.in_bench_image("/opt/peers/bin/python", "-c", VERSIONS, *OTHER_TOOLS)).split()
    pgloader = platform.run(*platform.in_bench_image("pgloader", "--version"))
    postgres = platform.run(*platform.compose("exec", "--no-TTY", "postgres", "postgres", "--version"))
    return {
        **dict(zip(PACKAGES, packages)),
        **dict(zip(OTHER_TOOLS, tools)),
        "pgloader": _number(pgloader),
        "postgres": _number(postgres),
        "docker": engine,
        "compose": platform.run("docker", "compose", "version", "--short").strip(),
    }


def _number(text: str) -> str:
    match = re.search(r"\d+(\.\d+)+", text)
    return match[0] if match else text.strip()
