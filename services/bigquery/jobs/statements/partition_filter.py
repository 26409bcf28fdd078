"""Tables that want a filter on their partitions: https://cloud.google.com/bigquery/docs/querying-partitioned-tables#require_filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.language import tree
from services.bigquery.records import Path, Table

_CONDITIONS = ("filter_expr", "join_expr", "where_expr", "merge_expr", "match_expr")
"""Fields of the resolved tree whose conditions may leave out partitions."""
_LOAD_TIME = ("_PARTITION_LOAD_TIME", "_PARTITIONDATE", "_PARTITIONTIME")


def check(
    statement: Any, paths: Mapping[str, tuple[Path, ...]], table_of: Callable[[Path], Table], written: str = ""
) -> None:
    """Refuses a statement that reads such a table without such a filter.

    Args:
        statement: The resolved statement.
        paths: The tables behind each full name in it.
        table_of: Looks a table up.
        written: The full name of the table into which INSERT writes.

    Raises:
        BigQueryError: In Google's words.
    """
    filtered: set[int] | None = None
    for scan in (message for message in tree.walk(statement) if tree.kind(message) == "TableScan"):
        if scan.table.name == written:
            continue
        for path in paths.get(scan.table.name, ()):
            columns = _columns(table_of(path))
            if columns:
                filtered = _filtered(statement) if filtered is None else filtered
                _check_scan(scan, path, columns, filtered)


def _columns(table: Table) -> tuple[str, ...]:
    """The columns of which one needs a filter; none if the table does not want that."""
    resource = table.resource
    partitioning = resource.get("timePartitioning") or resource.get("rangePartitioning")
    wants = resource.get("requirePartitionFilter") or (partitioning or {}).get("requirePartitionFilter")
    if not partitioning or wants is not True:
        return ()
    return (str(partitioning["field"]),) if partitioning.get("field") else _LOAD_TIME


def _check_scan(scan: Any, path: Path, columns: tuple[str, ...], filtered: set[int]) -> None:
    names = [name.lower() for name in columns]
    read = [column for column in tree.get(scan, "column_list") if column.name.lower() in names]
    if any(column.column_id in filtered for column in read):
        return
    listed = ", ".join(f"'{name}'" for name in columns)
    text = f"Cannot query over table '{'.'.join(path)}' without a filter over column(s) {listed} that can be used for"
    raise BigQueryError("invalidQuery", f"{text} partition elimination", "query")


def _filtered(statement: Any) -> set[int]:
    """The ids of all columns in conditions."""
    found = set()
    for message in tree.walk(statement):
        for name in _CONDITIONS:
            if name in message.DESCRIPTOR.fields_by_name and message.HasField(name):
                refs = (one for one in tree.walk(getattr(message, name)) if tree.kind(one) == "ColumnRef")
                found |= {one.column.column_id for one in refs}
    return found
