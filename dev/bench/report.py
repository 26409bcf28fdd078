"""`make bench-report`: writes what the last whole `make bench` measured into docs/benchmarks.md, table and plot.

Everything between the marks there is from reports/bench.json and reports/bench-run.json; the rest is left as it is.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
from pathlib import Path
from typing import Any

from cli.programs import ROOT, end_as, say
from cli.settings import env_file
from dev.bench.results import HEADINGS, Row, amount, cells, read
from dev.docs_tables import markdown, put_in
from orionbox.errors import CommandError

PAGE = ROOT / "docs/benchmarks.md"
PLOT = ROOT / "docs/images/benchmarks.png"
RESULTS, RUN = ROOT / "reports/bench.json", ROOT / "reports/bench-run.json"
BEGIN, END = "<!-- results: written by `make bench-report` -->", "<!-- end of results -->"


def main() -> int:
    """Writes the page and the plot; 1 if there is nothing to write."""
    if not (RESULTS.exists() and RUN.exists()):
        say("there are no results yet: run make bench")
        return 1
    rows, run = read(RESULTS), json.loads(RUN.read_text(encoding="utf-8"))
    page = put_in(PAGE.read_text(encoding="utf-8"), results(rows, run), BEGIN, END, PAGE)
    PAGE.write_text(page, encoding="utf-8")
    PLOT.write_bytes(draw(RESULTS))
    say(f"wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")
    return 0


def results(rows: list[Row], run: dict[str, Any]) -> str:
    """The generated part of the page."""
    found = "\n\n".join(
        [
            conditions(run),
            markdown(HEADINGS, [list(cells(row)) for row in rows]),
            f"![The ratios and their goals]({PLOT.relative_to(PAGE.parent).as_posix()})",
            "Every measurement behind them; where there are several, the middle one counts:",
            markdown(("measured", "median", "all"), [sample(name, each) for name, each in run["samples"].items()]),
        ]
    )
    return f"\n{found}\n"


def conditions(run: dict[str, Any]) -> str:
    """Date, machine and versions in a sentence each."""
    machine = run["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return (
        f"Measured on {run['date']} in one run of {run['seconds'] / 60:.0f} minutes: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"load {machine['load_at_start']:.1f} when it began. "
        f"A month has {run['rows']:,} rows, made up (synthetic).\nVersions: {versions}."
    )


def sample(name: str, measured: dict[str, Any]) -> list[str]:
    """One line of the measurements: name, median, all values."""
    values, unit = measured["values"], measured["unit"]
    every = ", ".join(re.sub(rf" {unit}$", "", amount(value, unit)) for value in values)
    return [name, amount(statistics.median(values), unit), every if len(values) > 1 else ""]


def draw(path: Path) -> bytes:
    """The plot, made by the bench image.

    Raises:
        CommandError: there is no such image, or it failed.
    """
    tag = os.environ.get("ORIONBOX_TAG") or env_file.parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
    run_image = ["docker", "run", "--rm", "--interactive", "--network=none", f"--volume={ROOT / 'bench'}:/opt/bench:ro"]
    settings = ["--env=PYTHONPATH=/opt", "--env=MPLCONFIGDIR=/tmp"]
    program = [f"orionbox/bench:{tag}", "/opt/peers/bin/python", "-m", "dev.bench.inside.plot"]
    done = subprocess.run([*run_image, *settings, *program], input=path.read_bytes(), capture_output=True)
    if done.returncode:
        raise CommandError(f"the plot could not be drawn: {done.stderr.decode(errors='replace')}")
    return done.stdout


if __name__ == "__main__":
    end_as(main)
