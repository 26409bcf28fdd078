"""Rows of tables: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from services.bigquery.errors import BigQueryError
from services.bigquery.jobs import destinations, rows
from services.bigquery.jobs.destinations import ANONYMOUS
from services.bigquery.loads.columns import Reading
from services.bigquery.loads.json_files import objects_batch, unknown_field
from services.bigquery.records import Path, Table, Transaction
from services.bigquery.routes.call import Call, place_of, route
from services.bigquery.routes.resources import etag
from services.bigquery.schema import invalid
from services.bigquery.views import partitions

MOST_INSERTED = 50_000
"""Rows of one insertAll; Google's limit."""


def list_rows(call: Call) -> Any:
    """Lists rows of a table or of a job's result."""
    path = (call.project, call.params["dataset"], call.params["table"])
    start, most = start_of(call), call.number("maxResults", rows.MOST_ROWS)
    as_int64 = int64_timestamps(call)
    wanted = [name for name in call.query.get("selectedFields", "").split(",") if name]
    if path[1] == ANONYMOUS:
        job = call.api.jobs.get(call.project, path[2].removeprefix("anon"))
        result = call.api.jobs.result(job)
        if result is None:
            raise BigQueryError("notFound", f"Not found: Table {path[0]}:{path[1]}.{path[2]}", status=404)
        places = _places(result.fields, wanted)
        table = result.table.select([f"o{place}" for place in places])
        fields, total = [result.fields[place] for place in places], table.num_rows
        found = rows.page(table, fields, start, most, as_int64)
    else:
        with call.api.store.transaction() as tx:
            found, total = _page(tx, path, start, most, as_int64, wanted)
    answer: dict[str, Any] = {"kind": "bigquery#tableDataList", "etag": etag(path, start), "totalRows": str(total)}
    if found:
        answer["rows"] = found
    end = start + len(found)
    return answer | ({"pageToken": str(end)} if found and end < total else {})


def _places(fields: list[Any], wanted: list[str]) -> list[int]:
    names = [field["name"].lower() for field in fields]
    heads = list(dict.fromkeys(name.partition(".")[0].lower() for name in wanted))
    for head in heads:
        if head not in names:
            raise invalid(f"No such field: {head}")
    return [place for place, name in enumerate(names) if not heads or name in heads]


def _page(
    tx: Transaction, path: Path, start: int, most: int, as_int64: bool, wanted: list[str]
) -> tuple[list[dict[str, Any]], int]:
    name, _, partition = path[2].partition("$")
    table = tx.table((path[0], path[1], name))
    if table.kind == "VIEW":
        raise invalid(f"Cannot list a table of type {table.kind}.")
    if partition == partitions.SUMMARY:
        places = _places(partitions.FIELDS, wanted)
        found = partitions.summary(tx, table).select(places)
        return rows.page(found, [partitions.FIELDS[place] for place in places], start, most, as_int64), found.num_rows
    relation = tx.relation(table.path)
    places = _places(list(table.fields), wanted)
    columns = ", ".join(f"{relation.columns[place]} AS o{number}" for number, place in enumerate(places))
    size = min(most, rows.MOST_ROWS)
    where = f" WHERE {destinations.partition_condition(table, partition, relation.columns)}" if partition else ""
    sql = f"SELECT {columns or '1'} FROM {relation.sql}{where} LIMIT {size} OFFSET {start}"
    found = tx.connection.execute(sql).to_arrow_table()
    total = destinations.partition_rows(tx, table, partition) if partition else tx.size(table.path, ()).rows
    fields = [table.fields[place] for place in places]
    return rows.page(found, fields, 0, size, as_int64), total


def start_of(call: Call) -> int:
    """The first row that the client asks for, by pageToken or startIndex."""
    return place_of(call)[0] if call.query.get("pageToken") else call.number("startIndex", 0)


def int64_timestamps(call: Call, options: Mapping[str, Any] | None = None) -> bool:
    """Whether the client wants timestamps as microseconds."""
    text = call.query.get("formatOptions.useInt64Timestamp", "")
    given = (options or {}).get("useInt64Timestamp")
    kind = call.query.get("formatOptions.timestampOutputFormat") or (options or {}).get("timestampOutputFormat")
    return text.lower() == "true" or given is True or str(given).lower() == "true" or kind == "INT64"


def insert_all(call: Call) -> Any:
    """Inserts rows, all or (with skipInvalidRows) those that fit."""
    body = call.json()
    given = body.get("rows") or []
    if not isinstance(given, list) or not given:
        raise invalid("No rows present in the request.")
    if len(given) > MOST_INSERTED:
        raise invalid(f"Too many rows present in the request, limit: {MOST_INSERTED} row count: {len(given)}.")
    suffix = str(body.get("templateSuffix") or "")
    name, _, partition = call.params["table"].partition("$")
    path: Path = (call.project, call.params["dataset"], name)
    to: Path = (*path[:2], path[2] + suffix)
    with call.api.store.transaction(writes=[to]) as tx:
        table = tx.table(path)
        if suffix:
            table = _of_template(tx, table, to)
        errors, good = _checked(table, body, given)
        if errors and not body.get("skipInvalidRows"):
            good = []
            stopped = {"reason": "stopped", "location": "", "debugInfo": "", "message": ""}
            wrong = {one["index"] for one in errors}
            errors += [{"index": n, "errors": [stopped]} for n in range(len(given)) if n not in wrong]
        if good:
            _insert(tx, table, good, partition)
    answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
    return answer | ({"insertErrors": errors} if errors else {})


def _of_template(tx: Transaction, template: Table, path: Path) -> Table:
    try:
        return tx.table(path)
    except BigQueryError:
        return tx.create_table(Table(path, "TABLE", template.resource))


def _checked(table: Table, body: Mapping[str, Any], given: list[Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The errors of rows, and the rows that fit."""
    errors, good = list[dict[str, Any]](), []
    for number, one in enumerate(given):
        row = one.get("json") if isinstance(one, Mapping) else None
        if not isinstance(row, Mapping):
            errors.append(_wrong(number, "", "Missing row in request."))
            continue
        unknown = "" if body.get("ignoreUnknownValues") else unknown_field(row, table.fields)
        if unknown:
            errors.append(_wrong(number, unknown, f"no such field: {unknown}."))
            continue
        reading = Reading(most_bad=1)
        objects_batch([row], table.fields, number, reading)
        if reading.bad:
            errors.append(_wrong(number, _named(reading.bad[0], table), reading.bad[0]))
        else:
            good.append(row)
    return errors, good


def _named(sentence: str, table: Table) -> str:
    return next((str(field["name"]) for field in table.fields if f"field {field['name']}" in sentence), "")


def _wrong(number: int, location: str, message: str) -> dict[str, Any]:
    error = {"reason": "invalid", "location": location, "debugInfo": "", "message": message}
    return {"index": number, "errors": [error]}


def _insert(tx: Transaction, table: Table, good: list[Any], partition: str) -> None:
    """Inserts rows; what a row leaves out has its column's default value."""
    defaults = {field["name"].lower() for field in table.fields if field.get("defaultValueExpression")}
    groups: dict[frozenset[str], list[Any]] = {}
    for row in good:
        groups.setdefault(frozenset(defaults - {name.lower() for name in row}), []).append(row)
    for left_out, some in groups.items():
        fields = [field for field in table.fields if field["name"].lower() not in left_out]
        _insert_alike(tx, table, fields, some, partition)


def _insert_alike(tx: Transaction, table: Table, fields: list[Any], good: list[Any], partition: str) -> None:
    batch = objects_batch(good, fields, 0, Reading())
    tx.connection.register("inserted", pa.Table.from_batches([batch]))
    try:
        destinations.append(tx, table, fields, "SELECT * FROM inserted", partition)
    finally:
        tx.connection.unregister("inserted")


_PATH = "/projects/{project}/datasets/{dataset}/tables/{table}"
ROUTES = (route("GET", f"{_PATH}/data", list_rows), route("POST", f"{_PATH}/insertAll", insert_all))
