"""Datasets: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets."""

from __future__ import annotations

from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.records import Dataset, Transaction
from services.bigquery.routes.call import Call, page_of, route
from services.bigquery.routes.resources import check_etag, cleaned, etag, hidden, patched, shown
from services.bigquery.schema import invalid

_OUTPUT = ("kind", "etag", "id", "selfLink", "creationTime", "lastModifiedTime", "datasetReference", "type")
_ACCESS = [
    {"role": "WRITER", "specialGroup": "projectWriters"},
    {"role": "OWNER", "specialGroup": "projectOwners"},
    {"role": "READER", "specialGroup": "projectReaders"},
]


def resource(call: Call, dataset: Dataset) -> dict[str, Any]:
    """The REST form."""
    project, name = dataset.path
    own: dict[str, Any] = {"location": "US", "access": _ACCESS, **shown(dataset.resource)}
    return {
        "kind": "bigquery#dataset",
        "etag": etag(dataset.path, dataset.modified, dataset.resource),
        "id": f"{project}:{name}",
        "selfLink": f"{call.base}/bigquery/v2/projects/{project}/datasets/{name}",
        "datasetReference": {"datasetId": name, "projectId": project},
        **own,
        "creationTime": str(dataset.created),
        "lastModifiedTime": str(dataset.modified),
        "type": "DEFAULT",
    }


def _path(call: Call) -> tuple[str, str]:
    return call.project, call.params["dataset"]


def insert(call: Call) -> Any:
    """Creates a dataset."""
    body = call.json()
    reference = body.get("datasetReference") or {}
    name = reference.get("datasetId")
    if not name:
        raise BigQueryError("required", "Required parameter is missing: datasetReference.datasetId")
    dataset = Dataset((str(reference.get("projectId") or call.project), str(name)), cleaned(body, _OUTPUT))
    with call.api.store.transaction() as tx:
        return resource(call, tx.put_dataset(dataset, is_new=True))


def get(call: Call) -> Any:
    """Answers a dataset."""
    with call.api.store.transaction() as tx:
        return resource(call, tx.dataset(_path(call)))


def _change(call: Call, tx: Transaction, new: dict[str, Any]) -> Any:
    old = tx.dataset(_path(call))
    check_etag(call, resource(call, old)["etag"])
    changed = Dataset(old.path, cleaned(new, _OUTPUT) | hidden(old.resource), old.created)
    return resource(call, tx.put_dataset(changed, is_new=False))


def patch(call: Call) -> Any:
    """Changes the given fields."""
    with call.api.store.transaction() as tx:
        return _change(call, tx, patched(tx.dataset(_path(call)).resource, call.json()))


def update(call: Call) -> Any:
    """Replaces all fields."""
    with call.api.store.transaction() as tx:
        location = tx.dataset(_path(call)).resource.get("location", "US")
        return _change(call, tx, {**call.json(), "location": location})


def delete(call: Call) -> Any:
    """Deletes a dataset; with deleteContents its tables, too."""
    with call.api.store.transaction() as tx:
        tx.drop_dataset(_path(call), call.flag("deleteContents"))
    return {}


def find(call: Call) -> Any:
    """Lists a project's datasets."""
    with call.api.store.transaction() as tx:
        found = tx.datasets(call.project)
    if not call.flag("all"):
        found = [dataset for dataset in found if not dataset.path[1].startswith("_")]
    for one in _filters(call):
        key, _, value = one.partition(":")
        found = [each for each in found if _labels(each).get(key) == (value or _labels(each).get(key, "") or None)]
    page, token = page_of(found, call)
    keys = ("kind", "id", "datasetReference", "labels", "friendlyName", "location", "type")
    listed = [{key: value for key, value in resource(call, one).items() if key in keys} for one in page]
    answer: dict[str, Any] = {"kind": "bigquery#datasetList", "etag": etag(listed)}
    if listed:
        answer["datasets"] = listed
    return answer | ({"nextPageToken": token} if token else {})


def _filters(call: Call) -> list[str]:
    words = call.query.get("filter", "").split()
    if any(not word.startswith("labels.") for word in words):
        raise invalid("Invalid filter: it must have the form labels.NAME:VALUE")
    return [word.removeprefix("labels.") for word in words]


def _labels(dataset: Dataset) -> dict[str, Any]:
    return dict(dataset.resource.get("labels") or {})


_ALL, _ONE = "/projects/{project}/datasets", "/projects/{project}/datasets/{dataset}"
ROUTES = (
    route("POST", _ALL, insert),
    route("GET", _ALL, find),
    route("GET", _ONE, get),
    route("PATCH", _ONE, patch),
    route("PUT", _ONE, update),
    route("DELETE", _ONE, delete),
)
