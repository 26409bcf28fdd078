"""The trips' columns and their types, by color: CSV, parquet, BigQuery and Postgres are derived from this table.

Names and order are those of the course's release. Types follow the TLC's data dictionaries
(https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page): codes and counts are integers although some are missing,
amounts are in dollars, distances in miles, and times are the meter's local time without a zone.

Standard library only; `arrow_schema` converts it for pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

ColumnType = Literal["integer", "number", "text", "time"]
Columns = Mapping[str, ColumnType]

SOURCE_FILE = "source_file"
"""A further column of the loaded tables: the file that a row came from. A load replaces the rows of its own file."""

YELLOW: Columns = {
    "VendorID": "integer",
    "tpep_pickup_datetime": "time",
    "tpep_dropoff_datetime": "time",
    "passenger_count": "integer",
    "trip_distance": "number",
    "RatecodeID": "integer",
    "store_and_fwd_flag": "text",
    "PULocationID": "integer",
    "DOLocationID": "integer",
    "payment_type": "integer",
    "fare_amount": "number",
    "extra": "number",
    "mta_tax": "number",
    "tip_amount": "number",
    "tolls_amount": "number",
    "improvement_surcharge": "number",
    "total_amount": "number",
    "congestion_surcharge": "number",
}
GREEN: Columns = {
    "VendorID": "integer",
    "lpep_pickup_datetime": "time",
    "lpep_dropoff_datetime": "time",
    "store_and_fwd_flag": "text",
    "RatecodeID": "integer",
    "PULocationID": "integer",
    "DOLocationID": "integer",
    "passenger_count": "integer",
    "trip_distance": "number",
    "fare_amount": "number",
    "extra": "number",
    "mta_tax": "number",
    "tip_amount": "number",
    "tolls_amount": "number",
    "ehail_fee": "number",
    "improvement_surcharge": "number",
    "total_amount": "number",
    "payment_type": "integer",
    "trip_type": "integer",
    "congestion_surcharge": "number",
}
COLUMNS: dict[str, Columns] = {"yellow": YELLOW, "green": GREEN}
"""The columns of a month's file, by color."""
FHV: Columns = {
    "dispatching_base_num": "text",
    "pickup_datetime": "time",
    "dropOff_datetime": "time",
    "PUlocationID": "integer",
    "DOlocationID": "integer",
    "SR_Flag": "integer",
    "Affiliated_base_number": "text",
}
"""The columns of for-hire vehicles in 2019. The platform serves such files, but has no tables for them."""
FILE_COLUMNS: dict[str, Columns] = {**COLUMNS, "fhv": FHV}
"""The columns of every kind of file that the platform serves."""
FHV_FROM_2020 = {
    "dropOff_datetime": "dropoff_datetime",
    "PUlocationID": "PULocationID",
    "DOlocationID": "DOLocationID",
}
"""Columns with another name in the release's files of 2020 and 2021. The TLC's parquet files keep the old one."""


def file_columns(color: str, year: int) -> Columns:
    """Returns the columns of a CSV file of the release."""
    if color != "fhv" or year < 2020:
        return FILE_COLUMNS[color]
    return {FHV_FROM_2020.get(name, name): kind for name, kind in FHV.items()}


_POSTGRES = {"integer": "bigint", "number": "double precision", "text": "text", "time": "timestamp"}
_BIGQUERY = {"integer": "INTEGER", "number": "FLOAT", "text": "STRING", "time": "DATETIME"}


def postgres_columns(columns: Columns) -> str:
    """Returns the columns as in `CREATE TABLE (…)`; names are quoted, since some have capitals."""
    return ", ".join(f'"{name}" {_POSTGRES[kind]}' for name, kind in columns.items())


def bigquery_columns(columns: Columns) -> list[dict[str, str]]:
    """Returns the columns as in BigQuery's API (`TableFieldSchema`)."""
    return [{"name": name, "type": _BIGQUERY[kind], "mode": "NULLABLE"} for name, kind in columns.items()]
