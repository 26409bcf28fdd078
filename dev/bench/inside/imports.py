"""Measures what a run's container imports before its flow begins, by top-level package (`python -X importtime`)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

PROGRAM = "import prefect.engine, etl"
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", re.ASCII)
"""The microseconds of the module itself, without those that it imports; and its package."""
SHOWN = 4
"""Packages that are listed; the others are added up."""


def by_package(report: str) -> dict[str, float]:
    """Returns the seconds of the slowest packages in such a report, slowest first, then of all others together."""
    packages: Counter[str] = Counter()
    for microseconds, package in LINE.findall(report):
        packages[package] += int(microseconds)
    slowest = dict(packages.most_common(SHOWN))
    return {name: time / 1e6 for name, time in {**slowest, "others": packages.total() - sum(slowest.values())}.items()}


if __name__ == "__main__":
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(json.dumps({"packages": by_package(done.stderr)}))
