"""Projects, and what the platform itself asks: health, backup, counts, pruning."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import StreamingResponse

from services.bigquery.jobs.job import EMAIL
from services.bigquery.routes.call import Call, page_of, route
from services.bigquery.routes.resources import etag
from services.bigquery.schema import invalid


def health(call: Call) -> Any:
    """Says that the server is running and can read its catalogue."""
    with call.api.store.transaction() as tx:
        return {"projects": len(tx.projects())}


def projects(call: Call) -> Any:
    """Lists the projects that have datasets."""
    with call.api.store.transaction() as tx:
        found = tx.projects()
    page, token = page_of(found, call)
    listed = [
        {
            "kind": "bigquery#project",
            "id": name,
            "numericId": str(number),
            "projectReference": {"projectId": name},
            "friendlyName": name,
        }
        for number, name in enumerate(page, 1)
    ]
    answer = {"kind": "bigquery#projectList", "etag": etag(listed), "projects": listed, "totalItems": len(found)}
    return answer | ({"nextPageToken": token} if token else {})


def service_account(call: Call) -> Any:
    """Answers the account that BigQuery would use for a project's keys."""
    return {"kind": "bigquery#getServiceAccountResponse", "email": EMAIL}


def prune(call: Call) -> Any:
    """Gives back the space of dropped data: `POST /prune?days=7&dry_run=true`."""
    text = call.query.get("days", "0")
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,9})?", text):
        raise invalid(f"Invalid value for parameter days: {text[:100]}")
    days = float(text)
    return call.api.store.prune(days, call.flag("dry_run"))


def backup(call: Call) -> Any:
    """Answers a tar of all data as they are now; the copy is complete before the first byte is sent."""
    return StreamingResponse(call.api.store.backup(), media_type="application/x-tar")


def counts(call: Call) -> Any:
    """Answers the rows by `project.dataset.table`, and the bytes of data."""
    return call.api.store.counts()


ROUTES = (
    route("GET", "/", health, ""),
    route("GET", "/projects", projects),
    route("GET", "/projects/{project}/serviceAccount", service_account),
    route("POST", "/prune", prune, ""),
    route("GET", "/backup", backup, ""),
    route("GET", "/counts", counts, ""),
)
