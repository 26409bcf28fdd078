from __future__ import annotations

import pyarrow as pa
import pytest

from orionbox.release.tlc_schema import tlc_schema, to_tlc
from orionbox.trips.generated import GeneratedMonth
from orionbox.trips.row_counts import Month


@pytest.mark.parametrize(
    ("color", "year", "month", "column", "kind"),
    [
        ("yellow", 2021, 1, "passenger_count", "double"),
        ("yellow", 2021, 1, "payment_type", "int64"),
        ("yellow", 2021, 1, "tpep_pickup_datetime", "timestamp[us]"),
        ("yellow", 2021, 1, "airport_fee", "double"),
        ("yellow", 2019, 2, "airport_fee", "null"),
        ("yellow", 2023, 2, "VendorID", "int32"),
        ("yellow", 2023, 2, "Airport_fee", "double"),
        ("green", 2021, 1, "payment_type", "double"),
        ("green", 2021, 1, "ehail_fee", "null"),
        ("green", 2019, 4, "ehail_fee", "double"),
        ("fhv", 2019, 1, "SR_Flag", "double"),
        ("fhv", 2019, 5, "PUlocationID", "int64"),
        ("fhv", 2019, 10, "SR_Flag", "null"),
    ],
)
def test_a_column_has_the_type_of_the_published_file(color: str, year: int, month: int, column: str, kind: str) -> None:
    assert str(tlc_schema(Month(color, year, month)).field(column).type) == kind


@pytest.mark.parametrize("color", ["yellow", "green", "fhv"])
@pytest.mark.parametrize("when", [(2019, 1), (2019, 6), (2021, 1), (2023, 3)])
def test_generated_rows_fit_the_types_of_every_time(color: str, when: tuple[int, int]) -> None:
    month = Month(color, *when)
    batches = list(GeneratedMonth(month, 500).batches())
    table = pa.Table.from_batches([to_tlc(batch.to_table(color), tlc_schema(month)) for batch in batches])
    assert table.num_rows == 500
