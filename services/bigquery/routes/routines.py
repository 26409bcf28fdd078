"""Functions and procedures: https://cloud.google.com/bigquery/docs/reference/rest/v2/routines."""

from __future__ import annotations

from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.records import Path, Routine
from services.bigquery.routes.call import Call, page_of, route
from services.bigquery.routes.resources import check_etag, cleaned, etag

_OUTPUT = ("etag", "creationTime", "lastModifiedTime", "routineReference")


def resource(routine: Routine) -> dict[str, Any]:
    """The REST form."""
    project, dataset, name = routine.path
    return {
        "etag": etag(routine.path, routine.modified, routine.resource),
        "routineReference": {"projectId": project, "datasetId": dataset, "routineId": name},
        **routine.resource,
        "creationTime": str(routine.created),
        "lastModifiedTime": str(routine.modified),
    }


def _path(call: Call) -> Path:
    return call.project, call.params["dataset"], call.params["routine"]


def insert(call: Call) -> Any:
    """Creates a routine."""
    body = call.json()
    reference = body.get("routineReference") or {}
    if not reference.get("routineId"):
        raise BigQueryError("required", "Required parameter is missing: routineReference.routineId")
    project = str(reference.get("projectId") or call.project)
    path: Path = (project, call.params["dataset"], str(reference["routineId"]))
    with call.api.store.transaction() as tx:
        return resource(tx.put_routine(Routine(path, cleaned(body, _OUTPUT)), is_new=True))


def get(call: Call) -> Any:
    """Answers a routine."""
    with call.api.store.transaction() as tx:
        return resource(tx.routine(_path(call)))


def update(call: Call) -> Any:
    """Replaces a routine."""
    with call.api.store.transaction() as tx:
        old = tx.routine(_path(call))
        check_etag(call, resource(old)["etag"])
        return resource(tx.put_routine(Routine(old.path, cleaned(call.json(), _OUTPUT), old.created), is_new=False))


def delete(call: Call) -> Any:
    """Deletes a routine."""
    with call.api.store.transaction() as tx:
        tx.drop_routine(_path(call))
    return {}


def find(call: Call) -> Any:
    """Lists a dataset's routines."""
    with call.api.store.transaction() as tx:
        dataset = (call.project, call.params["dataset"])
        tx.dataset(dataset)
        found = tx.routines(dataset)
    page, token = page_of(found, call)
    keys = ("etag", "routineReference", "routineType", "language", "creationTime", "lastModifiedTime")
    listed = [{key: value for key, value in resource(one).items() if key in keys} for one in page]
    return {"routines": listed} | ({"nextPageToken": token} if token else {})


_ALL = "/projects/{project}/datasets/{dataset}/routines"
ROUTES = (
    route("POST", _ALL, insert),
    route("GET", _ALL, find),
    route("GET", f"{_ALL}/{{routine}}", get),
    route("PUT", f"{_ALL}/{{routine}}", update),
    route("DELETE", f"{_ALL}/{{routine}}", delete),
)
