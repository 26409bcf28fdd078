"""`make bench-report`: writes the results of the last full `make bench` into dev/bench/README.md, as table and plot.

The text between the marks there comes from reports/bench.json and reports/bench-run.json.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
from pathlib import Path
from typing import Any

from cli.error_reports import exit_with
from cli.programs import ROOT, say
from cli.settings import env_file
from dev.bench.results import HEADINGS, Row, amount, cells, read
from dev.docs_tables import markdown, replace_between_marks
from orionbox.errors import CommandError

PAGE = ROOT / "dev/bench/README.md"
PLOT = ROOT / "dev/bench/benchmarks.png"
RESULTS, RUN = ROOT / "reports/bench.json", ROOT / "reports/bench-run.json"
BEGIN, END = "<!-- results: written by `make bench-report` -->", "<!-- end of results -->"


def main() -> int:
    """Writes the page and the plot; returns 1 if there are no results."""
    if not (RESULTS.exists() and RUN.exists()):
        say("no results yet; run make bench")
        return 1
    rows, run = read(RESULTS), json.loads(RUN.read_text(encoding="utf-8"))
    page = replace_between_marks(PAGE.read_text(encoding="utf-8"), results(rows, run), BEGIN, END, PAGE)
    PAGE.write_text(page, encoding="utf-8")
    PLOT.write_bytes(draw(RESULTS))
    say(f"wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")
    return 0


def results(rows: list[Row], run: dict[str, Any]) -> str:
    """Returns the generated part of the page."""
    text = "\n\n".join(
        [
            conditions(run),
            markdown(HEADINGS, [list(cells(row)) for row in rows]),
            f"![The ratios and their goals]({PLOT.relative_to(PAGE.parent).as_posix()})",
            "All measurements; if there are several, the median counts:",
            markdown(
                ("measured", "median", "all"), [measured(name, each) for name, each in run["measurements"].items()]
            ),
        ]
    )
    return f"\n{text}\n"


def conditions(run: dict[str, Any]) -> str:
    """Returns date, machine and versions as sentences."""
    machine = run["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return (
        f"Measured on {run['date']} in one run of {run['seconds'] / 60:.0f} minutes: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"load {machine['load_at_start']:.1f} at the start. "
        f"A month has {run['rows']:,} rows of generated data.\nVersions: {versions}."
    )


def measured(name: str, values_and_unit: dict[str, Any]) -> list[str]:
    """Returns a line of the table: name, median, all values."""
    values, unit = values_and_unit["values"], values_and_unit["unit"]
    every = ", ".join(re.sub(rf" {unit}$", "", amount(value, unit)) for value in values)
    return [name, amount(statistics.median(values), unit), every if len(values) > 1 else ""]


def draw(path: Path) -> bytes:
    """Returns the plot, drawn in the bench image.

    Raises:
        CommandError: the bench image does not exist, or drawing failed.
    """
    tag = os.environ.get("ORIONBOX_TAG") or env_file.parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
    run_image = ["docker", "run", "--rm", "--interactive", "--network=none", f"--volume={ROOT / 'dev'}:/opt/dev:ro"]
    settings = ["--workdir=/opt", "--env=MPLCONFIGDIR=/tmp"]
    program = [f"orionbox/bench:{tag}", "/opt/peers/bin/python", "-m", "dev.bench.inside.plot"]
    done = subprocess.run([*run_image, *settings, *program], input=path.read_bytes(), capture_output=True)
    if done.returncode:
        raise CommandError(f"the plot could not be drawn: {done.stderr.decode(errors='replace')}")
    return done.stdout


if __name__ == "__main__":
    exit_with(main)
