"""A month of taxi trips from the web straight into Postgres."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow, get_run_logger, task

from orionbox.blocks import postgres_uri
from orionbox.errors import RETRY_IO, BadInputError
from orionbox.parquet import read_parquet, write_parquet
from orionbox.postgres import replace_month
from orionbox.schema import TRIPS
from orionbox.settings import Settings
from orionbox.trip_csv import TripCsv
from orionbox.trips import Color, TripFile, trip_files
from orionbox.web import download


@task(**RETRY_IO, task_run_name="extract {trips.name}")
def extract(trips: TripFile, folder: Path) -> Path:
    """Fetches the CSV."""
    return download(trips.url(Settings.from_environment().release_url), folder)


@task(task_run_name="transform {trips.name}")
def transform(trips: TripFile, csv: Path) -> Path:
    """Gives the CSV its types: a parquet file beside it, with as many rows."""
    source, parquet = TripCsv(csv, TRIPS[trips.color]), csv.with_name(f"{trips.name}.parquet")
    written = write_parquet(source.batches(), source.schema, parquet)
    if written != source.rows:
        raise BadInputError(f"{csv.name}: {source.rows:,} lines gave {written:,} rows; look for blank or broken lines")
    return parquet


@task(**RETRY_IO, task_run_name="load {trips.name}")
def load(trips: TripFile, parquet: Path) -> int:
    """Replaces the month in Postgres; returns its number of rows."""
    rows = replace_month(postgres_uri(), trips, read_parquet(parquet))
    get_run_logger().info("%s: %s rows -> Postgres %s", trips.csv_name, f"{rows:,}", trips.table)
    return rows


@flow(name="log-table-name", log_prints=True)
def log_table_name(table_name: str) -> None:
    """A sub-flow: it has a run, logs and a state of its own."""
    print(f"Loading into table {table_name}")  # noqa: T201


@flow(name="ingest-data")
def ingest_data(color: Color = "yellow", year: int = 2021, months: list[int] = [1]) -> int:  # noqa: B006
    """Loads the months one after the other; returns the number of rows."""
    files, rows = trip_files(color, year, months), 0
    log_table_name(files[0].table)
    for trips in files:
        with TemporaryDirectory() as folder:
            csv = extract(trips, Path(folder))
            parquet = transform(trips, csv)
            rows += load(trips, parquet)
    return rows


if __name__ == "__main__":
    ingest_data()
