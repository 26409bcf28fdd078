"""A month of taxi trips from the web to Google Cloud Storage: fetch the CSV, give it types, store it as parquet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from prefect import flow, get_run_logger, task

from orionbox.blocks import bucket
from orionbox.errors import RETRY_IO
from orionbox.parquet import write_parquet
from orionbox.report import Stopwatch
from orionbox.schema import TRIPS
from orionbox.settings import Settings
from orionbox.trip_csv import TripCsv
from orionbox.trips import Color, StagedMonth, TripFile
from orionbox.web import download, source_of


@task(**RETRY_IO, task_run_name="web-to-gcs {trips.name}")
def web_to_gcs(trips: TripFile) -> StagedMonth:
    """Fetches, cleans, writes and uploads one month; nothing reaches the bucket unless all of it is right."""
    settings, watch = Settings.from_environment(), Stopwatch()
    with TemporaryDirectory() as folder:
        with watch.time("fetch"):
            csv = download(trips.url(settings.release_url), Path(folder))
        parquet, rows = clean(csv, trips, watch)
        with watch.time("upload"):
            uri = upload(parquet, trips.object_name)
    source = source_of(trips.csv_path, settings.release_url)
    get_run_logger().info("%s: %s rows -> %s (%s)", trips.csv_name, f"{rows['source']:,}", uri, source)
    return StagedMonth(trips, uri, source, rows, watch.seconds)


def clean(csv: Path, trips: TripFile, watch: Stopwatch) -> tuple[Path, dict[str, int]]:
    """Writes the CSV as typed parquet beside it; returns that file, and the rows in the one and in the other."""
    source, parquet = TripCsv(csv, TRIPS[trips.color]), csv.with_name(f"{trips.name}.parquet")
    with watch.time("write"):
        written = write_parquet(_timed(source.batches(), watch), source.schema, parquet)
    watch.add("write", -watch.seconds.get("clean", 0.0))  # the batches are cleaned while they are written
    return parquet, {"source": source.rows, "parquet": written}


def _timed(batches: Iterator[pa.RecordBatch], watch: Stopwatch) -> Iterator[pa.RecordBatch]:
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        watch.add("clean", time.perf_counter() - start)
        if batch is None:
            return
        yield batch


def upload(parquet: Path, object_name: str) -> str:
    """Puts the file into the bucket; returns its `gs://` name."""
    target = bucket()
    target.blob(object_name).upload_from_filename(parquet, timeout=120)
    return f"gs://{target.name}/{object_name}"


@flow(name="etl-web-to-gcs")
def etl_web_to_gcs(year: int = 2021, month: int = 1, color: Color = "yellow") -> str:
    """The month's parquet object, as a `gs://` name."""
    staged: StagedMonth = web_to_gcs(TripFile(color, year, month))
    return staged.uri


if __name__ == "__main__":
    etl_web_to_gcs()
