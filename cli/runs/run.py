"""The platform's jobs, run through Orion and the agent and followed live: `run-etl` and `ingest`."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from typing import Any
from urllib.request import urlopen

from ctl import cloud, data, engines
from ctl.bars import Bars
from ctl.files import write
from ctl.orion import Orion
from ctl.report import count_table, unflatten
from ctl.runtime import Runtime
from ctl.shell import ROOT, CommandError, say
from orionbox.report import ARTIFACT_KEY, page_name
from orionbox.states import ENDED
from orionbox.trips import TripFile

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120
"""How long a run may wait for the agent before that is reported."""
INFO = 20
HOUSEKEEPING = re.compile(
    r"(Created|Submitted) (task|subflow) run|Getting bucket|Uploading blob|Finished in state Completed\(\)$"
)
"""What Prefect says of each task's way; Orion's page has it, here it would hide what the tasks say themselves."""

PAGE_TIMEOUT = 60
"""Seconds for the run's page, which takes one or two."""
REPORT = ROOT / "reports" / "last-run.json"


def run_etl(runtime: Runtime) -> int:
    """Runs the main job, prints its counts, writes reports/last-run.json; 0 if it is completed."""
    files = data.wanted_files()
    client, run, seconds = _run(runtime, f"etl/{engines.deployment(runtime.INFRASTRUCTURE)}", files)
    months = [unflatten(row) for row in client.table_artifact(run["id"], ARTIFACT_KEY)]
    _write_report(runtime.NAME, client, run, seconds, months)
    if months:
        say(f"\n{count_table(months)}\n")
        _keep_page(runtime.start_url(), page_name(run["name"], run["id"]))
    return _verdict(client, run, seconds)


def ingest(runtime: Runtime) -> int:
    """Runs the job that loads CSV files straight into Postgres; 0 if it is completed."""
    files = data.wanted_files()
    return _verdict(*_run(runtime, f"ingest-data/{runtime.INFRASTRUCTURE}", files))


def _run(runtime: Runtime, deployment: str, files: list[TripFile]) -> tuple[Orion, dict[str, Any], float]:
    runtime.ensure_up()
    data.ensure(files, runtime)
    client = Orion(runtime.orion_url())
    start = time.monotonic()
    parameters = {"color": files[0].color, "year": files[0].year, "months": [trips.month for trips in files]}
    run_id = client.start_run(deployment, parameters)
    say(f"\n{deployment} {parameters}\n{client.run_url(run_id)}\n")
    run = _follow(client, run_id)
    return client, run, time.monotonic() - start


def _follow(client: Orion, run_id: str) -> dict[str, Any]:
    """Prints the run's logs as they come, each with its seconds since the run was asked for, until it has ended."""
    seen: set[str] = set()
    start, warned, bars = time.monotonic(), False, Bars()
    while True:
        run = client.run(run_id)
        begun = _seconds(run["created"])
        news = [log for log in client.logs(run_id, seen) if log[1] > INFO or not HOUSEKEEPING.match(log[2])]
        bars.print([(f"{_seconds(moment) - begun:6.1f} s  ", message) for moment, _, message in news])
        if run["state_type"] in ENDED:
            bars.clear()
            return run
        if not warned and run["state_type"] in ("SCHEDULED", "PENDING") and time.monotonic() - start > PATIENCE_SECONDS:
            warned = True
            bars.clear()
            say(f"still {run['state_name']} after {PATIENCE_SECONDS} s; look at the agent: make logs SERVICE=agent")
        time.sleep(POLL_SECONDS)


def _seconds(moment: str) -> float:
    """A moment in Orion's words, in seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def _write_report(
    runtime: str, client: Orion, run: dict[str, Any], seconds: float, months: list[dict[str, Any]]
) -> None:
    report = {
        "runtime": runtime,
        "cloud": cloud.settings().cloud,
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
