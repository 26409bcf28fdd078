"""`run-etl` and `ingest`: runs that Orion starts, the agent executes, and this follows live."""

from __future__ import annotations

import json
import re
from http.client import HTTPException
from typing import NamedTuple

from cli import taxi_files
from cli.programs import ROOT, say
from cli.runs.count_table import count_table
from cli.runs.follow import duration, follow, orion_with_retries
from cli.runs.progress_bars import Bars
from cli.runtimes.failures import data_folders
from cli.runtimes.runtime import Runtime, orion_url, start_url
from cli.terminal_colors import green, red
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.files import write
from orionbox.loopback import link, open_url
from orionbox.orion import obstacles
from orionbox.orion.client import Json, Orion
from orionbox.runs.report import ARTIFACT_KEY, months_in, not_real, page_name, unflatten
from orionbox.trips.months import TripFile

PAGE_TIMEOUT = 60
"""Timeout in seconds for the run's page, which takes one or two."""
REPORTS = ROOT / "reports"


class EndedRun(NamedTuple):
    """A run that has ended."""

    flow_run: Json
    """As Orion describes it."""
    url: str
    """Its page in Orion."""
    seconds: float
    """From its creation to its end, by Orion's clock; the lines of its log count from there as well."""
    months: list[Json]
    """What the main job has counted, month by month."""


def run_etl(files: list[TripFile], runtime: Runtime, force: bool = False) -> int:
    """Runs the main job, prints its counts, and writes reports/last-run.json; returns 0 if it has completed.

    With `force`, generated data and excerpts may replace real months.
    """
    where = "dask" if runtime.settings.task_runner == "dask" else runtime.infrastructure
    run = _run(f"etl/{where}", files, runtime, force)
    _write_report(run, runtime)
    if run.months:
        say(f"\n{count_table(run.months)}\n")
        if warning := not_real(run.months):
            say(f"{warning}\n")
        _save_page(start_url(runtime.settings), page_name(run.flow_run["name"], run.flow_run["id"]))
    return _verdict(run)


def ingest(files: list[TripFile], runtime: Runtime, force: bool = False) -> int:
    """Runs the flow that loads CSV files straight into Postgres; returns 0 if it has completed."""
    return _verdict(_run(f"ingest-data/{runtime.infrastructure}", files, runtime, force))


def _run(deployment: str, files: list[TripFile], runtime: Runtime, force: bool) -> EndedRun:
    """Starts the platform if it is not running, then the run, and follows it to its end."""
    runtime.prepare()
    runtime.require_own()  # before a download, which may take minutes
    taxi_files.ensure(files, runtime, force)
    runtime.ensure_up()  # last: it proves that the Orion that is asked next is this platform's
    bars = Bars()
    folders = data_folders(is_in_docker=runtime.infrastructure == "docker")
    orion = orion_with_retries(orion_url(runtime.settings), bars, folders)
    require_startable(orion, deployment)
    parameters: Json = {"color": files[0].color, "year": files[0].year, "months": [trips.month for trips in files]}
    if force:  # only then: a student's deployment of this name may not have the parameter
        parameters["force"] = True
    run_id = orion.start_run(deployment, parameters)
    say(f"\n{deployment}: {_describe(files)}\n{orion.run_url(run_id)}\n")
    run = follow(orion, run_id, bars)
    months = [unflatten(row) for row in months_in(orion.table_artifact(run_id, ARTIFACT_KEY))]
    return EndedRun(run, orion.run_url(run_id), duration(run), months)


def require_startable(orion: Orion, deployment: str) -> None:
    """Refuses to start a run that nothing would take, because of what the user has set in Orion.

    Raises:
        CommandError: a queue is paused, for example; the text has the command that resumes it.
    """
    if found := obstacles.find_for_run(orion, deployment):
        raise CommandError("\n".join(found))


def _describe(files: list[TripFile]) -> str:
    months = ", ".join(str(trips.month) for trips in files)
    return f"{files[0].color} {files[0].year}, months {months}"


def _write_report(run: EndedRun, runtime: Runtime) -> None:
    report = {
        "runtime": runtime.name,
        "cloud": runtime.settings.flow_settings.cloud,
        "flow_run_id": run.flow_run["id"],
        "state": run.flow_run["state_name"],
        "url": run.url,
        "seconds": round(run.seconds, 2),
        "months": run.months,
    }
    write(REPORTS / "last-run.json", json.dumps(report, indent=2) + "\n")


def _save_page(start_page: str, name: str) -> None:
    """Writes the run's page to reports/. A failure is reported and does not change the run's result."""
    page = f"{link(start_page)}/reports/{name}"
    try:
        with waiting_for("the run's page"), open_url(f"{start_page}/reports/{name}", PAGE_TIMEOUT) as response:
            write(REPORTS / name, response.read().decode())
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        say(f"report: failed ({error}); open it in a browser: {page}")
    else:
        say(f"report: reports/{name}, {page}\n")


def _verdict(run: EndedRun) -> int:
    """Prints how the run has ended.

    Raises:
        CommandError: the run has not completed; the text is the run's own message.
    """
    is_completed = run.flow_run["state_type"] == "COMPLETED"
    color = green if is_completed else red
    say(f"{color(run.flow_run['state_name'])} after {run.seconds:.1f} s: {run.url}")
    if is_completed:
        return 0
    message = run.flow_run["state"].get("message") or "Orion has no message; see the log above"
    raise CommandError(re.sub(r"^Flow run encountered an exception\. \w+: ", "", message))
