"""EXPORT DATA: https://cloud.google.com/bigquery/docs/reference/standard-sql/export-statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.bigquery.compiler.definitions import options_of
from services.bigquery.errors import NotBuilt, invalid_query
from services.bigquery.jobs.extract import BATCH, ExtractRunner
from services.bigquery.jobs.history import Result
from services.bigquery.language import tree
from services.bigquery.scripts.syntax import Parsed, syntax_node

_OPTIONS = {
    "compression": "compression",
    "field_delimiter": "fieldDelimiter",
    "format": "destinationFormat",
    "header": "printHeader",
    "use_avro_logical_types": "useAvroLogicalTypes",
}
"""Names in OPTIONS(...) and in an extract job."""


def export(statement: Any, parsed: Parsed, answer: Callable[[str], Result], extract: ExtractRunner) -> dict[str, Any]:
    """Writes a query's rows into an object of the bucket; returns the statistics.

    Args:
        statement: The resolved statement.
        parsed: Its text.
        answer: Runs a query.
        extract: Writes objects.

    Raises:
        BigQueryError: An option is wrong, or the destination is not empty.
    """
    found = tree.node(statement)
    if found.HasField("connection"):
        raise NotBuilt("EXPORT DATA with a connection")
    given = {name.lower(): value for name, value in options_of(found.option_list).items()}
    uri, configuration = _checked(given)
    result = answer(parsed.source.statement(syntax_node(parsed.statements[0].query)))
    table = result.table
    pieces = (table.slice(start, BATCH) for start in range(0, table.num_rows, BATCH))
    extract.write(pieces, result.fields, configuration, uri, is_new=not given.get("overwrite"))
    return {"exportDataStatistics": {"fileCount": "1", "rowCount": str(result.table.num_rows)}}


def _checked(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    for name in given:
        if name not in (*_OPTIONS, "uri", "overwrite"):
            raise invalid_query(f"Unknown option: {name}")
    uri = given.get("uri")
    if not uri or not given.get("format"):
        raise invalid_query(f"Option '{'format' if uri else 'uri'}' is required for EXPORT DATA")
    if str(uri).count("*") != 1:
        text = "Option 'uri' value must be a wild card URI"
        raise invalid_query(f"{text}: it has exactly one *, such as gs://bucket/folder/file-*.csv")
    return str(uri), {rest: given[name] for name, rest in _OPTIONS.items() if given.get(name) is not None}
