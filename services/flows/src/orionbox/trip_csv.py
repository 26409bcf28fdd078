"""A month's CSV file, read as typed record batches; what is wrong with it is said with file, line and column."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from orionbox.errors import BadInputError
from orionbox.schema import INTEGER, NUMBER, TEXT, TIME

BLOCK_BYTES = 4 << 20
"""Size of CSV text that becomes one record batch, in bytes: some 40,000 trips."""
_AGAIN = "get it again with `make data`"


class TripCsv:
    """A gzip-compressed CSV file of trips, with a header line.

    Args:
        path: the file.
        schema: the columns that it must have, in whatever order; empty fields are null.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self.rows = 0
        """Rows in the file: its lines less the header, known when all batches are read."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the file's own order, typed, a block at a time.

        Raises:
            BadInputError: the file is not what it must be; the text names the file, line or column, and the remedy.
        """
        check_header(self.path, self.schema)
        try:
            with pa.input_stream(str(self.path), compression="gzip") as stream:
                lines = _LineCounter(stream)
                for batch in pyarrow.csv.open_csv(pa.PythonFile(lines, "r"), **_options(self.schema)):
                    yield pa.RecordBatch.from_arrays(
                        [column.cast(field.type) for column, field in zip(batch.columns, self.schema, strict=True)],
                        schema=self.schema,
                    )
                self.rows = lines.count - 1
        except (pa.ArrowInvalid, OSError) as error:
            raise explain(self.path, self.schema, error) from error


class _LineCounter(io.RawIOBase):
    """Counts the lines that are read through it, so that the parser's own count has something to be held against."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._newlines = self._at_end = 0

    @property
    def count(self) -> int:
        """Lines so far, whether or not the last one ends with a newline; blank ones at the end do not count."""
        return self._newlines - self._at_end + 1

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        text = len(data.rstrip(b"\r\n"))
        at_end = data.count(b"\n", text)
        self._at_end = at_end if text else self._at_end + at_end
        self._newlines += data.count(b"\n", 0, text) + at_end
        return data


def _options(schema: pa.Schema) -> dict[str, object]:
    # Integers are read as numbers first: some files write them with decimals ("1.0") beside empty fields.
    types = {field.name: NUMBER if field.type == INTEGER else field.type for field in schema}
    return {
        "read_options": pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=schema.names, null_values=[""], strings_can_be_null=True
        ),
    }


def check_header(path: Path, schema: pa.Schema) -> None:
    """Holds the file's kind and first line against the schema.

    Raises:
        BadInputError: it is empty, no gzip file, a web page, or has other columns.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise BadInputError(f"{path.name}: the file is empty; {_AGAIN}")
    if start[:2] != b"\x1f\x8b":
        kind = "a web page" if start.lstrip().lower().startswith((b"<!doctype", b"<html")) else "something else"
        raise BadInputError(f"{path.name}: not a gzip file but {kind} that begins with {start[:20]!r}; {_AGAIN}")
    header = _read_header(path)
    if header.lstrip().lower().startswith(("<html", "<!doctype")):
        raise BadInputError(f"{path.name}, line 1: a web page in place of the CSV file; {_AGAIN}")
    _check_columns(path.name, next(csv.reader([header]), []), schema)


def _read_header(path: Path) -> str:
    try:
        with gzip.open(path) as stream:
            return stream.readline(65_536).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path.name}, line 1: not UTF-8 text; save the file as UTF-8 CSV or {_AGAIN}") from error
    except (EOFError, OSError) as error:
        raise BadInputError(f"{path.name}: the gzip data is cut off or damaged ({error}); {_AGAIN}") from error


def _check_columns(name: str, columns: list[str], schema: pa.Schema) -> None:
    missing = [column for column in schema.names if column not in columns]
    unknown = [column for column in columns if column not in schema.names]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    faults = [
        f"{what} {', '.join(map(repr, which))}"
        for what, which in (("lacks", missing), ("has unknown", unknown), ("repeats", twice))
        if which
    ]
    if faults:
        remedy = f"rename the columns to {', '.join(schema.names)} or {_AGAIN}"
        raise BadInputError(f"{name}, line 1: the header {' and '.join(faults)}; {remedy}")


def _is_number(text: str) -> bool:
    float(text)
    return "_" not in text


_CHECKS: dict[pa.DataType, tuple[str, Callable[[str], object]]] = {
    INTEGER: ("a whole number", lambda text: _is_number(text) and float(text).is_integer()),
    NUMBER: ("a number", _is_number),
    TIME: ("a time like 2021-01-31 23:59:59", lambda text: len(text) >= 10 and datetime.fromisoformat(text)),
    TEXT: ("text", lambda text: True),
}


def explain(path: Path, schema: pa.Schema, error: Exception) -> BadInputError:
    """Reads a file that pyarrow refused once more, slowly, to say which line and column it was."""
    line, text = 1, str(error)
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream)
            columns = next(rows)
            for row in rows:
                line = rows.line_num
                if fault := _fault(columns, row, schema):
                    return BadInputError(f"{path.name}, line {line}: {fault}; correct the line or {_AGAIN}")
    except (EOFError, OSError) as damage:
        text = f"the gzip data is cut off or damaged after line {line} ({damage})"
    except (UnicodeDecodeError, csv.Error) as damage:
        text = f"no CSV text after line {line} ({damage})"
    return BadInputError(f"{path.name}: {text}; {_AGAIN}")


def _fault(columns: list[str], row: list[str], schema: pa.Schema) -> str | None:
    if row and len(row) != len(columns):
        return f"{len(row)} fields where the header has {len(columns)}"
    for column, value in zip(columns, row, strict=False):
        what, fits = _CHECKS[schema.field(column).type]
        if value and not _passes(fits, value):
            return f"column {column!r}: {value!r} is not {what}"
    return None


def _passes(fits: Callable[[str], object], value: str) -> bool:
    try:
        return bool(fits(value))
    except (ValueError, OverflowError):
        return False
