from __future__ import annotations

import datetime
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from orionbox.trips import generated
from orionbox.trips.arrow_schema import FILE_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.kinds import is_generated
from orionbox.trips.months import TripFile
from orionbox.trips.row_counts import Month

CODES = {
    "yellow": ("VendorID", "passenger_count", "RatecodeID", "store_and_fwd_flag", "payment_type"),
    "green": (
        *("VendorID", "passenger_count", "RatecodeID", "store_and_fwd_flag", "payment_type", "trip_type"),
        "congestion_surcharge",
    ),
}


def write(trips: TripFile | Month, rows: int) -> bytes:
    file = io.BytesIO()
    generated.write_month(trips, rows, file)
    return file.getvalue()


def read(tmp_path: Path, month: Month, rows: int) -> pa.Table:
    path = tmp_path / month.csv_name
    path.write_bytes(write(month, rows))
    with path.open("rb") as file:
        csv = TripCsv(file, FILE_SCHEMAS[month.color])
        table = pa.Table.from_batches(csv.batches(), csv.schema)
    assert table.num_rows == csv.rows == rows
    return table


@pytest.mark.parametrize(("color", "share"), [("yellow", 0.009), ("green", 0.26)])
def test_generated_trips_have_the_form_of_real_ones(tmp_path: Path, color: str, share: float) -> None:
    table = read(tmp_path, Month(color, 2020, 2), 100_000)
    missing = [pc.is_null(table[name]) for name in CODES[color]]
    assert all(column == missing[0] for column in missing), "in the same rows"
    assert table["VendorID"].null_count == round(100_000 * share)
    assert table["PULocationID"].null_count == table["total_amount"].null_count == 0
    assert 50 < pc.sum(pc.less(table["total_amount"], 0)).as_py() < 1_500
    assert set(pc.unique(table["PULocationID"]).to_pylist()) <= set(range(1, 266))
    assert 1 < pc.quantile(table["trip_distance"], 0.5)[0].as_py() < 4
    assert 0.2 < pc.mean(pc.equal(table["payment_type"], 2)).as_py() < 0.45


@pytest.mark.parametrize("color", ["yellow", "green"])
@pytest.mark.parametrize("when", [(2019, 1), (2021, 3)], ids=["without surcharge", "with it"])
def test_the_amounts_of_a_trip_add_up(tmp_path: Path, color: str, when: tuple[int, int]) -> None:
    table = read(tmp_path, Month(color, *when), 20_000)
    parts = "fare_amount extra mta_tax tip_amount tolls_amount improvement_surcharge congestion_surcharge".split()
    total = pa.array([0.0] * table.num_rows)
    for part in parts:
        total = pc.add(total, pc.fill_null(table[part], 0.0))
    assert pc.max(pc.abs(pc.subtract(total, table["total_amount"]))).as_py() < 0.011


@pytest.mark.parametrize("color", ["yellow", "green", "fhv"])
def test_a_few_trips_lie_outside_the_month_and_the_others_by_the_city_s_clock(tmp_path: Path, color: str) -> None:
    table = read(tmp_path, Month(color, 2019, 11), 100_000)
    pickup, dropoff = table.column_names[1:3]
    inside = pc.and_(pc.equal(pc.year(table[pickup]), 2019), pc.equal(pc.month(table[pickup]), 11))
    assert 1 <= pc.sum(pc.invert(inside)).as_py() <= 20
    assert table[pickup][3].as_py().date() == datetime.date(2019, 10, 31)
    hours = pc.hour(table[pickup])
    evening, night = (pc.sum(pc.equal(hours, hour)).as_py() for hour in (18, 4))
    assert evening > 3 * night
    assert pc.min(pc.subtract(table[dropoff].cast("int64"), table[pickup].cast("int64"))).as_py() >= 0


def test_hired_vehicles_have_no_amounts_and_many_bases(tmp_path: Path) -> None:
    table = read(tmp_path, Month("fhv", 2019, 3), 50_000)
    assert table.column_names == [
        *("dispatching_base_num", "pickup_datetime", "dropOff_datetime", "PUlocationID", "DOlocationID"),
        *("SR_Flag", "Affiliated_base_number"),
    ]
    assert table["SR_Flag"].null_count == 50_000 and table["dispatching_base_num"].null_count == 0
    assert 500 < len(pc.unique(table["dispatching_base_num"])) < 800
    assert pc.is_null(table["PUlocationID"]) == pc.is_null(table["DOlocationID"])


def test_the_same_month_gives_the_same_bytes_and_another_others() -> None:
    january = write(TripFile("green", 2021, 1), 1_000)
    assert january == write(TripFile("green", 2021, 1), 1_000)
    assert january != write(TripFile("green", 2021, 2), 1_000)


@pytest.mark.parametrize("rows", [1, 2, 5, 65_536, 65_537])
def test_any_number_of_rows_can_be_made(tmp_path: Path, rows: int) -> None:
    read(tmp_path, Month("green", 2021, 3), rows)


def test_a_generated_file_says_so_itself() -> None:
    assert is_generated(write(TripFile("green", 2021, 1), 10))


def test_a_batch_has_the_same_rows_as_text_and_as_a_table() -> None:
    month = generated.GeneratedMonth(Month("yellow", 2020, 5), 2_000)
    for batch in month.batches():
        lines = bytes(batch.to_csv(month.clock)).decode().splitlines()
        table = batch.to_table("yellow")
        assert len(lines) == table.num_rows
        for line, total in zip(lines, table["total_amount"].to_pylist(), strict=True):
            assert float(line.split(",")[16]) == total


def test_memory_does_not_grow_with_the_month() -> None:
    program = (
        "import resource, sys; from orionbox.trips import generated; from orionbox.trips.row_counts import Month; "
        "generated.write_month(Month('yellow', 2019, 2), int(sys.argv[1]), open('/dev/null', 'wb')); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    small, large = (
        int(subprocess.run([sys.executable, "-c", program, str(rows)], capture_output=True, check=True).stdout)
        for rows in (200_000, 2_000_000)
    )
    assert large < 1.25 * small
