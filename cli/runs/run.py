"""The platform's jobs, run through Orion and the agent and followed live: `run-etl` and `ingest`."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.request import urlopen

from cli import taxi_files
from cli.programs import ROOT, say
from cli.runs.count_table import count_table
from cli.runs.follow import _follow
from cli.runtimes.compose import dask
from cli.runtimes.runtime import Runtime
from cli.settings import settings
from orionbox.errors import CommandError
from orionbox.files import write
from orionbox.orion.cli_client import Orion
from orionbox.runs.report import ARTIFACT_KEY, page_name, unflatten
from orionbox.trips.months import TripFile

PAGE_TIMEOUT = 60
"""Seconds for the run's page, which takes one or two."""
REPORT = ROOT / "reports" / "last-run.json"


def run_etl(runtime: Runtime) -> int:
    """Runs the main job, prints its counts, writes reports/last-run.json; 0 if it is completed."""
    files = taxi_files.wanted_files()
    client, run, seconds = _run(runtime, f"etl/{dask.deployment(runtime.INFRASTRUCTURE)}", files)
    months = [unflatten(row) for row in client.table_artifact(run["id"], ARTIFACT_KEY)]
    _write_report(runtime.NAME, client, run, seconds, months)
    if months:
        say(f"\n{count_table(months)}\n")
        _keep_page(runtime.start_url(), page_name(run["name"], run["id"]))
    return _verdict(client, run, seconds)


def ingest(runtime: Runtime) -> int:
    """Runs the job that loads CSV files straight into Postgres; 0 if it is completed."""
    files = taxi_files.wanted_files()
    return _verdict(*_run(runtime, f"ingest-data/{runtime.INFRASTRUCTURE}", files))


def _run(runtime: Runtime, deployment: str, files: list[TripFile]) -> tuple[Orion, dict[str, Any], float]:
    runtime.ensure_up()
    taxi_files.ensure(files, runtime)
    client = Orion(runtime.orion_url())
    start = time.monotonic()
    parameters = {"color": files[0].color, "year": files[0].year, "months": [trips.month for trips in files]}
    run_id = client.start_run(deployment, parameters)
    say(f"\n{deployment} {parameters}\n{client.run_url(run_id)}\n")
    run = _follow(client, run_id)
    return client, run, time.monotonic() - start


def _write_report(
    runtime: str, client: Orion, run: dict[str, Any], seconds: float, months: list[dict[str, Any]]
) -> None:
    report = {
        "runtime": runtime,
        "cloud": settings.settings().cloud,
        "flow_run_id": run["id"],
        "state": run["state_name"],
        "url": client.run_url(run["id"]),
        "seconds": round(seconds, 2),
        "months": months,
    }
    write(REPORT, json.dumps(report, indent=2) + "\n")


def _keep_page(start_page: str, name: str) -> None:
    """Writes the run's page to reports/. Where that fails, the run is no worse for it."""
    url = f"{start_page}/reports/{name}"
    try:
        with urlopen(url, timeout=PAGE_TIMEOUT) as response:
            write(REPORT.with_name(name), response.read().decode())
    except OSError as error:
        say(f"report: could not be made ({error}); try again in a browser: {url}")
    else:
        say(f"report: reports/{name}, {url}\n")


def _verdict(client: Orion, run: dict[str, Any], seconds: float) -> int:
    say(f"{run['state_name']} after {seconds:.1f} s: {client.run_url(run['id'])}")
    if run["state_type"] == "COMPLETED":
        return 0
    message = run["state"].get("message") or "Orion has no message; see the log above"
    raise CommandError(re.sub(r"^Flow run encountered an exception\. \w+: ", "", message))
