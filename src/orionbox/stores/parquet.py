"""Trips as parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "zstd"
"""Packs as tightly as gzip in a fraction of the time."""
BATCH_ROWS = 65_536
PIECE_BYTES = 4 << 20
"""What is written of a file until it is passed on; a batch more, if need be."""


class ParquetPieces:
    """Trips on their way into a parquet file, whose bytes come piece by piece: it need lie nowhere as a whole.

    Args:
        batches: the trips.
        schema: their columns.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        self.rows = 0
        """Rows written, known when all pieces are there."""
        self._batches, self._schema = batches, schema

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of some `PIECE_BYTES`; with the last one the file is whole."""
        written = io.BytesIO()
        with pq.ParquetWriter(pa.PythonFile(written, "w"), self._schema, **_options(self._schema)) as writer:
            for batch in self._batches:
                writer.write_batch(batch)
                self.rows += batch.num_rows
                if written.tell() >= PIECE_BYTES:
                    yield _taken(written)
        yield _taken(written)


def _options(schema: pa.Schema) -> dict[str, object]:
    # Times hardly repeat, so that a dictionary of them costs more than it saves
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    return {
        "compression": COMPRESSION,
        "use_dictionary": [name for name in schema.names if name not in times],
        "column_encoding": dict.fromkeys(times, "DELTA_BINARY_PACKED"),
    }


def _taken(written: io.BytesIO) -> bytes:
    piece = written.getvalue()
    written.seek(0)
    written.truncate()
    return piece


def read_parquet(file: Path | IO[bytes]) -> Iterator[pa.RecordBatch]:
    """The file's rows, batch by batch; of the file itself only a part is in memory at a time."""
    with pq.ParquetFile(file, pre_buffer=False) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


def count_rows(file: Path | IO[bytes]) -> int:
    """The number of rows that the file's footer states."""
    with pq.ParquetFile(file) as parquet:
        return int(parquet.metadata.num_rows)
