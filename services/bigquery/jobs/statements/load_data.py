"""LOAD DATA: https://cloud.google.com/bigquery/docs/reference/standard-sql/load-statements."""

from __future__ import annotations

from typing import Any

from services.bigquery.compiler.definitions import LoadData
from services.bigquery.errors import invalid_query
from services.bigquery.jobs import definitions
from services.bigquery.records import Path

_FILES = {
    "allow_jagged_rows": "allowJaggedRows",
    "allow_quoted_newlines": "allowQuotedNewlines",
    "encoding": "encoding",
    "field_delimiter": "fieldDelimiter",
    "format": "sourceFormat",
    "ignore_unknown_values": "ignoreUnknownValues",
    "max_bad_records": "maxBadRecords",
    "null_marker": "nullMarker",
    "null_markers": "nullMarkers",
    "preserve_ascii_control_characters": "preserveAsciiControlCharacters",
    "quote": "quote",
    "skip_leading_rows": "skipLeadingRows",
    "uris": "sourceUris",
}
"""Names in FROM FILES (...) and in a load job."""
_FORMATS = {"JSON": "NEWLINE_DELIMITED_JSON"}


def configuration(asked: LoadData, path: Path) -> dict[str, Any]:
    """The load job that does what a LOAD DATA asks for.

    Args:
        asked: The statement.
        path: Of its table.

    Raises:
        BigQueryError: An option is wrong.
    """
    given = {name.lower(): value for name, value in asked.files.items()}
    for name in given:
        if name not in _FILES:
            raise invalid_query(f"Unknown option: {name}")
    for name in ("format", "uris"):
        if not given.get(name):
            raise invalid_query(f"Option '{name}' is required for LOAD DATA")
    found = {rest: given[name] for name, rest in _FILES.items() if given.get(name) is not None}
    kind = str(found["sourceFormat"]).upper()
    found |= definitions.options(asked.options) | definitions.partitioning_of(asked)
    if asked.columns:
        found["schema"] = {"fields": [definitions.field_of(column) for column in asked.columns]}
    return found | {
        "sourceFormat": _FORMATS.get(kind, kind),
        "autodetect": not asked.columns,
        "destinationTable": {"projectId": path[0], "datasetId": path[1], "tableId": path[2]},
        "writeDisposition": "WRITE_TRUNCATE" if asked.is_overwrite else "WRITE_APPEND",
    }
