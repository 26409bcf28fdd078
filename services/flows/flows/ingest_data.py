"""Loads months of taxi trips from the web straight into Postgres, each while it downloads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow, get_run_logger, task

from orionbox.errors import RETRY_IO
from orionbox.flow_settings import FlowSettings
from orionbox.runs import disk_space
from orionbox.runs.progress import with_progress
from orionbox.stores.clients import postgres_uri
from orionbox.stores.postgres import replace_month
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.download import Download
from orionbox.trips.kinds import is_generated, kind_of
from orionbox.trips.months import Color, TripFile, trip_files


@task(**RETRY_IO, task_run_name="ingest {trips.name}")
def ingest(trips: TripFile, force: bool = False) -> int:
    """Replaces the month in Postgres with the rows of its CSV, all of them or none; returns their number.

    With `force` the month may replace a stored one of a higher rank: generated data a real month, for example.
    """
    url = trips.url(FlowSettings.from_environment().release_url)
    log = get_run_logger()
    with TemporaryDirectory() as folder, Download(url, Path(folder)) as file:
        kind = partial(kind_of, trips, generated=is_generated(file.peek()))
        batches = TripCsv(file, ARROW_SCHEMAS[trips.color]).batches()
        batches = with_progress(batches, log.info, trips.csv_name, "Postgres", lambda rows: file.share)
        rows = replace_month(postgres_uri(), trips, batches, kind, force)
    log.info("%s: %s rows -> Postgres %s (%s)", trips.csv_name, f"{rows:,}", trips.table, kind(rows))
    return rows


@flow(name="log-table-name", log_prints=True)
def log_table_name(table_name: str) -> None:
    """Prints the table's name in a sub-flow, with its own run, logs and state."""
    print(f"Loading into table {table_name}")  # noqa: T201


@flow(name="ingest-data")
def ingest_data(
    color: Color = "green",
    year: int = 2021,
    months: list[int] = [1, 2],  # noqa: B006
    force: bool = False,
) -> int:
    """Loads the months one after the other; returns the number of rows.

    Generated data replaces a real month only with `force`.
    """
    files = trip_files(color, year, months)
    disk_space.require(files)
    log_table_name(files[0].table)
    return sum(ingest(trips, force) for trips in files)


if __name__ == "__main__":
    ingest_data()
