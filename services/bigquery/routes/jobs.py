"""Jobs: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from services.bigquery.jobs.job import Job
from services.bigquery.routes.call import Call, place_of, route
from services.bigquery.routes.queries import found, wait
from services.bigquery.routes.resources import etag

PATIENCE_MS = {"query": 200}
"""How long an inserted job is waited for: most are done by then, and their client need not ask again."""
OTHERS_MS = 2000
"""Likewise for loads, copies and extracts, after which clients only ask every second."""


async def insert(call: Call) -> Any:
    """Begins a job."""
    return await begin(call, call.json())


async def begin(call: Call, resource: dict[str, Any], upload: Any = None) -> dict[str, Any]:
    """Begins a job, and answers it once it is done or has been running for a moment."""
    loop = asyncio.get_running_loop()
    job = await loop.run_in_executor(None, call.api.jobs.insert, call.project, resource, upload)
    if not job.configuration.get("dryRun"):
        await wait(call, job, PATIENCE_MS.get(job.kind, OTHERS_MS))
    return described(call, job)


def described(call: Call, job: Job) -> dict[str, Any]:
    """A job in REST form."""
    return job.resource(call.base)


def get(call: Call) -> Any:
    """Answers a job."""
    return described(call, found(call))


def cancel(call: Call) -> Any:
    """Asks a job to end."""
    job = found(call)
    call.api.jobs.cancel(job)
    return {"kind": "bigquery#jobCancelResponse", "job": described(call, job)}


def delete(call: Call) -> Any:
    """Forgets a job."""
    call.api.jobs.delete(call.project, found(call).name)
    return {}


def find(call: Call) -> Any:
    """Lists a project's jobs, the newest first."""
    states = [text.upper() for text in call.query.get("stateFilter", "").split(",") if text]
    first, last = call.number("minCreationTime", 0), call.number("maxCreationTime", 2**62)
    start, size = place_of(call)
    parent = call.query.get("parentJobId", "")
    page = call.api.jobs.find(call.project, parent, states=states, first=first, last=last, offset=start, most=size + 1)
    token = str(start + size) if len(page) > size else ""
    page = page[:size]
    listed = [{**job, "kind": "bigquery#job", "state": job["status"]["state"]} for job in page]
    for job in listed:
        if "errorResult" in job["status"]:
            job["errorResult"] = job["status"]["errorResult"]
    answer: dict[str, Any] = {"kind": "bigquery#jobList", "etag": etag([job["id"] for job in listed])}
    return answer | {"jobs": listed} | ({"nextPageToken": token} if token else {})


_ALL = "/projects/{project}/jobs"
ROUTES = (
    route("POST", _ALL, insert),
    route("GET", _ALL, find),
    route("GET", f"{_ALL}/{{job}}", get),
    route("POST", f"{_ALL}/{{job}}/cancel", cancel),
    route("DELETE", f"{_ALL}/{{job}}/delete", delete),
    route("DELETE", f"{_ALL}/{{job}}", delete),
)
