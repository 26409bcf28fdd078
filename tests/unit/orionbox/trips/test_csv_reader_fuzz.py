"""Generated files: each is read, or refused with one line for the user; nothing else ever happens."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from tests.unit.fuzz import fuzz

SCHEMA = ARROW_SCHEMAS["green"]
NAME = "green_tripdata_2021-01.csv.gz"
ROW = "2,2021-01-01 00:15:56,2021-01-01 00:19:52,N,1,43,151,1,1.01,5.5,0.5,0.5,0.0,0.0,,0.3,6.8,2,1,0.0"
GOOD = "\n".join([",".join(SCHEMA.names), ROW, ROW, ROW, ""]).encode()
VALUES = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(str),
    st.dates().map(str),
    st.from_regex(r"[-+0-9.,:eE_ TZ/]{0,20}", fullmatch=True),
)


def read(content: bytes) -> pa.Table | str:
    """The trips, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(content)
        with path.open("rb") as file:
            trips = TripCsv(file, SCHEMA)
            try:
                table = pa.Table.from_batches(trips.batches(), SCHEMA)
            except BadInputError as error:
                return str(error)
    assert table.num_rows == trips.rows > 0
    return table


def is_one_line(message: str) -> bool:
    return message.startswith(NAME) and "make data" in message and len(message.splitlines()) == 1


@fuzz
@given(column=st.sampled_from(SCHEMA.names), value=VALUES)
@example("VendorID", "9007199254740993")
@example("lpep_pickup_datetime", "2021-W01-1 00:00:00")
@example("fare_amount", "٥")
def test_any_value_is_read_or_named_with_its_column(column: str, value: str) -> None:
    fields = ROW.split(",")
    fields[SCHEMA.names.index(column)] = value
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    found = read(gzip.compress(GOOD + line.getvalue().encode("utf-8", "surrogatepass")))
    if isinstance(found, str):
        assert is_one_line(found)
        assert f"column {column!r}: " in found or f"{NAME}, line 5: " in found, found
    else:
        assert found.num_rows == 4


@fuzz
@given(start=st.integers(0, len(GOOD)), length=st.integers(0, 40), bytes_=st.binary(max_size=40))
def test_any_damage_to_the_text_is_read_or_refused(start: int, length: int, bytes_: bytes) -> None:
    found = read(gzip.compress(GOOD[:start] + bytes_ + GOOD[start + length :]))
    assert not isinstance(found, str) or is_one_line(found), found


@fuzz
@given(start=st.integers(0, 400), length=st.integers(0, 40), bytes_=st.binary(max_size=40))
def test_any_damage_to_the_gzip_is_read_or_refused(start: int, length: int, bytes_: bytes) -> None:
    packed = gzip.compress(GOOD, mtime=0)
    found = read(packed[:start] + bytes_ + packed[start + length :])
    assert not isinstance(found, str) or is_one_line(found), found


@fuzz
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    for found in (read(content), read(gzip.compress(content))):
        assert isinstance(found, str) and is_one_line(found), found


def test_the_fuzzing_starts_from_a_valid_file() -> None:
    found = read(gzip.compress(GOOD))
    assert isinstance(found, pa.Table) and found.num_rows == 3
