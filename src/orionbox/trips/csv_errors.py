"""Says what is wrong with a CSV file: which line, which column, and what to do.

pyarrow reports only row and column numbers, and often only what follows from the error. So this reads the file again,
line by line, up to the first one that is bad.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import INTEGER, NUMBER, TEXT, TIME

LONGEST_LINE = 1 << 20
"""The most bytes of a line; pyarrow refuses a line that is longer than a block (`csv_reader.BLOCK_BYTES`)."""
AGAIN = "delete the file in data/, and get it again with `make data`"
CORRECT = f"correct the line or {AGAIN}"
SAVE_AGAIN = f"save the file as UTF-8 text, with line ends of Unix or Windows, or {AGAIN}"
EXPECTED = {INTEGER: "a whole number", NUMBER: "a number", TIME: "a time like 2021-01-31 23:59:59", TEXT: "text"}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ":": "colons"}
"""What some programs write in place of commas."""
MOST_NAMES = 3
"""How many missing or unknown columns a message names."""


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
    bad, number, columns = _bad_value(error), 1, list[str]()
    try:
        with gzip.open(path, "rb") as stream:
            for number, line in enumerate(_lines(stream), start=1):
                if problem := problem_with_text(line):
                    return BadInputError(f"{path.name}, line {number}: {problem}", SAVE_AGAIN)
                row, problem = _parse(line.decode("utf-8-sig" if number == 1 else "utf-8"), columns)
                columns = columns or row
                if not problem and bad and number == bad.row:
                    problem = _problem_with_value(bad, columns, row, schema)
                if problem:
                    return BadInputError(f"{path.name}, line {number}: {problem}", CORRECT)
    except EOFError:
        return BadInputError(f"{path.name}: incomplete: the gzip data is cut off after line {number:,}", AGAIN)
    except (OSError, zlib.error) as damage:
        return BadInputError(f"{path.name}: {describe_damage(damage, number)}", AGAIN)
    return BadInputError(f"{path.name}: {error}", AGAIN)


def problem_with_text(line: bytes) -> str:
    """Returns what is wrong with the bytes of a line; empty if they are text without control characters."""
    if b"\0" in line:
        return f"a zero byte, after {line.index(0)} bytes"
    if len(line) > LONGEST_LINE:
        return f"a line of more than {LONGEST_LINE:,} bytes"
    if b"\r" in line.rstrip(b"\r"):
        return "lines end with CR alone, as on old Macs"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 text: byte {line[error.start]:#04x} after {error.start} bytes"
    return ""


def wrong_separator(header: str, names: Sequence[str]) -> str:
    """Returns the name of the separator that this header has in place of commas; empty if it has commas."""
    for separator, name in SEPARATORS.items():
        if len(set(header.replace('"', "").split(separator)) & set(names)) > 1:
            return name
    return ""


def some_of(names: Sequence[str]) -> str:
    """Returns the names in quotes, at most three of them, for example `'a', 'b', 'c' and 17 more`."""
    shown = ", ".join(map(repr, names[:MOST_NAMES]))
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def _bad_value(error: Exception) -> BadValueError | None:
    """Returns the place that the error names, which pyarrow's own errors do in their text."""
    match = re.match(r"In CSV column #(\d+): Row #(\d+): ", str(error))
    if match:
        return BadValueError(row=int(match[2]), column=int(match[1]))
    return error if isinstance(error, BadValueError) else None


def _lines(stream: gzip.GzipFile) -> Iterator[bytes]:
    """Yields the lines without their ends, and of an overlong line only its start. The last may lack its end."""
    while line := stream.readline(LONGEST_LINE + 1):
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _parse(line: str, columns: Sequence[str]) -> tuple[list[str], str]:
    """Returns the fields of a line, and what is wrong with their number or quotes."""
    row = next(csv.reader([line]), [])
    try:
        list(csv.reader([line], strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            # a field may hold line ends by the rules of CSV, but no field of a trip does
            place = f"column {columns[len(row) - 1]!r}" if len(row) <= len(columns) else f"field {len(row)}"
            return row, f"{place}: a quote opens here and is not closed in this line"
    if not columns or len(row) == len(columns):
        return row, ""
    if not line:
        return row, "the line is blank"
    if len(row) == 1 and (name := next((SEPARATORS[mark] for mark in SEPARATORS if mark in line and mark != ":"), "")):
        return row, f"separated by {name}, not by commas"
    return row, f"{len(row)} fields where the header has {len(columns)}"


def _problem_with_value(bad: BadValueError, columns: list[str], row: list[str], schema: pa.Schema) -> str:
    name = columns[bad.column] if isinstance(bad.column, int) else bad.column
    if row == columns:
        return "the header once more"
    return f"column {name!r}: {row[columns.index(name)]!r} is not {EXPECTED[schema.field(name).type]}"


def describe_damage(error: Exception, line: int) -> str:
    """Says what is wrong with the gzip data, which is good up to this line, by the messages of gzip and zlib."""
    text = str(error)
    if re.search("CRC check failed|Incorrect length|incorrect (data|length) check", text):
        return "the checksum at the end of the gzip data does not match: the data is damaged"
    if text.startswith("Not a gzipped file"):
        return f"after line {line:,}, the last one of the gzip data, there is something else"
    return f"the gzip data is damaged after line {line:,} ({text})"
