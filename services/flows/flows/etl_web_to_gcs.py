"""Moves a month of taxi trips from the web to Google Cloud Storage: types the CSV and stores it as parquet."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow, get_run_logger, task

from orionbox.errors import RETRY_IO
from orionbox.flow_settings import FlowSettings
from orionbox.runs.progress import with_progress
from orionbox.runs.read_ahead import read_ahead
from orionbox.runs.report import Stopwatch
from orionbox.runs.slots import month_semaphore
from orionbox.stores.clients import bucket, new_object
from orionbox.stores.objects import require_replaceable
from orionbox.stores.parquet import ParquetStream
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.download import Download
from orionbox.trips.kinds import is_generated, kind_of
from orionbox.trips.months import Color, StagedMonth, TripFile


@task(**RETRY_IO, task_run_name="web-to-gcs {trips.name}")
def web_to_gcs(trips: TripFile, force: bool = False) -> StagedMonth:
    """Streams a month from the web into the bucket; nothing is stored unless the whole file is valid.

    With `force` the month may replace a stored one of a higher rank: generated data a real month, for example.

    Three threads run side by side: one fetches and cleans the rows, one writes parquet, one uploads.
    """
    settings, watch, log = FlowSettings.from_environment(), Stopwatch(), get_run_logger()
    url = trips.url(settings.release_url)
    with month_semaphore(), TemporaryDirectory() as folder, Download(url, Path(folder)) as file:
        csv = TripCsv(file, ARROW_SCHEMAS[trips.color])
        kind = partial(kind_of, trips, generated=is_generated(file.peek()))
        batches = read_ahead(watch.wait("clean", csv.batches()))
        target_name = f"gs://{settings.bucket}/{trips.object_name}"
        batches = with_progress(batches, log.info, trips.csv_name, target_name, lambda rows: file.share)
        parquet = ParquetStream(watch.wait("write", batches, -1), csv.schema, kind)
        pieces = read_ahead(watch.wait("write", parquet))
        target = bucket()
        with watch.time("upload"), new_object(target, trips.object_name) as parquet_object:
            for piece in watch.wait("upload", pieces, -1):
                parquet_object.write(piece)
            require_replaceable(target, trips, parquet.footer, force)
        watch.add("fetch", file.seconds)
    uri = f"gs://{target.name}/{trips.object_name}"
    rows = {"source": csv.rows, "parquet": parquet.rows}
    log.info("%s: %s rows -> %s (%s)", trips.csv_name, f"{csv.rows:,}", uri, parquet.footer.kind)
    return StagedMonth(trips, uri, parquet.footer.kind, rows, watch.seconds, force)


@flow(name="etl-web-to-gcs")
def etl_web_to_gcs(year: int = 2021, month: int = 1, color: Color = "green", force: bool = False) -> str:
    """Moves one month; returns the `gs://` name of its parquet object.

    Generated data replaces a real month only with `force`.
    """
    staged: StagedMonth = web_to_gcs(TripFile(color, year, month), force)
    return staged.uri


if __name__ == "__main__":
    etl_web_to_gcs()
