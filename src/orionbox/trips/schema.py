"""The trips' columns and types, written once: CSV, parquet, BigQuery and Postgres all follow from here.

Names and order are those of the course's release; types follow the TLC's data dictionaries
(https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page): codes and counts are integers although some are null,
amounts are dollars, distances miles, and times the meter's local time, so without a zone.
"""

from __future__ import annotations

import pyarrow as pa

SOURCE_FILE = "source_file"
"""The extra column of the loaded tables: the file that a row came from. A load replaces the rows of its own file."""

INTEGER, NUMBER, TEXT, TIME = pa.int64(), pa.float64(), pa.string(), pa.timestamp("us")

_YELLOW = {
    "VendorID": INTEGER,
    "tpep_pickup_datetime": TIME,
    "tpep_dropoff_datetime": TIME,
    "passenger_count": INTEGER,
    "trip_distance": NUMBER,
    "RatecodeID": INTEGER,
    "store_and_fwd_flag": TEXT,
    "PULocationID": INTEGER,
    "DOLocationID": INTEGER,
    "payment_type": INTEGER,
    "fare_amount": NUMBER,
    "extra": NUMBER,
    "mta_tax": NUMBER,
    "tip_amount": NUMBER,
    "tolls_amount": NUMBER,
    "improvement_surcharge": NUMBER,
    "total_amount": NUMBER,
    "congestion_surcharge": NUMBER,
}
_GREEN = {
    "VendorID": INTEGER,
    "lpep_pickup_datetime": TIME,
    "lpep_dropoff_datetime": TIME,
    "store_and_fwd_flag": TEXT,
    "RatecodeID": INTEGER,
    "PULocationID": INTEGER,
    "DOLocationID": INTEGER,
    "passenger_count": INTEGER,
    "trip_distance": NUMBER,
    "fare_amount": NUMBER,
    "extra": NUMBER,
    "mta_tax": NUMBER,
    "tip_amount": NUMBER,
    "tolls_amount": NUMBER,
    "ehail_fee": NUMBER,
    "improvement_surcharge": NUMBER,
    "total_amount": NUMBER,
    "payment_type": INTEGER,
    "trip_type": INTEGER,
    "congestion_surcharge": NUMBER,
}
TRIPS = {"yellow": pa.schema(_YELLOW), "green": pa.schema(_GREEN)}
"""The columns of a month's file, by colour."""
ZONES = pa.schema({"LocationID": INTEGER, "Borough": TEXT, "Zone": TEXT, "service_zone": TEXT})
"""The columns of the taxi zone lookup."""

_POSTGRES = {INTEGER: "bigint", NUMBER: "double precision", TEXT: "text", TIME: "timestamp"}
_BIGQUERY = {INTEGER: "INTEGER", NUMBER: "FLOAT", TEXT: "STRING", TIME: "DATETIME"}


def postgres_columns(schema: pa.Schema) -> str:
    """The columns as they stand in `CREATE TABLE (…)`, names quoted since some have capitals."""
    return ", ".join(f'"{field.name}" {_POSTGRES[field.type]}' for field in schema)


def bigquery_columns(schema: pa.Schema) -> list[dict[str, str]]:
    """The columns in the form of BigQuery's API (`TableFieldSchema`)."""
    return [{"name": field.name, "type": _BIGQUERY[field.type], "mode": "NULLABLE"} for field in schema]
