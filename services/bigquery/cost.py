"""What a statement costs: the bytes of the columns that it reads, as BigQuery counts and bills them.

https://cloud.google.com/bigquery/pricing#on_demand_pricing. Partitions that a filter leaves out are counted here, too.
"""

from __future__ import annotations

from typing import Any

from services.bigquery.language import tree

MIB = 2**20
LEAST_BILLED = 10 * MIB
"""Bytes for each table that a statement reads."""


def columns_read(statement: Any) -> dict[str, set[str]]:
    """The columns that a resolved statement reads, in lower case, by the full names of their tables."""
    found: dict[str, set[str]] = {}
    for message in tree.walk(statement):
        if tree.kind(message) == "TableScan":
            columns = {column.name.lower() for column in tree.get(message, "column_list")}
            found.setdefault(message.table.name, set()).update(columns)
    return found


def billed(processed: int, tables: int) -> int:
    """Bytes that are billed: whole mebibytes, and at least LEAST_BILLED a table."""
    return max(-(-processed // MIB) * MIB, LEAST_BILLED * tables) if processed else 0


def statistics(processed: int, tables: int, milliseconds: int | None) -> dict[str, Any]:
    """A query job's statistics of it (`JobStatistics2`).

    Args:
        processed: Bytes.
        tables: How many it reads.
        milliseconds: How long it has run; None for a dry run, which costs nothing.
    """
    found: dict[str, Any] = {"totalBytesProcessed": str(processed), "cacheHit": False}
    if milliseconds is None:
        return found | {"totalBytesProcessedAccuracy": "UPPER_BOUND"}
    own = {"totalBytesBilled": str(billed(processed, tables)), "billingTier": 1 if processed else 0}
    return found | own | {"totalSlotMs": str(max(milliseconds, 1))}
