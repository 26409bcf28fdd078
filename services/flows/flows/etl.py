"""The main job: moves months of taxi trips from the web to the bucket, BigQuery and Postgres, and counts every row."""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from etl_gcs_to_bq import gcs_to_bigquery
from etl_web_to_gcs import web_to_gcs
from orionbox.errors import RETRY_IO, IncompleteRunError, describe
from orionbox.flow_settings import FlowSettings
from orionbox.runs import disk_space
from orionbox.runs.progress import with_progress
from orionbox.runs.report import ARTIFACT_KEY, SUMMARY_KEY, MonthReport, Stopwatch, differences, page_name, summary
from orionbox.runs.slots import month_semaphore
from orionbox.stores import bigquery, parquet, postgres
from orionbox.stores.clients import bigquery_client, open_object, postgres_uri
from orionbox.trips.months import Color, StagedMonth, TripFile, trip_files


@task(**RETRY_IO, task_run_name="gcs-to-postgres {month.trips.name}")
def gcs_to_postgres(month: StagedMonth) -> float:
    """Replaces the month in Postgres with the object's rows; returns the seconds that this took."""
    watch, trips, log = Stopwatch(), month.trips, get_run_logger()
    with month_semaphore(), watch.time("postgres"), open_object(trips.object_name) as file:
        batches = parquet.read_parquet(file)
        batches = with_progress(batches, log.info, month.uri, "Postgres", lambda rows: rows / month.rows["source"])
        rows = postgres.replace_month(postgres_uri(), trips, batches, lambda rows: month.source, month.force)
    log.info("%s: %s rows -> Postgres %s (%s)", month.uri, f"{rows:,}", trips.table, month.source)
    return watch.seconds["postgres"]


@task(**RETRY_IO, task_run_name="count {month.trips.name}")
def count(month: StagedMonth, bigquery_seconds: float, postgres_seconds: float) -> MonthReport:
    """Counts the month's rows in every store."""
    settings, trips = FlowSettings.from_environment(), month.trips
    with open_object(trips.object_name) as file:
        in_parquet = parquet.read_footer(file).rows
    rows = {
        "source": month.rows["source"],
        "parquet": in_parquet,
        "bigquery": bigquery.count_month(bigquery_client(settings.project), settings.dataset, trips),
        "postgres": postgres.count_month(postgres_uri(), trips),
    }
    seconds = month.seconds | {"bigquery": bigquery_seconds, "postgres": postgres_seconds}
    return MonthReport(trips.color, trips.year, trips.month, month.source, rows, seconds)


def submit_month(trips: TripFile, force: bool) -> list[PrefectFuture]:
    """Submits the tasks of one month; the last one is the count."""
    staged = web_to_gcs.submit(trips, force)
    in_bigquery = gcs_to_bigquery.submit(staged)
    in_postgres = gcs_to_postgres.submit(staged)
    return [staged, in_bigquery, in_postgres, count.submit(staged, in_bigquery, in_postgres)]


def report_and_verify(months: list[list[PrefectFuture]]) -> None:
    """Waits for all months, reports their counts and verifies them.

    The counts become two artifacts of the run: a table, and a text with a link to the charts.

    Raises:
        IncompleteRunError: a month failed, or its counts differ.
    """
    states = [[task_run.wait() for task_run in month] for month in months]
    reports = [month[-1].result() for month in states if month[-1].is_completed()]
    table = [report.flat() for report in reports]
    create_table_artifact(table, key=ARTIFACT_KEY, description="The rows of each month in every store, and the seconds")
    settings = FlowSettings.from_environment()
    page = f"{settings.start_url}/reports/{page_name(flow_run.name, flow_run.id)}"
    text = summary(reports, page, settings.cloud_description)
    create_markdown_artifact(text, key=SUMMARY_KEY, description="The counts in short, with a link to the charts")
    failed = [state for month in states for state in month if state.is_failed() or state.is_crashed()]
    errors = [describe(state.result(raise_on_failure=False)) for state in failed] + differences(reports)
    if errors:
        raise IncompleteRunError("\n".join(dict.fromkeys(errors)))


@flow(name="etl")
def etl(
    color: Color = "green",
    year: int = 2021,
    months: list[int] = [1, 2],  # noqa: B006
    force: bool = False,
) -> None:
    """Moves the months side by side, then reports how many rows arrived in each store.

    Generated data replaces a real month only with `force`.
    """
    files = trip_files(color, year, months)
    disk_space.require(files)
    report_and_verify([submit_month(trips, force) for trips in files])


if __name__ == "__main__":
    etl()
