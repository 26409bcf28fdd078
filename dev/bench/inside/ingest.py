"""Loads a month from the web into Postgres, by Orionbox's code, the course's and other tools, and by COPY alone."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pandas as pd
import psycopg2
import pyarrow as pa
from sqlalchemy import create_engine

from dev.bench.inside.measured import WAREHOUSE, WORK, main
from dev.bench.inside.tables import count_and_drop
from ingest_data import ingest
from orionbox.runs.report import Stopwatch
from orionbox.stores.postgres import count_month
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.download import Download
from orionbox.trips.months import TripFile
from orionbox.trips.schema import COLUMNS, SOURCE_FILE, postgres_columns

CHUNK_ROWS = 100_000
"""The course's chunks."""
BUFFER_BYTES = 1 << 20


def ours(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the task of `make ingest`."""
    with watch.time(WORK):
        ingest.fn(trips)
    return count_month(WAREHOUSE, trips)


def course(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the course's code: wget, pandas in chunks, SQLAlchemy, psycopg2; it leaves out trips without passengers."""
    table, engine = "course_trips", create_engine(WAREHOUSE)
    with watch.time(WORK), TemporaryDirectory() as folder:
        csv = fetch(trips, Path(folder))
        for number, df in enumerate(pd.read_csv(csv, iterator=True, chunksize=CHUNK_ROWS)):
            df["tpep_pickup_datetime"] = pd.to_datetime(df["tpep_pickup_datetime"])
            df["tpep_dropoff_datetime"] = pd.to_datetime(df["tpep_dropoff_datetime"])
            df = df[df["passenger_count"] != 0]
            if number == 0:
                df.head(n=0).to_sql(name=table, con=engine, if_exists="replace")
            df.to_sql(name=table, con=engine, if_exists="append")
    return count_and_drop(WAREHOUSE, table)


def stages_before_postgres(trips: TripFile, watch: Stopwatch) -> int:
    """Times fetch, unpack and parse cumulatively, without Postgres."""
    with TemporaryDirectory() as folder:
        with watch.time("fetch"), Download(trips.url(), Path(folder)) as file:
            read_to_end(file)
        with watch.time("fetch and unpack"), Download(trips.url(), Path(folder)) as file:
            read_to_end(pa.CompressedInputStream(pa.PythonFile(file, "r"), "gzip"))
        with watch.time(WORK), Download(trips.url(), Path(folder)) as file:
            return sum(batch.num_rows for batch in TripCsv(file, ARROW_SCHEMAS[trips.color]).batches())


def read_to_end(file: BinaryIO) -> None:
    """Reads the file to its end."""
    while file.read(BUFFER_BYTES):
        pass


def limit(trips: TripFile, watch: Stopwatch) -> int:
    """Copies the unpacked text into a new table with the columns of `ours`, without fetching, parsing or checking."""
    table = "copied_trips"
    columns = f"{postgres_columns(COLUMNS[trips.color])}, {SOURCE_FILE} text NOT NULL DEFAULT '{trips.csv_name}'"
    names = ", ".join(f'"{name}"' for name in COLUMNS[trips.color])
    with TemporaryDirectory() as folder:
        csv = unpack(fetch(trips, Path(folder)))
        with watch.time(WORK), csv.open("rb") as file, psycopg2.connect(WAREHOUSE) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE TABLE {table} ({columns})")
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT csv, HEADER)", file)
            connection.commit()
    return count_and_drop(WAREHOUSE, table)


def fetch(trips: TripFile, folder: Path) -> Path:
    """Downloads the file by wget, as the course does; returns its path."""
    packed = folder / trips.csv_name
    subprocess.run(["wget", "--quiet", trips.url(), "-O", packed], check=True)
    return packed


def unpack(packed: Path) -> Path:
    """Unpacks the gzip file next to it; returns the path of the text."""
    csv = packed.with_suffix("")
    csv.write_bytes(gzip.decompress(packed.read_bytes()))
    return csv


def pgloader(trips: TripFile, watch: Stopwatch) -> int:
    """Runs pgloader on the text while it is fetched and unpacked; the table exists before."""
    table = "pgloader_trips"
    names = [name.lower() for name in COLUMNS[trips.color]]
    with psycopg2.connect(WAREHOUSE) as connection:
        connection.cursor().execute(f"CREATE TABLE {table} ({postgres_columns(COLUMNS[trips.color]).lower()})")
    fields = ", ".join(f"{name} [null if blanks]" for name in names)
    command = (
        f"LOAD CSV FROM stdin HAVING FIELDS ({fields}) "
        f"INTO {WAREHOUSE} TARGET TABLE public.{table} ({', '.join(names)}) "
        "WITH skip header = 1, fields terminated by ',';"
    )
    with TemporaryDirectory() as folder:
        script = Path(folder, "trips.load")
        script.write_text(command)
        feed = f"wget --quiet {trips.url()} -O - | gunzip | pgloader --root-dir {folder} {script} >&2"
        with watch.time(WORK):
            subprocess.run(["bash", "-o", "pipefail", "-c", feed], check=True)
    return count_and_drop(WAREHOUSE, table)


if __name__ == "__main__":
    main({"ours": ours, "course": course, "limit": limit, "stages": stages_before_postgres, "pgloader": pgloader})
