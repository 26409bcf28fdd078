"""CREATE EXTERNAL TABLE: a table whose rows each query reads from the bucket's objects."""

from __future__ import annotations

from typing import Any

from services.bigquery import schema
from services.bigquery.compiler.definitions import options_of
from services.bigquery.errors import BigQueryError
from services.bigquery.language import tree, values
from services.bigquery.loads import sources
from services.bigquery.loads.sources import Bucket
from services.bigquery.records import Path, Table, Transaction

_MODES = ("default", "or_replace", "if_not_exists")
_CSV = {
    "field_delimiter": "fieldDelimiter",
    "skip_leading_rows": "skipLeadingRows",
    "quote": "quote",
    "allow_jagged_rows": "allowJaggedRows",
    "allow_quoted_newlines": "allowQuotedNewlines",
    "encoding": "encoding",
    "null_marker": "nullMarker",
}


def create_external(tx: Transaction, path: Path, statement: Any, bucket: Bucket) -> str:
    """Creates the table; returns CREATE, REPLACE or SKIP.

    Raises:
        BigQueryError: There is such a table; its files are not there or of another format.
    """
    found = tree.node(statement)
    options = options_of(tree.get(found, "option_list"))
    mode = _MODES[tree.get(found, "create_mode")]
    tx.dataset(path[:2])
    exists = any(table.path == path for table in tx.tables(path[:2]))
    if exists and mode == "if_not_exists":
        return "SKIP"
    if exists and mode == "default":
        raise BigQueryError("duplicate", f"Already Exists: Table {path[0]}:{path[1]}.{path[2]}", status=409)
    external = configuration(options)
    columns = [(one.name, values.type_of(one.type)) for one in tree.get(found, "column_definition_list")]
    fields = schema.fields_of(columns) or detected(external, bucket)
    if exists:
        tx.drop_table(path)
    resource = {"schema": {"fields": fields}, "externalDataConfiguration": external}
    tx.create_table(Table(path, "EXTERNAL", resource))
    return "REPLACE" if exists else "CREATE"


def configuration(options: dict[str, Any]) -> dict[str, Any]:
    """OPTIONS(...) as REST's `ExternalDataConfiguration`."""
    given = {name.lower(): value for name, value in options.items()}
    uris, kind = given.get("uris") or [], str(given.get("format") or "").upper()
    if not uris or not kind:
        raise BigQueryError("invalidQuery", "CREATE EXTERNAL TABLE requires the options format and uris", "query")
    own = {rest: given[name] for name, rest in _CSV.items() if given.get(name) is not None}
    kind = "NEWLINE_DELIMITED_JSON" if kind in ("JSON", "NEWLINE_DELIMITED_JSON") else kind
    found = {"sourceUris": list(uris), "sourceFormat": kind, "autodetect": True}
    return {**found, "csvOptions": own} if kind == "CSV" else found


def detected(external: dict[str, Any], bucket: Bucket) -> list[dict[str, Any]]:
    """The columns of an external table's files."""
    return sources.detect_fields(bucket.find(external.get("sourceUris") or []), sources.reading_of(external))


def rows(table: Table, bucket: Bucket) -> Any:
    """The rows of an external table as DuckDB reads them: with their own names.

    Raises:
        BigQueryError: Its files are not there.
    """
    external = table.resource["externalDataConfiguration"]
    reading = sources.reading_of(external)
    files = bucket.find(external.get("sourceUris") or [])
    if reading.format == "CSV" and reading.skip is None:
        sources.detect_fields(files, reading)
    return sources.Incoming(files, table.fields, reading).named()
