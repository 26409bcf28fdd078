"""A month from the web into Postgres: our way, the course's, and as fast as Postgres takes it."""

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
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.download import Download
from orionbox.trips.months import TripFile
from orionbox.trips.schema import SOURCE_FILE, TRIPS, postgres_columns

CHUNK_ROWS = 100_000
"""As in the course."""
BUFFER_BYTES = 1 << 20


def ours(trips: TripFile, watch: Stopwatch) -> int:
    """The task of `make ingest`."""
    with watch.time(WORK):
        ingest.fn(trips)
    return count_month(WAREHOUSE, trips)


def course(trips: TripFile, watch: Stopwatch) -> int:
    """wget, then pandas in chunks through SQLAlchemy and psycopg2; trips without passengers are left out."""
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


def parts(trips: TripFile, watch: Stopwatch) -> int:
    """What ours does before Postgres sees a row: its parts, each with those before it, up to typed batches."""
    with TemporaryDirectory() as folder:
        with watch.time("fetch"), Download(trips.url(), Path(folder)) as file:
            exhaust(file)
        with watch.time("fetch and unpack"), Download(trips.url(), Path(folder)) as file:
            exhaust(pa.CompressedInputStream(pa.PythonFile(file, "r"), "gzip"))
        with watch.time(WORK), Download(trips.url(), Path(folder)) as file:
            return sum(batch.num_rows for batch in TripCsv(file, TRIPS[trips.color]).batches())


def exhaust(file: BinaryIO) -> None:
    """Reads to the end."""
    while file.read(BUFFER_BYTES):
        pass


def limit(trips: TripFile, watch: Stopwatch) -> int:
    """COPY of the unpacked text into the table that ours fills, new as there: nothing is fetched, parsed or checked."""
    table = "copied_trips"
    columns = f"{postgres_columns(TRIPS[trips.color])}, {SOURCE_FILE} text NOT NULL DEFAULT '{trips.csv_name}'"
    names = ", ".join(f'"{name}"' for name in TRIPS[trips.color].names)
    with TemporaryDirectory() as folder:
        csv = unpack(fetch(trips, Path(folder)))
        with watch.time(WORK), csv.open("rb") as file, psycopg2.connect(WAREHOUSE) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE TABLE {table} ({columns})")
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT csv, HEADER)", file)
            connection.commit()
    return count_and_drop(WAREHOUSE, table)


def fetch(trips: TripFile, folder: Path) -> Path:
    """The file as it is served, by wget as in the course."""
    packed = folder / trips.csv_name
    subprocess.run(["wget", "--quiet", trips.url(), "-O", packed], check=True)
    return packed


def unpack(packed: Path) -> Path:
    """The text beside the gzip file."""
    csv = packed.with_suffix("")
    csv.write_bytes(gzip.decompress(packed.read_bytes()))
    return csv


def pgloader(trips: TripFile, watch: Stopwatch) -> int:
    """pgloader, fed with the text while it is fetched and unpacked; the table is there."""
    table = "pgloader_trips"
    names = [name.lower() for name in TRIPS[trips.color].names]
    with psycopg2.connect(WAREHOUSE) as connection:
        connection.cursor().execute(f"CREATE TABLE {table} ({postgres_columns(TRIPS[trips.color]).lower()})")
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
    main({"ours": ours, "course": course, "limit": limit, "parts": parts, "pgloader": pgloader})
