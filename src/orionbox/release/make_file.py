"""Makes one file of a month: generated, or from the month's real CSV.

    python -m orionbox.release.make_file TARGET FORM COLOR YEAR MONTH --rows N
    python -m orionbox.release.make_file TARGET FORM COLOR YEAR MONTH --source CSV_GZ

The target appears when it is complete. Prints JSON: the rows, and whether they are generated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

from orionbox import files
from orionbox.errors import OrionboxError
from orionbox.release.tlc_schema import tlc_schema, to_tlc
from orionbox.release.urls import CSV, CSV_GZ
from orionbox.trips.arrow_schema import FILE_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.generated import GeneratedMonth, csv_text, write_month
from orionbox.trips.kinds import MARK_BYTES, PARQUET_KEY, is_generated, kind_of
from orionbox.trips.lines import LineCounter
from orionbox.trips.row_counts import Month
from orionbox.trips.schema import file_columns
from orionbox.trips.taxi_file import CHUNK

ROW_GROUP_BATCHES = 4
REPEATED = (
    *("VendorID", "passenger_count", "RatecodeID", "store_and_fwd_flag", "PULocationID", "DOLocationID"),
    *("payment_type", "trip_type", "extra", "mta_tax", "tolls_amount", "improvement_surcharge", "congestion_surcharge"),
    *("dispatching_base_num", "PUlocationID", "DOlocationID", "SR_Flag", "Affiliated_base_number"),
)
"""Columns with few values, for which parquet's dictionaries pay."""


def write_generated(form: str, month: Month, rows: int, file: IO[bytes]) -> int:
    """Writes a generated month in one of its forms; returns its rows."""
    if form == CSV_GZ:
        write_month(month, rows, file)
    elif form == CSV:
        for text in csv_text(month, rows):
            file.write(text)
    else:
        generated = GeneratedMonth(month, rows)
        batches = (batch.to_table(month.color) for batch in generated.batches())
        write_parquet(month, batches, file, is_made_up=True)
    return rows


def write_converted(form: str, month: Month, source: Path, file: IO[bytes]) -> tuple[int, bool]:
    """Writes the rows of a CSV.gz file in another form; returns how many, and whether they are generated.

    Raises:
        BadInputError: the file is damaged.
    """
    with source.open("rb") as stream:
        is_made_up = is_generated(stream.peek(MARK_BYTES))
        if form == CSV:
            with igzip.open(stream) as content:  # type: ignore[no-untyped-call]
                lines = LineCounter(content, source.name)
                while chunk := lines.read(CHUNK):
                    file.write(chunk)
            return lines.count - 1, is_made_up
        schema = FILE_SCHEMAS[month.color]
        names = list(file_columns(month.color, month.year))
        csv_file = TripCsv(stream, pa.schema([field.with_name(name) for field, name in zip(schema, names)]))
        batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in csv_file.batches())
        write_parquet(month, batches, file, is_made_up)
        return csv_file.rows, is_made_up


def write_parquet(month: Month, batches: Iterator[pa.RecordBatch], file: IO[bytes], is_made_up: bool) -> None:
    """Writes rows with the types that the TLC's parquet file of that month has, and their kind into its metadata."""
    kind = {PARQUET_KEY: b"generated"} if is_made_up else None
    schema, rows = tlc_schema(month).with_metadata(kind), 0
    repeated = [name for name in REPEATED if name in schema.names]
    with pq.ParquetWriter(file, schema, use_dictionary=repeated) as writer:
        while group := list(islice(batches, ROW_GROUP_BATCHES)):
            table = pa.Table.from_batches([to_tlc(batch, schema) for batch in group])
            writer.write_table(table)
            rows += table.num_rows
        if not is_made_up:  # only now are the rows known
            writer.add_key_value_metadata({PARQUET_KEY: kind_of(month, rows, is_made_up)})


def make(target: Path, form: str, month: Month, rows: int, source: Path | None) -> tuple[int, bool]:
    """Makes the file; returns its rows, and whether they are generated.

    Raises:
        BadInputError: the source is damaged.
        OSError: the file cannot be written; the disk may be full.
    """
    with files.new_file(target, 0o644) as file:
        if source:
            return write_converted(form, month, source, file)
        return write_generated(form, month, rows, file), True


def main() -> int:
    """Makes the file that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Path)
    parser.add_argument("form")
    parser.add_argument("color")
    parser.add_argument("year", type=int)
    parser.add_argument("month", type=int)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--source", type=Path)
    given = parser.parse_args()
    month = Month(given.color, given.year, given.month)
    try:
        rows, is_made_up = make(given.target, given.form, month, given.rows, given.source)
    except (OrionboxError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"rows": rows, "is_generated": is_made_up}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
