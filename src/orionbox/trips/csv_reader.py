"""Reads a month's CSV file as typed record batches. Errors name file, line and column."""

from __future__ import annotations

import codecs
import csv
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from isal import igzip
from isal.igzip_lib import IsalError

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import INTEGER, NUMBER
from orionbox.trips.csv_errors import (
    AGAIN,
    SAVE_AGAIN,
    BadValueError,
    describe_damage,
    explain,
    problem_with_text,
    some_of,
    wrong_separator,
)
from orionbox.trips.lines import LARGEST_FILE, LineCounter

BLOCK_BYTES = 4 << 20
"""Bytes of CSV text that become one record batch, about 40,000 trips."""
LARGEST_INTEGER = 2**53 - 1
"""The largest integer up to which floats are exact."""
LONGEST_HEADER = 65_536
"""The most bytes of a header line."""
UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
"""How such text begins; UTF-32-LE begins like UTF-16-LE."""
PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"PAR1")
"""The first bytes of gzip, zip and parquet files."""


class TripCsv:
    """A gzip-compressed CSV file of trips, with a header line.

    Args:
        file: the file, open for reading; `file.name` is the path of the bytes read so far, which are read again to
            locate an error.
        schema: the columns that the file must have, in any order; empty fields are null.
    """

    def __init__(self, file: io.BufferedReader, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        """Rows in the file: its lines without the header; known after the last batch."""
        self._file, self._path = file, Path(file.name)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in the file's order, typed, a block at a time. Reads the file once, while it downloads.

        Raises:
            BadInputError: the file is bad; the text names file, line or column, and what to do. This may come after
                the last batch, so keep nothing until then.
        """
        check_header(self._path.name, self._file.peek(), self.schema)
        parsed = 0
        try:
            with igzip.open(self._file) as stream:  # type: ignore[no-untyped-call]
                lines = _TripLines(stream, self._path.name, LARGEST_FILE, AGAIN)
                for batch in pyarrow.csv.open_csv(pa.PythonFile(lines, "r"), **_options(self.schema)):
                    yield _typed(batch, self.schema, first_row=parsed + 2)
                    parsed += batch.num_rows
            self.rows = lines.count - 1
            if parsed != self.rows:
                raise pa.ArrowInvalid(f"{self.rows:,} lines below the header gave {parsed:,} trips")
            if not parsed:
                raise pa.ArrowInvalid("there is no trip below the header")
        except (pa.ArrowInvalid, BadValueError, OSError, EOFError, IsalError) as error:  # type: ignore[misc]  # its stub errs
            raise explain(self._path, self.schema, error) from error


def _typed(batch: pa.RecordBatch, schema: pa.Schema, first_row: int) -> pa.RecordBatch:
    arrays = []
    for column, field in zip(batch.columns, schema):
        if field.type in (INTEGER, NUMBER):
            bad = pc.index(_is_good(column, field.type), False).as_py()
            if bad >= 0:
                raise BadValueError(first_row + bad, field.name)
        arrays.append(column.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _is_good(numbers: pa.Array, kind: pa.DataType) -> pa.Array:
    """Returns for each number whether it is valid in its column; pyarrow also accepts `NaN`, `inf` and `1e999`."""
    is_finite = pc.is_finite(numbers)
    if kind == NUMBER:
        return is_finite
    is_whole = pc.equal(numbers, pc.trunc(numbers))
    return pc.and_(pc.and_(is_finite, is_whole), pc.less_equal(pc.abs(numbers), LARGEST_INTEGER))


class _TripLines(LineCounter):
    """Counts the lines, to check the parser's count, and refuses zero bytes."""

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if b"\0" in data:  # Postgres refuses it in text, after the bucket has taken the month
            raise pa.ArrowInvalid("a zero byte")
        return data


def _options(schema: pa.Schema) -> dict[str, object]:
    # Integers are read as numbers first: some files write them with decimals ("1.0") beside empty fields.
    types = {field.name: NUMBER if field.type == INTEGER else field.type for field in schema}
    return {
        # With its own threads pyarrow is not faster here, and its errors do not name the row
        "read_options": pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=schema.names, null_values=[""], strings_can_be_null=True
        ),
    }


def check_header(name: str, start: bytes, schema: pa.Schema) -> None:
    """Checks the first bytes of a file, `start`, against the schema.

    Raises:
        BadInputError: the file is empty, not a gzip file, a web page, or has other columns.
    """
    if not start:
        raise BadInputError(f"{name}: the file is empty", AGAIN)
    if start[:2] != b"\x1f\x8b":
        kind = "a web page" if start.lstrip().lower().startswith((b"<!doctype", b"<html")) else "something else"
        raise BadInputError(f"{name}: not a gzip file but {kind} that begins with {start[:20]!r}", AGAIN)
    header = _first_line(name, start, schema)
    if header.lstrip().lower().startswith(("<html", "<!doctype")):
        raise BadInputError(f"{name}, line 1: a web page in place of the CSV file", AGAIN)
    _check_columns(name, next(csv.reader([header]), []), schema)


def _first_line(name: str, start: bytes, schema: pa.Schema) -> str:
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # with gzip's header
    try:
        line, newline, _ = unpack.decompress(start, LONGEST_HEADER).partition(b"\n")
    except zlib.error as error:
        raise BadInputError(f"{name}: {describe_damage(error, 0)}", AGAIN) from error
    if unpack.eof and not line and not newline:
        raise BadInputError(f"{name}: the file is empty: its gzip data holds nothing", AGAIN)
    line = line.removesuffix(b"\r")
    if problem := _encoding(line) or problem_with_text(line):
        raise BadInputError(f"{name}, line 1: {problem}", SAVE_AGAIN)
    if not newline and not unpack.eof:
        reason = "does not end" if len(line) == LONGEST_HEADER else "is incomplete: the gzip data is cut off"
        raise BadInputError(f"{name}: line 1 {reason}", AGAIN)
    header = line.decode("utf-8-sig")
    if separator := wrong_separator(header, schema.names):
        raise BadInputError(
            f"{name}, line 1: separated by {separator}, not by commas", f"save it with commas or {AGAIN}"
        )
    return header


def _encoding(line: bytes) -> str:
    """Returns which other encoding or format the first bytes are of; empty if of none."""
    if line.startswith(PACKED):
        return "a file of another format, packed by gzip"
    is_wide = line.startswith(UTF_16_OR_32) or b"\0" in line[:4]
    return "not UTF-8 text but UTF-16 or UTF-32" if is_wide else ""


def _check_columns(name: str, columns: list[str], schema: pa.Schema) -> None:
    missing = [column for column in schema.names if column not in columns]
    unknown = [column for column in columns if column not in schema.names]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    problems = [
        f"{what} {some_of(which)}"
        for what, which in (("lacks", missing), ("has unknown", unknown), ("repeats", twice))
        if which
    ]
    if problems:
        fix = f"rename the columns to {', '.join(schema.names)} or {AGAIN}"
        raise BadInputError(f"{name}, line 1: the header {' and '.join(problems)}", fix)
