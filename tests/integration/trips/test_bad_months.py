"""Every bad file gets one message that says what is wrong and where, and the stored month stays unchanged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi

from orionbox.errors import BadInputError
from orionbox.stores import postgres
from orionbox.trips import csv_reader
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.csv_reader import TripCsv
from orionbox.trips.months import TripFile

MONTH = TripFile("green", 2021, 1)
SCHEMA = ARROW_SCHEMAS["green"]
COLUMNS = SCHEMA.names
HEADER = ",".join(COLUMNS)
ROW = "2,2021-01-01 00:15:56,2021-01-01 00:19:52,N,1,43,151,1,1.01,5.5,0.5,0.5,0.0,0.0,,0.3,6.8,2,1,0.0"


def text(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines, ""])


def packed(*lines: str, header: str = HEADER) -> bytes:
    return gzip.compress(text(*lines, header=header).encode())


def row(**values: str) -> str:
    """ROW with other values in these columns."""
    return ",".join(values.get(name, value) for name, value in zip(COLUMNS, ROW.split(","), strict=True))


def value(column: str, value: str, what: str) -> tuple[bytes, str]:
    """A bad value in line 3."""
    return packed(ROW, row(**{column: value})), f", line 3: column {column!r}: {value!r} is not {what}"


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("green.csv", text(ROW))
    return sink.getvalue()


def long_file() -> bytes:
    """Some hundred kilobytes that do not pack well."""
    dice = random.Random(1)
    return packed(*(row(fare_amount=f"{dice.random():.9f}") for _ in range(20_000)))


def spoilt(content: bytes) -> bytes:
    """A few bytes in the middle are others."""
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 8]) + content[middle + 8 :]


TIME, NUMBER, WHOLE = "a time like 2021-01-31 23:59:59", "a number", "a whole number"
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ": the file is empty"),
    "an empty gzip": (gzip.compress(b""), ": the file is empty: its gzip data holds nothing"),
    "only a header": (packed(), ": there is no trip below the header"),
    "only blank lines": (packed("", "", ""), ", line 2: the line is blank"),
    "cut off gzip": (long_file()[:-50_000], ": incomplete: the gzip data is cut off after line "),
    "gzip without its checksum": (long_file()[:-8], ": incomplete: the gzip data is cut off after line "),
    "spoilt gzip": (spoilt(long_file()), ": "),
    "wrong checksum": (packed(ROW)[:-8] + bytes(8), ": the checksum at the end of the gzip data"),
    "no gzip but text": (text(ROW).encode(), ": not a gzip file but something else"),
    "zip": (zipped(), ": not a gzip file but something else that begins with b'PK"),
    "bzip2": (bz2.compress(text(ROW).encode()), ": not a gzip file but something else that begins with b'BZh"),
    "xz": (lzma.compress(text(ROW).encode()), ": not a gzip file but something else that begins with b'\\xfd7zXZ"),
    "gzip in gzip": (gzip.compress(packed(ROW)), ", line 1: a file of another format"),
    "web page": (b"<!DOCTYPE html><html>Not found</html>", ": not a gzip file but a web page"),
    "packed web page": (gzip.compress(b"<html>\n<body>"), ", line 1: a web page in place of the CSV file"),
    "UTF-16": (gzip.compress(text(ROW).encode("utf-16")), ", line 1: not UTF-8 text but UTF-16"),
    "Latin-1 in a row": (
        gzip.compress(text(row(store_and_fwd_flag="é")).encode("latin-1")),
        ", line 2: not UTF-8 text: byte 0xe9 after ",
    ),
    "NULs": (packed(ROW, "\0" * len(ROW)), ", line 3: a zero byte, after 0 bytes"),
    "semicolons": (packed(ROW.replace(",", ";"), header=HEADER.replace(",", ";")), ", line 1: separated by semicolons"),
    "extra column": (packed(ROW + ",1", header=HEADER + ",fee"), ", line 1: the header has unknown 'fee'"),
    "missing column": (packed(ROW, header=HEADER.replace("VendorID,", "")), ", line 1: the header lacks 'VendorID'"),
    "renamed column": (
        packed(ROW, header=HEADER.replace("VendorID", "vendor")),
        ", line 1: the header lacks 'VendorID' and has unknown 'vendor'",
    ),
    "duplicate column": (packed(ROW + ",1", header=HEADER + ",extra"), ", line 1: the header repeats 'extra'"),
    "other month's color": (
        packed(ROW, header=",".join(ARROW_SCHEMAS["yellow"].names)),
        ", line 1: the header lacks 'lpep_pickup_datetime'",
    ),
    "no header": (packed(header=ROW), ", line 1: the header lacks"),
    "endless header": (gzip.compress(b"x" * 10_000_000), ": line 1 does not end"),
    "endless line": (packed(ROW, "1" * 50_000_000), ", line 3: a line of more than 1,048,576 bytes"),
    "quoted newline": (
        packed(row(store_and_fwd_flag='"N\nY"')),
        ", line 2: column 'store_and_fwd_flag': a quote opens here",
    ),
    "open quote": (packed(ROW, '"' + ROW, ROW), ", line 3: column 'VendorID': a quote opens here"),
    "too many fields": (packed(ROW, ROW + ",1"), ", line 3: 21 fields where the header has 20"),
    "too few fields": (packed(ROW, ROW[:-4]), ", line 3: 19 fields where the header has 20"),
    "blank line": (packed(ROW, "", ROW), ", line 3: the line is blank"),
    "half a last line": (gzip.compress(text(ROW, ROW)[:-30].encode()), ", line 3: 1"),
    "Excel's date": value("lpep_pickup_datetime", "1/31/2021 0:15", TIME),
    "Excel's number of days": value("lpep_pickup_datetime", "44197.01", TIME),
    "a day that does not exist": value("lpep_pickup_datetime", "2021-02-30 00:00:00", TIME),
    "an hour that does not exist": value("lpep_pickup_datetime", "2021-01-01 24:30:00", TIME),
    "a time zone": value("lpep_pickup_datetime", "2021-01-01 00:15:56+05:00", TIME),
    "a word for a number": value("VendorID", "two", WHOLE),
    "a fraction for a code": value("PULocationID", "43.5", WHOLE),
    "an integer that overflows": value("VendorID", "99999999999999999999", WHOLE),
    "an integer that would be rounded": value("VendorID", "9007199254740993", WHOLE),
    "thousands separator": (
        packed(ROW, row(fare_amount='"1,234.5"')),
        ", line 3: column 'fare_amount': '1,234.5' is not a number",
    ),
    "decimal comma": (packed(ROW, row(fare_amount="5,5")), ", line 3: 21 fields where the header has 20"),
    "currency": value("fare_amount", "$5.50", NUMBER),
    "a number that overflows": value("fare_amount", "1e999", NUMBER),
    "infinity": value("fare_amount", "inf", NUMBER),
    "not a number": value("fare_amount", "NaN", NUMBER),
    "underscores": value("fare_amount", "1_000", NUMBER),
    "blanks": value("fare_amount", "5 5", NUMBER),
}


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 40


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_named_and_the_month_stays(postgres_uri: str, tmp_path: Path, fault: str) -> None:
    load(postgres_uri, tmp_path, packed(ROW, ROW, ROW))
    content, message = BAD[fault]
    with pytest.raises(BadInputError) as error:
        load(postgres_uri, tmp_path, content)
    assert str(error.value).startswith(MONTH.csv_name + message)
    assert "`make data`" in str(error.value) and "\n" not in str(error.value)
    assert postgres.count_month(postgres_uri, MONTH) == 3
    assert tables(postgres_uri) == {MONTH.table, MONTH.name}


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("byte order mark", gzip.compress(b"\xef\xbb\xbf" + text(ROW).encode())),
        ("CRLF", gzip.compress(text(ROW).replace("\n", "\r\n").encode())),
        ("quotes", packed(",".join(f'"{field}"' for field in ROW.split(",")))),
        ("other order", packed(",".join(reversed(ROW.split(","))), header=",".join(reversed(COLUMNS)))),
        ("no newline at the end", gzip.compress(text(ROW)[:-1].encode())),
        ("two gzip members", gzip.compress(f"{HEADER}\n".encode()) + gzip.compress(ROW.encode())),
        ("blank lines at the end", packed(ROW, "", "")),
        ("another month", packed(row(lpep_pickup_datetime="2009-01-01 00:00:00"))),
    ],
)
def test_unusual_but_valid_files_are_loaded(postgres_uri: str, tmp_path: Path, what: str, content: bytes) -> None:
    assert load(postgres_uri, tmp_path, content) == 1


def test_a_file_that_unpacks_without_end_is_given_up(
    postgres_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "LARGEST_FILE", 50_000_000)
    with pytest.raises(BadInputError, match="unpacks to more than 50,000,000 bytes"):
        load(postgres_uri, tmp_path, packed(*[ROW] * 1_000_000))


def load(postgres_uri: str, folder: Path, content: bytes) -> int:
    path = folder / MONTH.csv_name
    path.write_bytes(content)
    with path.open("rb") as file:
        return postgres.replace_month(postgres_uri, MONTH, TripCsv(file, SCHEMA).batches(), lambda rows: "real")


def tables(postgres_uri: str) -> set[str]:
    with dbapi.connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema::regnamespace AND relkind IN ('r', 'p')"
        )
        return {name for (name,) in cursor.fetchall()}
