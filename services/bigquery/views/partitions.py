"""A table's partitions as its meta-table `t$__PARTITIONS_SUMMARY__` has them: `list_partitions` of Google's client.

https://cloud.google.com/bigquery/docs/managing-partitioned-tables#get_partition_metadata
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from services.bigquery import schema
from services.bigquery.records import Table, Transaction
from services.bigquery.types import Type

SUMMARY = "__PARTITIONS_SUMMARY__"
"""What stands behind `$` in the meta-table's name."""
FIELDS = [schema.field_of(name, Type("STRING")) for name in ("project_id", "dataset_id", "table_id", "partition_id")]
FIELDS.append(schema.field_of("last_modified_time", Type("INT64")))


def summary(tx: Transaction, table: Table) -> Any:
    """The rows, as an Arrow table with columns in the order of FIELDS.

    Raises:
        BigQueryError: The table is not partitioned.
    """
    if not {"timePartitioning", "rangePartitioning"} & table.resource.keys():
        name = f"{table.path[0]}:{table.path[1]}.{table.path[2]}${SUMMARY}"
        raise schema.invalid(f"Cannot read partition information from a table that is not partitioned: {name}")
    rows = [(*table.path, partition, table.modified) for partition, _ in tx.partitions(table.path)]
    kinds = [schema.type_of(field).arrow for field in FIELDS]
    columns = [pa.array([row[number] for row in rows], kind) for number, kind in enumerate(kinds)]
    return pa.table(columns, names=[f"o{number}" for number in range(len(columns))])
