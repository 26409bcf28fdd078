"""Trips as parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "zstd"
"""Packs as tightly as gzip in a fraction of the time."""
BATCH_ROWS = 65_536


def write_parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    """Writes the batches to `path`, whole or not at all, and returns the number of rows."""
    rows = 0
    partial = path.with_name(f".part-{path.name}")
    try:
        with pq.ParquetWriter(partial, schema, compression=COMPRESSION) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def read_parquet(file: Path | IO[bytes]) -> Iterator[pa.RecordBatch]:
    """The file's rows, batch by batch."""
    with pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


def count_rows(file: Path | IO[bytes]) -> int:
    """The number of rows that the file's footer states."""
    with pq.ParquetFile(file) as parquet:
        return int(parquet.metadata.num_rows)
