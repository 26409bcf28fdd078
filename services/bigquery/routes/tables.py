"""Tables and views: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.bigquery import schema
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs import destinations, external
from services.bigquery.jobs.destinations import ANONYMOUS
from services.bigquery.records import ColumnChange, Path, Size, Table, Transaction
from services.bigquery.routes.call import Call, page_of, route
from services.bigquery.routes.resources import check_etag, cleaned, etag, hidden, patched, shown
from services.bigquery.schema import invalid
from services.bigquery.views import partitions

_OUTPUT = (
    "kind etag id selfLink creationTime lastModifiedTime tableReference type numBytes numLongTermBytes numRows "
    "location numTotalLogicalBytes numActiveLogicalBytes numLongTermLogicalBytes numTotalPhysicalBytes "
    "numActivePhysicalBytes "
    "numLongTermPhysicalBytes numTimeTravelPhysicalBytes streamingBuffer numPhysicalBytes numCurrentPhysicalBytes"
).split()

_LISTED = ("kind", "id", "tableReference", "type", "creationTime", "expirationTime", "labels", "friendlyName")


def resource(call: Call, table: Table, size: Size, location: str) -> dict[str, Any]:
    """The REST form."""
    project, dataset, name = table.path
    found: dict[str, Any] = {
        "kind": "bigquery#table",
        "etag": etag(table.path, table.modified, table.resource),
        "id": f"{project}:{dataset}.{name}",
        "selfLink": f"{call.base}/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{name}",
        "tableReference": {"projectId": project, "datasetId": dataset, "tableId": name},
        **shown(table.resource),
        "type": table.kind,
        "location": location,
        "creationTime": str(table.created),
        "lastModifiedTime": str(table.modified),
    }
    if table.kind in ("TABLE", "SNAPSHOT", "MATERIALIZED_VIEW"):
        found |= {"numRows": str(size.rows), "numBytes": str(size.bytes), "numLongTermBytes": "0"}
        found |= {"numTotalLogicalBytes": str(size.bytes), "numActiveLogicalBytes": str(size.bytes)}
        found |= {"numLongTermLogicalBytes": "0"}
    return found


def _path(call: Call) -> Path:
    return call.project, call.params["dataset"], call.params["table"].partition("$")[0]


def _partition(call: Call) -> str:
    return call.params["table"].partition("$")[2]


def _answer(call: Call, tx: Transaction, table: Table) -> dict[str, Any]:
    location = tx.dataset(table.path[:2]).resource.get("location", "US")
    size = tx.size(table.path) if table.kind in ("TABLE", "SNAPSHOT") else Size(0)
    return resource(call, table, size, location)


def insert(call: Call) -> Any:
    """Creates a table or view."""
    body = call.json()
    reference = body.get("tableReference") or {}
    name = str(reference.get("tableId") or "")
    if not name:
        raise BigQueryError("required", "Required parameter is missing: tableReference.tableId")
    path = (str(reference.get("projectId") or call.project), call.params["dataset"], name)
    table = _described(call, path, cleaned(body, _OUTPUT))
    with call.api.store.transaction(writes=[path]) as tx:
        return _answer(call, tx, tx.create_table(table))


def _described(call: Call, path: Path, given: dict[str, Any]) -> Table:
    """The table that a resource describes."""
    fields = schema.normal((given.get("schema") or {}).get("fields") or [])
    given["schema"] = {"fields": fields}
    schema.check_names(path[2], ())
    if view := (given.get("view") or given.get("materializedView")):
        if view.get("useLegacySql") is True:
            raise NotBuilt("legacy SQL; set useLegacySql to false")
        given["schema"] = {"fields": _view_fields(call, path, str(view.get("query") or ""))}
        return Table(path, "VIEW" if given.get("view") else "MATERIALIZED_VIEW", given)
    if configuration := given.get("externalDataConfiguration"):
        fields = fields or schema.normal((configuration.get("schema") or {}).get("fields") or [])
        given["schema"] = {"fields": fields or external.detected(configuration, call.api.bucket)}
        return Table(path, "EXTERNAL", given)
    schema.check_names(path[2], fields)
    _check_columns(given, fields)
    return Table(path, "TABLE", given)


def _view_fields(call: Call, path: Path, sql: str) -> list[dict[str, Any]]:
    """The columns of a view, by a dry run of its query."""
    if not sql:
        raise BigQueryError("required", "Required parameter is missing: view.query")
    configuration = {"dryRun": True, "query": {"query": sql, "useLegacySql": False}}
    job = call.api.jobs.insert(path[0], {"configuration": configuration})
    return list(job.statistics["query"]["schema"]["fields"])


def _check_columns(given: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> None:
    names = {field["name"].lower(): field for field in fields}
    time = given.get("timePartitioning") or {}
    column = time.get("field") or (given.get("rangePartitioning") or {}).get("field")
    if column and column.lower() not in names:
        raise invalid(f"The field specified for partitioning cannot be found in the schema: {column}")
    if time and str(time.get("type") or "").upper() not in ("HOUR", "DAY", "MONTH", "YEAR"):
        raise invalid(f"Invalid value for timePartitioning.type: {time.get('type')}")
    for one in (given.get("clustering") or {}).get("fields") or []:
        if one.lower() not in names:
            raise invalid(f"The field specified for clustering cannot be found in the schema: {one}")


def get(call: Call) -> Any:
    """Answers a table; also the one that stands for a job's result."""
    if call.params["dataset"] == ANONYMOUS and (found := _result(call)):
        return found
    with call.api.store.transaction() as tx:
        table, partition = tx.table(_path(call)), _partition(call)
        if partition == partitions.SUMMARY:
            return _summary(call, tx, table)
        answer = _answer(call, tx, table)
        if partition:  # a partition's metadata are its table's
            answer["numRows"] = str(destinations.partition_rows(tx, table, partition))
        return answer


def _summary(call: Call, tx: Transaction, table: Table) -> dict[str, Any]:
    """The meta-table of a table's partitions."""
    rows, path = partitions.summary(tx, table), (*table.path[:2], call.params["table"])
    listed = Table(path, "TABLE", {"schema": {"fields": partitions.FIELDS}}, table.created, table.modified)
    return resource(call, listed, Size(rows.num_rows), "US")


def _result(call: Call) -> dict[str, Any] | None:
    job = call.api.jobs.get(call.project, call.params["table"].removeprefix("anon"))
    result = call.api.jobs.result(job)
    if result is None:
        return None
    table = Table(_path(call), "TABLE", {"schema": {"fields": result.fields}}, job.created, job.created)
    return resource(call, table, Size(result.table.num_rows, {"": result.table.nbytes}), "US")


def patch(call: Call) -> Any:
    """Changes the given fields."""
    path = _path(call)
    with call.api.store.transaction(writes=[path]) as tx:
        table = tx.table(path)
        return _change(call, tx, table, patched(table.resource, cleaned_patch(call.json())))


def cleaned_patch(body: Mapping[str, Any]) -> dict[str, Any]:
    """A patch without what only the server sets; null stays, because it takes a field away."""
    return {key: value for key, value in body.items() if key not in _OUTPUT}


def update(call: Call) -> Any:
    """Replaces all fields."""
    path = _path(call)
    with call.api.store.transaction(writes=[path]) as tx:
        table = tx.table(path)
        body = cleaned(call.json(), _OUTPUT)
        body.setdefault("schema", table.resource["schema"])
        return _change(call, tx, table, body)


def _change(call: Call, tx: Transaction, table: Table, new: dict[str, Any]) -> Any:
    check_etag(call, _answer(call, tx, table)["etag"])
    new |= hidden(table.resource)
    if table.kind in ("VIEW", "MATERIALIZED_VIEW"):
        changed = _described(call, table.path, new)
        return _answer(call, tx, tx.put_table(Table(table.path, table.kind, changed.resource, table.created)))
    fields = schema.normal((new.get("schema") or {}).get("fields") or table.fields)
    if table.kind == "EXTERNAL":
        if call.flag("autodetect_schema"):
            new["schema"] = {}
        changed = _described(call, table.path, new)
        return _answer(call, tx, tx.put_table(Table(table.path, "EXTERNAL", changed.resource, table.created)))
    changes = _column_changes(table, fields)
    if changes:
        table = tx.change_columns(table.path, changes)
    new["schema"] = {"fields": fields}
    return _answer(call, tx, tx.put_table(Table(table.path, table.kind, new, table.created)))


def _column_changes(table: Table, fields: list[dict[str, Any]]) -> list[ColumnChange]:
    """What a new schema changes: columns may be added and relaxed, nothing else."""
    text = f"{table.path[0]}:{table.path[1]}.{table.path[2]}"
    mismatch = f"Provided Schema does not match Table {text}."
    known, given = ({one["name"].lower(): one for one in some} for some in (table.fields, fields))
    changes = []
    for name, old in known.items():
        if name not in given:
            raise invalid(f"{mismatch} Field {old['name']} is missing in new schema")
        new = given[name]
        if schema.type_of(old) != schema.type_of(new):
            if schema.mode(old) != schema.mode(new) and old["type"] == new["type"]:
                raise invalid(f"{mismatch} Field {old['name']} has changed mode from {old['mode']} to {new['mode']}")
            if old["type"] == "RECORD" == new["type"]:
                changes.append(ColumnChange("retype", old["name"], new))
                continue
            raise invalid(f"{mismatch} Field {old['name']} has changed type from {old['type']} to {new['type']}")
        if schema.mode(old) != schema.mode(new):
            if schema.mode(new) == "REQUIRED":
                raise invalid(f"{mismatch} Field {old['name']} has changed mode from NULLABLE to REQUIRED")
            changes.append(ColumnChange("relax", old["name"], new))
        elif old.get("defaultValueExpression") != new.get("defaultValueExpression"):
            changes.append(ColumnChange("default", old["name"], new))
    for name, new in given.items():
        if name not in known:
            if schema.mode(new) == "REQUIRED":
                raise invalid(f"{mismatch} Cannot add required fields to an existing schema. (field: {new['name']})")
            changes.append(ColumnChange("add", new["name"], new))
    return changes


def delete(call: Call) -> Any:
    """Deletes a table or view, or the rows of one partition."""
    path, partition = _path(call), _partition(call)
    with call.api.store.transaction(writes=[path]) as tx:
        if partition:
            destinations.delete_partition(tx, tx.table(path), partition)
        else:
            tx.drop_table(path)
    return {}


def find(call: Call) -> Any:
    """Lists a dataset's tables and views."""
    with call.api.store.transaction() as tx:
        dataset = (call.project, call.params["dataset"])
        tx.dataset(dataset)
        found = tx.tables(dataset)
    page, token = page_of(found, call)
    keys = (*_LISTED, "timePartitioning", "rangePartitioning", "clustering")
    listed = []
    for table in page:
        one = resource(call, table, Size(0), "US")
        listed.append({key: value for key, value in one.items() if key in keys})
        if view := table.resource.get("view"):
            listed[-1]["view"] = {"useLegacySql": bool(view.get("useLegacySql"))}
    answer: dict[str, Any] = {"kind": "bigquery#tableList", "etag": etag(listed), "totalItems": len(found)}
    if listed:
        answer["tables"] = listed
    return answer | ({"nextPageToken": token} if token else {})


_ALL = "/projects/{project}/datasets/{dataset}/tables"
ROUTES = (
    route("POST", _ALL, insert),
    route("GET", _ALL, find),
    route("GET", f"{_ALL}/{{table}}", get),
    route("PATCH", f"{_ALL}/{{table}}", patch),
    route("PUT", f"{_ALL}/{{table}}", update),
    route("DELETE", f"{_ALL}/{{table}}", delete),
)
