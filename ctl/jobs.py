"""The platform's jobs, run through Orion and the agent and followed live: `run-etl` and `ingest`."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any

from ctl import data
from ctl.orion import Orion
from ctl.report import count_table, unflatten
from ctl.runtime import Runtime
from ctl.shell import ROOT, CommandError, say
from orionbox.report import ARTIFACT_KEY
from orionbox.trips import TripFile

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120
"""How long a run may wait for the agent before that is reported."""
INFO = 20
HOUSEKEEPING = re.compile(r"(Created|Submitted) (task|subflow) run|Getting bucket|Finished in state Completed\(\)$")
"""What Prefect says of each task's way; Orion's page has it, here it would hide what the tasks say themselves."""
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
REPORT = ROOT / "reports" / "last-run.json"


def run_etl(runtime: Runtime) -> int:
    """Runs the main job, prints its counts, writes reports/last-run.json; 0 if it is completed."""
    files = data.wanted_files()
    client, run, seconds = _run(runtime, "etl", files)
    months = [unflatten(row) for row in client.table_artifact(run["id"], ARTIFACT_KEY)]
    _write_report(runtime.NAME, client, run, seconds, months)
    if months:
        say(f"\n{count_table(months)}\n")
    return _verdict(client, run, seconds)


def ingest(runtime: Runtime) -> int:
    """Runs the job that loads CSV files straight into Postgres; 0 if it is completed."""
    files = data.wanted_files()
    return _verdict(*_run(runtime, "ingest-data", files))


def _run(runtime: Runtime, flow: str, files: list[TripFile]) -> tuple[Orion, dict[str, Any], float]:
    runtime.ensure_up()
    data.ensure(files, runtime)
    client = Orion(runtime.orion_url())
    deployment = f"{flow}/{runtime.INFRASTRUCTURE}"
    start = time.monotonic()
    parameters = {"color": files[0].color, "year": files[0].year, "months": [trips.month for trips in files]}
    run_id = client.start_run(deployment, parameters)
    say(f"\n{deployment} {parameters}\n{client.run_url(run_id)}\n")
    run = _follow(client, run_id)
    return client, run, time.monotonic() - start


def _follow(client: Orion, run_id: str) -> dict[str, Any]:
    """Prints the run's logs as they come, until it has ended."""
    seen: set[str] = set()
    start, warned = time.monotonic(), False
    while True:
        run = client.run(run_id)
        for moment, level, message in client.logs(run_id, seen):
            if level > INFO or not HOUSEKEEPING.match(message):
                say(f"{moment[11:19]}  {message}")
        if run["state_type"] in TERMINAL:
            return run
        if not warned and run["state_type"] in ("SCHEDULED", "PENDING") and time.monotonic() - start > PATIENCE_SECONDS:
            warned = True
            say(f"still {run['state_name']} after {PATIENCE_SECONDS} s; look at the agent: make logs SERVICE=agent")
        time.sleep(POLL_SECONDS)


def _write_report(
    runtime: str, client: Orion, run: dict[str, Any], seconds: float, months: list[dict[str, Any]]
) -> None:
    report = {
        "runtime": runtime,
        "flow_run_id": run["id"],
        "state": run["state_name"],
        "url": client.run_url(run["id"]),
        "seconds": round(seconds, 2),
        "months": months,
    }
    partial = REPORT.with_suffix(".part")
    partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, REPORT)


def _verdict(client: Orion, run: dict[str, Any], seconds: float) -> int:
    say(f"{run['state_name']} after {seconds:.1f} s: {client.run_url(run['id'])}")
    if run["state_type"] == "COMPLETED":
        return 0
    message = run["state"].get("message") or "Orion has no message; see the log above"
    raise CommandError(re.sub(r"^Flow run encountered an exception\. \w+: ", "", message))
