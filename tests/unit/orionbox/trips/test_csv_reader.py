from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from orionbox.errors import BadInputError
from orionbox.trips import csv_reader
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv

SCHEMA = ARROW_SCHEMAS["green"]
HEADER = ",".join(SCHEMA.names)
ROW = "2,2021-01-01 00:15:56,2021-01-01 00:19:52,N,1,43,151,1,1.01,5.5,0.5,0.5,0.0,0.0,,0.3,6.8,2,1,0.0"
NULLS = ",2009-01-01 00:03:25,2009-01-01 00:04:00,,,244,72,,22.21,50.67,0.0,0.0,2.75,6.12,,0.3,59.84,,,"
NAME = "green_tripdata_2021-01.csv.gz"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: str, end: str = "\n", data: bytes | None = None) -> Path:
        path = tmp_path / NAME
        path.write_bytes(data if data is not None else gzip.compress((end.join(lines) + end).encode()))
        return path

    return write


def read(path: Path) -> tuple[pa.Table, int]:
    with path.open("rb") as file:
        csv = TripCsv(file, SCHEMA)
        return pa.Table.from_batches(csv.batches(), SCHEMA), csv.rows


def refuse(path: Path) -> str:
    with pytest.raises(BadInputError) as error:
        read(path)
    return str(error.value)


def test_rows_have_the_types_of_the_data_dictionary(write: Write) -> None:
    table, rows = read(write(HEADER, ROW))
    assert rows == table.num_rows == 1
    row = table.to_pylist()[0]
    assert row["VendorID"] == 2
    assert row["lpep_pickup_datetime"] == datetime(2021, 1, 1, 0, 15, 56)
    assert row["ehail_fee"] is None
    assert table.schema.equals(SCHEMA)


def test_nulls_and_trips_of_another_month_are_kept(write: Write) -> None:
    table, rows = read(write(HEADER, ROW, NULLS))
    assert rows == 2
    assert table["VendorID"].to_pylist() == [2, None]
    assert table["lpep_pickup_datetime"].to_pylist()[1].year == 2009


def test_whole_numbers_may_be_written_with_decimals(write: Write) -> None:
    table, _ = read(write(HEADER, ROW.replace("2,", "2.0,", 1), NULLS))
    assert table["VendorID"].to_pylist() == [2, None]


def test_columns_may_stand_in_another_order(write: Write) -> None:
    table, _ = read(write(",".join(reversed(SCHEMA.names)), ",".join(reversed(ROW.split(",")))))
    assert table.schema.names == SCHEMA.names
    assert table["PULocationID"].to_pylist() == [43]


@pytest.mark.parametrize("lines", [[HEADER, ROW], [HEADER, *[ROW] * 2_000]], ids=["one row", "several blocks"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_lines_are_counted_beside_the_parser(
    write: Write, monkeypatch: pytest.MonkeyPatch, lines: list[str], end: str
) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 1 << 14)
    table, rows = read(write(*lines, end=end))
    assert rows == table.num_rows == len(lines) - 1


def test_a_last_line_without_newline_counts(write: Write) -> None:
    table, rows = read(write(data=gzip.compress(f"{HEADER}\n{ROW}\n{ROW}".encode())))
    assert rows == table.num_rows == 2


def test_blank_lines_at_the_end_do_not_count(write: Write) -> None:
    table, rows = read(write(HEADER, ROW, "", ""))
    assert rows == table.num_rows == 1


def test_a_blank_line_among_the_rows_is_named(write: Write) -> None:
    assert refuse(write(HEADER, ROW, "", ROW)).startswith(f"{NAME}, line 3: the line is blank")


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Write) -> None:
    table, _ = read(write(data=gzip.compress(b"\xef\xbb\xbf" + f"{HEADER}\n{ROW}\n".encode())))
    assert table.num_rows == 1


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("lpep_pickup_datetime", "01/02/2021 00:15", "a time like 2021-01-31 23:59:59"),
        ("lpep_pickup_datetime", "yesterday", "a time like 2021-01-31 23:59:59"),
        ("VendorID", "two", "a whole number"),
        ("VendorID", "2.5", "a whole number"),
        ("fare_amount", "5$", "a number"),
        ("fare_amount", "1_000", "a number"),
    ],
)
def test_a_bad_value_is_named_with_line_and_column(write: Write, column: str, value: str, what: str) -> None:
    fields = ROW.split(",")
    fields[SCHEMA.names.index(column)] = value
    message = refuse(write(HEADER, ROW, ROW, ",".join(fields), ROW))
    assert message.startswith(f"{NAME}, line 4: column {column!r}: {value!r} is not {what}")
    assert "make data" in message


@pytest.mark.parametrize(
    ("good", "bad", "column"),
    [("2021-01-01", "2021-13-01", "lpep_pickup_datetime"), ("6.8", "inf", "total_amount"), ("2,", "2.5,", "VendorID")],
)
def test_a_bad_line_is_found_in_a_later_block(
    write: Write, monkeypatch: pytest.MonkeyPatch, good: str, bad: str, column: str
) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 1 << 14)
    message = refuse(write(HEADER, *[ROW] * 1_000, ROW.replace(good, bad, 1), *[ROW] * 1_000))
    assert message.startswith(f"{NAME}, line 1002: column {column!r}: '{bad.rstrip(',')}")


def test_the_line_counts_also_where_columns_stand_in_another_order(write: Write) -> None:
    fields = ROW.replace("6.8", "6.8$").split(",")
    message = refuse(write(",".join(reversed(SCHEMA.names)), ",".join(reversed(fields))))
    assert message.startswith(f"{NAME}, line 2: column 'total_amount': '6.8$' is not a number")


def test_blanks_around_numbers_are_no_mistake(write: Write) -> None:
    message = refuse(write(HEADER, ROW.replace("6.8", " 6.8 "), ROW.replace("6.8", "x")))
    assert message.startswith(f"{NAME}, line 3: ")


@pytest.mark.parametrize(("row", "count"), [(ROW + ",1", 21), (ROW.rsplit(",", 1)[0], 19)])
def test_a_line_with_too_many_or_too_few_fields_is_named(write: Write, row: str, count: int) -> None:
    assert refuse(write(HEADER, ROW, row)).startswith(f"{NAME}, line 3: {count} fields where the header has 20")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("VendorID,", ""), "the header lacks 'VendorID'; rename"),
        (HEADER.replace("VendorID", "vendor_id"), "the header lacks 'VendorID' and has unknown 'vendor_id'"),
        (HEADER + ",cbd_congestion_fee", "the header has unknown 'cbd_congestion_fee'"),
        (HEADER + ",VendorID", "the header repeats 'VendorID'"),
    ],
)
def test_a_header_with_other_columns_is_refused(write: Write, header: str, message: str) -> None:
    assert refuse(write(header, ROW)).startswith(f"{NAME}, line 1: {message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "not a gzip file but a web page"),
        (b"\n <HTML>", "not a gzip file but a web page"),
        (b"PK\x03\x04", "not a gzip file but something else"),
        (gzip.compress(b"<!doctype html>\n<html>"), "line 1: a web page in place of the CSV file"),
        (gzip.compress(b""), "the file is empty: its gzip data holds nothing"),
        (gzip.compress(f"{HEADER}\n{ROW}\n".encode("utf-16")), "line 1: not UTF-8 text but UTF-16 or UTF-32"),
        (gzip.compress(HEADER.encode())[:20], "line 1 is incomplete: the gzip data is cut off"),
        (gzip.compress(b"x" * 200_000), "line 1 does not end"),
        (b"\x1f\x8bnot really", "the gzip data is damaged"),
    ],
)
def test_a_file_that_is_no_gzipped_csv_is_named(write: Write, data: bytes, message: str) -> None:
    text = refuse(write(data=data))
    assert text.startswith(NAME)
    assert message in text


def test_a_truncated_file_is_refused_with_the_last_good_line(write: Write) -> None:
    import random

    dice = random.Random(1)
    rows = [ROW.replace("5.5", f"{dice.random():.6f}") for _ in range(5_000)]
    whole = gzip.compress("\n".join([HEADER, *rows]).encode())
    message = refuse(write(data=whole[: len(whole) // 2]))
    assert message.startswith(f"{NAME}: incomplete: the gzip data is cut off after line ")


CAUSES: dict[str, tuple[bytes, str]] = {
    "checksum": (gzip.compress(f"{HEADER}\n{ROW}\n".encode())[:-8] + bytes(8), ": the checksum at the end of the gzip"),
    "bytes after the end": (gzip.compress(f"{HEADER}\n{ROW}\n".encode()) + b"more", ": after line 2, the last one"),
    "Latin-1": (
        gzip.compress(f"{HEADER}\n{ROW}\n{ROW}\xe9\n".encode("latin-1")),
        ", line 3: not UTF-8 text: byte 0xe9",
    ),
    "UTF-16 without a mark": (
        gzip.compress(f"{HEADER}\n{ROW}\n".encode("utf-16-le")),
        ", line 1: not UTF-8 text but UTF-16",
    ),
    "CR": (gzip.compress(f"{HEADER}\r{ROW}\r".encode()), ", line 1: lines end with CR alone"),
    "CR below the header": (gzip.compress(f"{HEADER}\n{ROW}\r{ROW}\r".encode()), ", line 2: lines end with CR alone"),
    "semicolons": (
        gzip.compress(HEADER.replace(",", ";").encode()),
        ", line 1: separated by semicolons, not by commas",
    ),
    "tabs": (gzip.compress(HEADER.replace(",", "\t").encode()), ", line 1: separated by tabs, not by commas"),
    "semicolons in a row": (
        gzip.compress(f"{HEADER}\n{ROW}\n{ROW.replace(',', ';')}\n".encode()),
        ", line 3: separated by semicolons, not by commas",
    ),
    "zero byte in text": (
        gzip.compress(f"{HEADER}\n{ROW.replace(',N,', ',N' + chr(0) + ',')}\n".encode()),
        ", line 2: a zero",
    ),
    "zero bytes at the end": (
        gzip.compress(f"{HEADER}\n{ROW}\n".encode() + bytes(512)),
        ", line 3: a zero byte, after 0",
    ),
    "quote": (
        gzip.compress("\n".join([HEADER, ROW, ROW.replace(",N,", ',"N,'), *[ROW] * 50_000]).encode()),
        ", line 3: column 'store_and_fwd_flag': a quote opens here and is not closed in this line",
    ),
    "second header": (gzip.compress(f"{HEADER}\n{ROW}\n{HEADER}\n".encode()), ", line 3: the header once more"),
    "parquet in gzip": (gzip.compress(b"PAR1" + bytes(99)), ", line 1: a file of another format, packed by gzip"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_message_names_the_true_cause_and_its_line(write: Write, cause: str) -> None:
    data, message = CAUSES[cause]
    assert refuse(write(data=data)).startswith(NAME + message)


def test_a_header_with_nothing_right_is_described_in_short(write: Write) -> None:
    assert " and 17 more and has unknown 'a', 'b'; rename" in refuse(write("a,b", "1,2"))
