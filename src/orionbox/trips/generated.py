"""Generated trips in the format of a month's file, for machines that cannot get the real one.

The same color, year, month and number of rows give the same bytes. The numbers are plausible but not real. The gzip
header says that the file was generated.

`python -m orionbox.trips.generated COLOR YEAR MONTH [ROWS]` writes the file to standard output.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from orionbox.trips.arrow_schema import ARROW_SCHEMAS, INTEGER, TIME
from orionbox.trips.months import GENERATED_MARK, TripFile

ROWS = 100_000
BATCH_ROWS = 50_000
ZONES = 265
"""Zones are numbered from 1 to 265 (the TLC's taxi zone lookup)."""

Columns = dict[str, np.ndarray]


def write_month(trips: TripFile, rows: int, file: IO[bytes]) -> None:
    """Writes a gzip-compressed CSV file with `rows` trips."""
    packer, checksum, size = zlib.compressobj(1, wbits=-zlib.MAX_WBITS), 0, 0
    file.write(b"\x1f\x8b\x08\x10" + struct.pack("<L", 0) + b"\x00\xff" + GENERATED_MARK + b"\0")
    for text in _csv(trips, rows):
        checksum, size = zlib.crc32(text, checksum), size + len(text)
        file.write(packer.compress(text))
    file.write(packer.flush() + struct.pack("<LL", checksum, size & 0xFFFFFFFF))


def _csv(trips: TripFile, rows: int) -> Iterator[bytes]:
    random = np.random.default_rng([trips.year, trips.month, len(trips.color)])
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    schema = ARROW_SCHEMAS[trips.color]
    yield (",".join(schema.names) + "\n").encode()
    for start in range(0, rows, BATCH_ROWS):
        table = _table(_columns(trips, min(BATCH_ROWS, rows - start), random), schema)
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(table, sink, options)
        yield sink.getvalue().to_pybytes()


def _columns(trips: TripFile, rows: int, random: np.random.Generator) -> Columns:
    """Returns the columns of all colors by name, without missing values."""
    month = np.datetime64(f"{trips.year}-{trips.month:02}", "M")
    seconds = int(((month + 1).astype("datetime64[s]") - month.astype("datetime64[s]")).astype(int))
    pickup = month.astype("datetime64[s]") + random.integers(0, seconds, rows).astype("timedelta64[s]")
    miles = np.round(random.lognormal(0.6, 0.8, rows), 2)
    minutes = np.maximum(1.0, miles * random.uniform(2.5, 7.0, rows))
    fare = np.round(2.5 + miles * 2.5 + minutes * 0.5, 1)
    tip = np.round(fare * random.choice([0.0, 0.15, 0.2, 0.25], rows), 2)
    tolls = random.choice([0.0, 6.12], rows, p=[0.95, 0.05])
    congestion = random.choice([0.0, 2.5], rows)
    pickup_name, dropoff_name = (field.name for field in ARROW_SCHEMAS[trips.color] if field.type == TIME)
    return {
        "VendorID": random.integers(1, 3, rows),
        pickup_name: pickup,
        dropoff_name: pickup + (minutes * 60).astype("timedelta64[s]"),
        "passenger_count": random.choice(7, rows, p=[0.02, 0.72, 0.14, 0.04, 0.02, 0.03, 0.03]),
        "trip_distance": miles,
        "RatecodeID": random.choice([1, 2, 3, 5], rows, p=[0.95, 0.03, 0.01, 0.01]),
        "store_and_fwd_flag": random.choice(["N", "Y"], rows, p=[0.99, 0.01]),
        "PULocationID": random.integers(1, ZONES + 1, rows),
        "DOLocationID": random.integers(1, ZONES + 1, rows),
        "payment_type": random.choice([1, 2, 3, 4], rows, p=[0.7, 0.28, 0.01, 0.01]),
        "fare_amount": fare,
        "extra": random.choice([0.0, 0.5, 1.0], rows),
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": tip,
        "tolls_amount": tolls,
        "improvement_surcharge": np.full(rows, 0.3),
        "total_amount": np.round(fare + tip + tolls + congestion + 0.8, 2),
        "congestion_surcharge": congestion,
        "ehail_fee": np.full(rows, np.nan),
        "trip_type": random.choice([1, 2], rows, p=[0.97, 0.03]),
        "is_missing": random.random(rows) < 0.05,
    }


def _table(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Returns the schema's columns as text; the codes have missing values in the same rows, as in the real files."""
    gaps = pa.array(columns["is_missing"])
    codes = {"VendorID", "passenger_count", "RatecodeID", "store_and_fwd_flag", "payment_type", "trip_type"}
    arrays = []
    for field in schema:
        array = pa.array(columns[field.name], from_pandas=True)
        if field.type == TIME:
            array = pc.strftime(array.cast(pa.timestamp("s")), format="%Y-%m-%d %H:%M:%S")
        if field.type == INTEGER:
            array = array.cast(pa.int64())
        if field.name in codes:
            array = pc.if_else(gaps, pa.scalar(None, array.type), array)
        arrays.append(array)
    return pa.table(arrays, names=schema.names)


def main(color: str, year: str, month: str, rows: str = str(ROWS)) -> None:
    """Writes the month to standard output."""
    write_month(TripFile(color, int(year), int(month)), int(rows), sys.stdout.buffer)


if __name__ == "__main__":
    main(*sys.argv[1:])
