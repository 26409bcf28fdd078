"""Moves months of taxi trips, chosen by parameters, from the web through Google Cloud Storage into BigQuery."""

from __future__ import annotations

from prefect import flow

from etl_gcs_to_bq import etl_gcs_to_bq
from etl_web_to_gcs import etl_web_to_gcs
from orionbox.trips.months import Color, trip_files


@flow(name="etl-parent-flow")
def etl_parent_flow(
    months: list[int] = [1, 2],  # noqa: B006
    year: int = 2021,
    color: Color = "green",
    force: bool = False,
) -> None:
    """Runs both halves, month by month. Generated data replaces a real month only with `force`."""
    for trips in trip_files(color, year, months):
        etl_web_to_gcs(trips.year, trips.month, color, force)
        etl_gcs_to_bq(trips.year, trips.month, color, force)


if __name__ == "__main__":
    etl_parent_flow(months=[1, 2], year=2021, color="green")
