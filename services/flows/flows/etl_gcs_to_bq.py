"""A month of taxi trips from Google Cloud Storage to BigQuery, by a load job: the rows do not pass through the run."""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run

from orionbox.errors import RETRY_IO, BadInputError
from orionbox.flow_settings import FlowSettings
from orionbox.runs.report import Stopwatch
from orionbox.stores.bigquery import replace_month
from orionbox.stores.clients import bigquery_client, bucket, open_object
from orionbox.stores.parquet import read_footer
from orionbox.trips.months import Color, StagedMonth, TripFile


@task(**RETRY_IO, task_run_name="find-in-gcs {trips.name}")
def find_in_gcs(trips: TripFile, force: bool = False) -> StagedMonth:
    """Finds the month's object in the bucket.

    Raises:
        BadInputError: the bucket has no such object.
    """
    source = bucket()
    uri = f"gs://{source.name}/{trips.object_name}"
    if not source.blob(trips.object_name).exists():
        fix = f"run etl_web_to_gcs for {trips.color} {trips.year}-{trips.month:02} first"
        raise BadInputError(f"{uri}: there is no such object", fix)
    with open_object(trips.object_name) as file:
        footer = read_footer(file)
    return StagedMonth(trips, uri, footer.kind_of(trips), rows={"parquet": footer.rows}, seconds={}, force=force)


@task(**RETRY_IO, task_run_name="gcs-to-bigquery {month.trips.name}")
def gcs_to_bigquery(month: StagedMonth) -> float:
    """Replaces the month in BigQuery with the object's rows; returns the seconds that this took."""
    settings, watch, trips, rows = FlowSettings.from_environment(), Stopwatch(), month.trips, month.rows["parquet"]
    client, kind = bigquery_client(settings.project), month.source
    with watch.time("bigquery"):
        replace_month(client, settings.dataset, trips, month.uri, rows, kind, month.force, flow_run.id)
    log, table = get_run_logger(), f"{settings.dataset}.{trips.table}"
    log.info("%s: %s rows -> BigQuery %s (%s)", month.uri, f"{rows:,}", table, kind)
    return watch.seconds["bigquery"]


@flow(name="etl-gcs-to-bq")
def etl_gcs_to_bq(year: int = 2021, month: int = 1, color: Color = "green", force: bool = False) -> None:
    """Loads a month that is in the bucket into BigQuery. Generated data replaces a real month only with `force`."""
    gcs_to_bigquery(find_in_gcs(TripFile(color, year, month), force))


if __name__ == "__main__":
    etl_gcs_to_bq()
