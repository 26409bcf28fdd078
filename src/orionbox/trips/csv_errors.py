"""What is wrong with a CSV file that pyarrow refused: which line, which column, and what to do.

pyarrow is fast, but names neither. So the file is read once more, slowly, with the same idea of what a value is.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import pyarrow as pa

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import INTEGER, NUMBER, TEXT, TIME

LONGEST_LINE = 1 << 20
"""Characters that any other line may have; one that is longer than a block (BLOCK_BYTES) is refused by pyarrow."""
LARGEST_INTEGER = 2**53 - 1
"""Up to here the way through a float, see trip_csv, loses nothing."""
AGAIN = "get it again with `make data`"


def _is_number(text: str) -> bool:
    # As pyarrow reads them; Python's float() takes more: blanks, underscores, other scripts' digits
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.ASCII | re.I)) and math.isfinite(
        float(text)
    )


def _is_integer(text: str) -> bool:
    return _is_number(text) and float(text).is_integer() and abs(float(text)) <= LARGEST_INTEGER


def _is_time(text: str) -> bool:
    return bool(re.match(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d|$)", text)) and not datetime.fromisoformat(text).tzinfo


_CHECKS: dict[pa.DataType, tuple[str, Callable[[str], bool]]] = {
    INTEGER: ("a whole number", _is_integer),
    NUMBER: ("a number", _is_number),
    TIME: ("a time like 2021-01-31 23:59:59", _is_time),
    TEXT: ("text", lambda text: True),
}


def explain(path: Path, schema: pa.Schema, error: Exception) -> BadInputError:
    """Reads a file that pyarrow refused once more, slowly, to say which line and column it was."""
    line, text = 1, str(error)
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(_lines(stream))
            columns = next(rows)
            for row in rows:
                line = rows.line_num
                if fault := _fault(columns, row, schema):
                    return BadInputError(f"{path.name}, line {line}: {fault}; correct the line or {AGAIN}")
    except (EOFError, OSError, zlib.error) as damage:
        text = f"the gzip data is cut off or damaged after line {line} ({damage})"
    except (UnicodeDecodeError, csv.Error) as damage:
        text = f"no CSV text after line {line} ({damage})"
    return BadInputError(f"{path.name}: {text}; {AGAIN}")


def _lines(stream: TextIO) -> Iterator[str]:
    """The stream's lines; none is taken into memory that is longer than a line can be."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def _fault(columns: list[str], row: list[str], schema: pa.Schema) -> str | None:
    if not row:
        return "the line is blank"
    if len(row) != len(columns):
        return f"{len(row)} fields where the header has {len(columns)}"
    for column, value in zip(columns, row, strict=True):
        if "\n" in value:
            return f"column {column!r}: a line break in the field"
        what, fits = _CHECKS[schema.field(column).type]
        if value and not _passes(fits, value):
            return f"column {column!r}: {value!r} is not {what}"
    return None


def _passes(fits: Callable[[str], bool], value: str) -> bool:
    try:
        return fits(value)
    except ValueError:
        return False
