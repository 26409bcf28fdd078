"""Says what is wrong with a CSV file: which line, which column, and what to do.

pyarrow reports only row and column numbers. So this reads the file again up to the bad row, to find the line, the
column's name and the value.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pyarrow as pa

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import INTEGER, NUMBER, TEXT, TIME

LONGEST_LINE = 1 << 20
"""The most characters of a line; pyarrow refuses a line that is longer than a block (`csv_reader.BLOCK_BYTES`)."""
AGAIN = "delete the file in data/, and get it again with `make data`"
EXPECTED = {INTEGER: "a whole number", NUMBER: "a number", TIME: "a time like 2021-01-31 23:59:59", TEXT: "text"}


class BadValueError(ValueError):
    """A value that does not fit its column.

    Args:
        row: the row's number, counting the header as 1 and no blank lines.
        column: the column's number in the file, from 0, or its name.
    """

    def __init__(self, row: int, column: int | str) -> None:
        super().__init__(f"row {row}, column {column}: a bad value")
        self.row, self.column = row, column


def explain(path: Path, schema: pa.Schema, error: Exception) -> BadInputError:
    """Reads a bad file again, and returns an error that names line and column."""
    line, text, bad = 1, str(error), _bad_value(error)
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(_lines(stream))
            columns = next(rows)
            for number, row in enumerate(rows, start=2):
                line = rows.line_num
                problem = _problem(columns, row)
                if not problem and bad and number == bad.row:
                    name = columns[bad.column] if isinstance(bad.column, int) else bad.column
                    problem = (
                        f"column {name!r}: {row[columns.index(name)]!r} is not {EXPECTED[schema.field(name).type]}"
                    )
                if problem:
                    return BadInputError(f"{path.name}, line {line}: {problem}", f"correct the line or {AGAIN}")
    except (EOFError, OSError, zlib.error) as damage:
        text = f"the gzip data is cut off or damaged after line {line} ({damage})"
    except (UnicodeDecodeError, csv.Error) as damage:
        text = f"no CSV text after line {line} ({damage})"
    return BadInputError(f"{path.name}: {text}", AGAIN)


def _bad_value(error: Exception) -> BadValueError | None:
    """Returns the place that the error names, which pyarrow's own errors do in their text."""
    match = re.match(r"In CSV column #(\d+): Row #(\d+): ", str(error))
    if match:
        return BadValueError(row=int(match[2]), column=int(match[1]))
    return error if isinstance(error, BadValueError) else None


def _lines(stream: TextIO) -> Iterator[str]:
    """Yields the stream's lines, without loading overlong lines into memory."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def _problem(columns: list[str], row: list[str]) -> str:
    """Returns what is wrong with the row's form; empty if it is valid."""
    if not row:
        return "the line is blank"
    if len(row) != len(columns):
        return f"{len(row)} fields where the header has {len(columns)}"
    broken = [column for column, value in zip(columns, row) if "\n" in value]
    return f"column {broken[0]!r}: a line break in the field" if broken else ""
