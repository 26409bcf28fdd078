"""The types of the TLC's parquet files, which differ from month to month.

They follow the footers of the published files: codes that may be missing are doubles, and a column without any value
has no type (`null`). From February 2023 on, codes are integers.
"""

from __future__ import annotations

import pyarrow as pa

from orionbox.trips.arrow_schema import FILE_SCHEMAS
from orionbox.trips.row_counts import Month

DOUBLE, LONG, INT, NULL, LARGE_TEXT = pa.float64(), pa.int64(), pa.int32(), pa.null(), pa.large_string()
NEW_TYPES = (2023, 2)
"""The month from which codes are integers."""
DOUBLES = {
    "yellow": ("passenger_count", "RatecodeID"),
    "green": ("passenger_count", "RatecodeID", "payment_type", "trip_type"),
    "fhv": ("PUlocationID", "DOlocationID", "SR_Flag"),
}
"""Codes that are doubles before that month."""
SHORTER = ("VendorID", "PULocationID", "DOLocationID")
LONGER = ("store_and_fwd_flag", "dispatching_base_num", "Affiliated_base_number")


def tlc_schema(month: Month) -> pa.Schema:
    """Returns the columns of the TLC's parquet file of a month."""
    fields = [(field.name, _type(month, field)) for field in FILE_SCHEMAS[month.color]]
    if month.color == "yellow":
        when = (month.year, month.month)
        has_type = when >= (2020, 11) or when in ((2020, 8), (2020, 9))
        fields.append(("Airport_fee" if when >= NEW_TYPES else "airport_fee", DOUBLE if has_type else NULL))
    return pa.schema(fields)


def _type(month: Month, field: pa.Field) -> pa.DataType:
    when, name = (month.year, month.month), field.name
    if name == "ehail_fee":
        return NULL if (2019, 9) <= when < NEW_TYPES else DOUBLE
    if name == "SR_Flag" and when >= (2019, 3):
        return NULL if when < NEW_TYPES else LONG
    if when >= NEW_TYPES:
        return INT if name in SHORTER else LARGE_TEXT if name in LONGER else field.type
    if month.color == "fhv" and when in ((2019, 5), (2019, 6)):
        return field.type
    return DOUBLE if name in DOUBLES[month.color] else field.type


def to_tlc(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns rows of a CSV with the columns and types of a parquet file; what the CSV lacks is missing."""
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0 or field.type == NULL:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            arrays.append(batch.column(index).cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
