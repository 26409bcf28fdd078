from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest

from orionbox.trips import generated
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.kinds import is_generated
from orionbox.trips.months import TripFile


def write(trips: TripFile, rows: int) -> bytes:
    file = io.BytesIO()
    generated.write_month(trips, rows, file)
    return file.getvalue()


@pytest.mark.parametrize("color", ["yellow", "green"])
def test_made_up_trips_have_the_form_of_real_ones(tmp_path: Path, color: str) -> None:
    path = tmp_path / "trips.csv.gz"
    path.write_bytes(write(TripFile(color, 2020, 2), 60_000))
    with path.open("rb") as file:
        csv = TripCsv(file, ARROW_SCHEMAS[color])
        table = pa.Table.from_batches(csv.batches(), csv.schema)
    assert table.num_rows == csv.rows == 60_000
    pickups = table[f"{color[0].replace('y', 't').replace('g', 'l')}pep_pickup_datetime"].to_pylist()
    assert {(moment.year, moment.month) for moment in pickups} == {(2020, 2)}
    assert 0 < table["passenger_count"].null_count < 6_000


def test_the_same_month_gives_the_same_bytes_and_another_others() -> None:
    january = write(TripFile("green", 2021, 1), 1_000)
    assert january == write(TripFile("green", 2021, 1), 1_000)
    assert january != write(TripFile("green", 2021, 2), 1_000)


def test_a_made_up_file_says_so_itself(tmp_path: Path) -> None:
    path = tmp_path / "copy.csv.gz"
    path.write_bytes(write(TripFile("green", 2021, 1), 10))
    assert is_generated(path.read_bytes())
