"""Trips as parquet files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from orionbox.trips.kinds import KINDS, PARQUET_KEY, kind_without_record
from orionbox.trips.months import TripFile

COMPRESSION = "zstd"
"""Compresses as well as gzip in a fraction of the time."""
BATCH_ROWS = 65_536
FEWEST_COLUMNS = 3
"""So many columns of two files must have equal ranges before their trips count as the same."""
PIECE_BYTES = 4 << 20
"""Bytes after which a piece of the file is yielded."""


class Footer(NamedTuple):
    """What the end of a parquet file says about it."""

    rows: int
    kind: str
    """The kind of its data; empty if the file does not record it."""
    ranges: dict[str, tuple[float, float]]
    """The smallest and the largest number in each column of amounts and distances."""

    def kind_of(self, trips: TripFile) -> str:
        """Returns the recorded kind of the month in this file, or its kind by the number of rows."""
        return self.kind if self.kind in KINDS else kind_without_record(trips, self.rows)

    def has_same_numbers(self, other: Footer) -> bool:
        """Returns whether both files have as many rows, and the same ranges in the columns that both have."""
        common = self.ranges.keys() & other.ranges.keys()
        same = all(self.ranges[name] == other.ranges[name] for name in common)
        return self.rows == other.rows and len(common) >= FEWEST_COLUMNS and same


class ParquetStream:
    """A parquet file of trips, written piece by piece, so that the whole file is never in memory or on disk.

    Args:
        batches: the trips.
        schema: their columns.
        kind: returns the kind of the data from the number of rows; the file's metadata records it.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: Callable[[int], str]) -> None:
        self.rows = 0
        """Rows written; complete after the last piece."""
        self.footer = Footer(0, "", {})
        """What the file's end says; known after the last piece."""
        self._batches, self._schema, self._kind = batches, schema, kind

    def __iter__(self) -> Iterator[bytes]:
        """Yields pieces of about `PIECE_BYTES`; the last one completes the file."""
        written, metadata = io.BytesIO(), list[pq.FileMetaData]()
        options = {**_options(self._schema), "metadata_collector": metadata}
        with pq.ParquetWriter(pa.PythonFile(written, "w"), self._schema, **options) as writer:
            for batch in self._batches:
                writer.write_batch(batch)
                self.rows += batch.num_rows
                if written.tell() >= PIECE_BYTES:
                    yield _take_buffer(written)
            kind = self._kind(self.rows)
            writer.add_key_value_metadata({PARQUET_KEY.decode(): kind})
        self.footer = _footer(metadata[0])._replace(kind=kind)
        yield _take_buffer(written)


def _options(schema: pa.Schema) -> dict[str, object]:
    # Times hardly repeat: a dictionary of them costs more than it saves
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    return {
        "compression": COMPRESSION,
        "use_dictionary": [name for name in schema.names if name not in times],
        "column_encoding": dict.fromkeys(times, "DELTA_BINARY_PACKED"),
    }


def _take_buffer(written: io.BytesIO) -> bytes:
    piece = written.getvalue()
    written.seek(0)
    written.truncate()
    return piece


def read_parquet(file: Path | IO[bytes]) -> Iterator[pa.RecordBatch]:
    """Yields the file's rows batch by batch; only a part of the file is in memory at a time."""
    with pq.ParquetFile(file, pre_buffer=False) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


def read_footer(file: Path | IO[bytes]) -> Footer:
    """Reads the end of a file; its rows are not read."""
    with pq.ParquetFile(file) as parquet:
        return _footer(parquet.metadata)


def _footer(metadata: pq.FileMetaData) -> Footer:
    ranges: dict[str, tuple[float, float]] = {}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    for column in (group.column(number) for group in groups for number in range(group.num_columns)):
        statistics = column.statistics
        if column.physical_type == "DOUBLE" and statistics and statistics.has_min_max:
            low, high = ranges.get(column.path_in_schema, (statistics.min, statistics.max))
            ranges[column.path_in_schema] = (min(low, statistics.min), max(high, statistics.max))
    kind = (metadata.metadata or {}).get(PARQUET_KEY, b"").decode(errors="replace")
    return Footer(int(metadata.num_rows), kind, ranges)
