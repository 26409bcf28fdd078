"""Queries: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query and .../getQueryResults."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.jobs import rows as pages
from services.bigquery.jobs.job import Job
from services.bigquery.routes.call import Call, route
from services.bigquery.routes.rows import _page, int64_timestamps, start_of
from services.bigquery.schema import invalid

WAIT_MS = 10_000
"""How long a request waits for its job, unless it says otherwise; as Google's does."""
MOST_WAIT_MS = 200_000
_OF_JOB = ("dryRun", "labels", "jobTimeoutMs", "maxSlots", "reservation")
_OF_REQUEST = (
    "kind",
    "maxResults",
    "timeoutMs",
    "location",
    "formatOptions",
    "requestId",
    "jobCreationMode",
    "preserveNulls",
    *_OF_JOB,
)


async def wait(call: Call, job: Job, milliseconds: int) -> None:
    """Waits until a job is done, but no longer than so many milliseconds."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    call.api.jobs.when_done(job, lambda: loop.call_soon_threadsafe(done.set))
    try:
        await asyncio.wait_for(done.wait(), milliseconds / 1000)
    except TimeoutError:
        return


async def query(call: Call) -> Any:
    """Runs a query and answers its first rows."""
    body = call.json()
    configuration = {key: value for key, value in body.items() if key not in _OF_REQUEST and value is not None}
    if not configuration.get("query"):
        raise BigQueryError("required", "Required parameter is missing: query", "query")
    whole: dict[str, Any] = {"query": configuration}
    whole |= {key: body[key] for key in _OF_JOB if body.get(key) is not None}
    reference = {"location": body["location"]} if body.get("location") else {}
    loop = asyncio.get_running_loop()
    resource = {"jobReference": reference, "configuration": whole}
    job = await loop.run_in_executor(None, call.api.jobs.insert, call.project, resource)
    if not whole.get("dryRun"):
        await wait(call, job, _timeout(body.get("timeoutMs")))
    as_int64 = int64_timestamps(call, body.get("formatOptions"))
    most = body.get("maxResults")
    return await loop.run_in_executor(
        None, answer, call, job, 0, None if most is None else int(most), as_int64, "bigquery#queryResponse"
    )


def _timeout(given: Any) -> int:
    try:
        return min(int(given), MOST_WAIT_MS) if given is not None else WAIT_MS
    except (TypeError, ValueError):
        raise invalid("Invalid value for timeoutMs") from None


def found(call: Call) -> Job:
    """The job in a request's path."""
    return call.api.jobs.get(call.project, call.params["job"], call.query.get("location", ""))


async def results(call: Call) -> Any:
    """Answers a page of a job's rows."""
    loop = asyncio.get_running_loop()
    job = await loop.run_in_executor(None, found, call)
    if job.kind != "query":
        raise invalid("Cannot get the results of a job that is not a query job")
    await wait(call, job, _timeout(call.query.get("timeoutMs")))
    most = call.number("maxResults", 0) if "maxResults" in call.query else None
    start, as_int64 = start_of(call), int64_timestamps(call)
    return await loop.run_in_executor(
        None, answer, call, job, start, most, as_int64, "bigquery#getQueryResultsResponse"
    )


def answer(call: Call, job: Job, start: int, most: int | None, as_int64: bool, kind: str) -> dict[str, Any]:
    """A job's rows, or that it is still running.

    Raises:
        BigQueryError: The job's error.
    """
    found: dict[str, Any] = {"kind": kind, "jobReference": job.reference, "jobComplete": job.state == "DONE"}
    if job.state != "DONE":
        return found
    if job.error:
        raise job.error
    about = job.statistics.get("query", {})
    names = ("totalBytesProcessed", "totalBytesBilled", "totalSlotMs")
    found |= {name: about[name] for name in names if name in about} | {"cacheHit": False}
    found |= {"creationTime": job.statistics.get("creationTime"), "location": job.location}
    for name in ("numDmlAffectedRows", "dmlStats"):
        if name in about:
            found[name] = about[name]
    if "sessionInfo" in job.statistics:
        found["sessionInfo"] = job.statistics["sessionInfo"]
    if kind == "bigquery#queryResponse":
        found |= {name: job.statistics[name] for name in ("startTime", "endTime") if name in job.statistics}
    if job.configuration.get("dryRun"):
        return found | ({"schema": about["schema"]} if "schema" in about else {})
    fields, rows, total = _rows(call, job, start, most, as_int64, about)
    found |= {"schema": {"fields": fields}, "totalRows": str(total)}
    if rows:
        found["rows"] = rows
    end = start + len(rows)
    return found | ({"pageToken": str(end)} if end < total and most != 0 or (most == 0 and total) else {})


def _rows(
    call: Call, job: Job, start: int, most: int | None, as_int64: bool, about: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    result = call.api.jobs.result(job)
    if result is not None:
        rows = pages.page(result.table, result.fields, start, most, as_int64)
        return result.fields, rows, result.table.num_rows
    to = job.configuration["query"].get("destinationTable")
    if about.get("statementType") == "SELECT" and to:
        path = (to["projectId"] if "projectId" in to else job.project, to["datasetId"], to["tableId"])
        with call.api.store.transaction() as tx:
            rows, total = _page(tx, path, start, pages.MOST_ROWS if most is None else most, as_int64, [])
            return list(about["schema"]["fields"]), rows, total
    return list(about.get("schema", {}).get("fields", [])), [], 0


ROUTES = (
    route("POST", "/projects/{project}/queries", query),
    route("GET", "/projects/{project}/queries/{job}", results),
)
