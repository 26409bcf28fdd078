"""CSV: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from services.bigquery.errors import NotBuilt
from services.bigquery.loads.columns import ROWS, Reading, batch_of, unreadable
from services.bigquery.loads.detection import detected, field_name
from services.bigquery.loads.unpacking import open_unpacked

SAMPLE = 500
"""Rows from which types are detected, as in BigQuery."""
_CALLED = {"INTEGER": "int64", "FLOAT": "double", "BOOLEAN": "bool"}
"""How BigQuery names columns without a header: `int64_field_0`, `string_field_1`."""
BLOCK = 2**24
"""Bytes of a block that is read at once; a row may be as long."""


def detect(file: Path, reading: Reading) -> list[dict[str, Any]]:
    """The columns, from the first rows: names from the first line if it has only text and others have not."""
    rows = list(itertools.islice(_rows(file, reading, reading.skip or 0), SAMPLE + 1))
    if not rows:
        return []
    if reading.skip:
        header, body = _line_before(file, reading), rows
    else:
        header, body = _header(rows, reading)
        if header is not None and reading.skip is None:
            reading.skip = 1
    width = max(len(row) for row in rows)
    columns = [[row[number] if number < len(row) else None for row in body] for number in range(width)]
    kinds = [detected([None if value in reading.nulls else value for value in column]) for column in columns]
    names = [
        field_name(header[number]) if header and number < len(header) and header[number] else None
        for number in range(width)
    ]
    default = (f"{_CALLED.get(kind, kind.lower())}_field_{number}" for number, kind in enumerate(kinds))
    pairs = zip(names, default, kinds, strict=True)
    return [{"name": name or other, "type": kind, "mode": "NULLABLE"} for name, other, kind in pairs]


def _header(rows: list[list[str]], reading: Reading) -> tuple[list[str] | None, list[list[str]]]:
    first, rest = rows[0], rows[1:]
    if any(detected([value]) != "STRING" for value in first if value not in reading.nulls):
        return None, rows
    if reading.skip == 0:
        return None, rows
    width = len(first)
    typed = any(
        detected([row[number] for row in rest if number < len(row) and row[number] not in reading.nulls]) != "STRING"
        for number in range(width)
    )
    return (first, rest) if typed else (None, rows)


def _line_before(file: Path, reading: Reading) -> list[str] | None:
    found = next(_rows(file, reading, (reading.skip or 1) - 1), None)
    return found if found and all(detected([value]) == "STRING" for value in found) else None


def _rows(file: Path, reading: Reading, skip: int) -> Iterator[list[str]]:
    with (
        open_unpacked(file, reading.encoding) as data,
        io.TextIOWrapper(data, "utf-8", errors="replace", newline="") as text,
    ):
        lines = iter(text)
        first = next(lines, "").removeprefix("\ufeff")
        quoting = csv.QUOTE_MINIMAL if reading.quote else csv.QUOTE_NONE
        options: dict[str, Any] = {"delimiter": reading.delimiter, "quoting": quoting}
        if reading.quote:
            options["quotechar"] = reading.quote
        try:
            rows = (row for row in csv.reader(itertools.chain([first], lines), **options) if row)
            yield from itertools.islice(rows, skip, None)
        except csv.Error as error:
            raise unreadable(f"CSV cannot be read: {error}") from error


def batches(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """The rows."""
    if len(reading.delimiter) != 1 or len(reading.quote) > 1:
        raise NotBuilt("a fieldDelimiter or quote of several characters")
    if reading.is_jagged or reading.ignores_unknown or reading.most_bad:
        yield from _one_by_one(file, fields, reading)
        return
    number = 0
    for batch in _read(file, fields, reading):
        columns = [_text(column) for column in batch.columns]
        for refused, sentence in _refused(reading):
            if any(pc.any(pc.match_substring_regex(column, refused)).as_py() for column in columns):
                raise unreadable(sentence)
        yield batch_of(columns, fields, number, reading)
        number += batch.num_rows


def _text(column: Any) -> Any:
    """A column of bytes as text; what is not UTF-8 becomes U+FFFD."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        values = (value if value is None else value.decode("utf-8", "replace") for value in column.to_pylist())
        return pa.array(list(values), pa.string())


def _refused(reading: Reading) -> list[tuple[str, str]]:
    """Patterns of characters that no value may have, each with the sentence."""
    newlines = [] if reading.has_newlines else [("[\r\n]", _NEWLINE)]
    return newlines if reading.has_controls else [*newlines, ("\x00", "Bad character (ASCII 0) encountered")]


_NEWLINE = (
    "Error detected while parsing row: Missing close quote character. To load values with line breaks in them, set "
    "allowQuotedNewlines"
)


def _read(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    names = [f"o{number}" for number in range(len(fields))]
    with open_unpacked(file, reading.encoding) as data:
        if not data.peek(1):
            return
        try:
            found = pacsv.open_csv(
                pa.PythonFile(data, mode="r"),
                read_options=pacsv.ReadOptions(
                    column_names=names,
                    skip_rows_after_names=reading.skip or 0,
                    block_size=BLOCK,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=reading.delimiter,
                    quote_char=reading.quote or False,
                    newlines_in_values=reading.has_newlines,
                    ignore_empty_lines=len(fields) > 1,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.binary()),
                    null_values=list(reading.nulls),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=reading.nulls != ("",),
                ),
            )
            yield from found
        except pa.ArrowInvalid as error:
            raise unreadable(_explained(str(error))) from error


def _explained(text: str) -> str:
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)|Expected (\d+) columns, got (\d+)", text)
    if not found:
        return f"CSV cannot be read: {text.splitlines()[0][:300]}"
    wanted, got = (found[2] or found[4]), (found[3] or found[5])
    if int(got) > int(wanted):
        return f"Too many values in row. Expected {wanted} column(s) but got {got} column(s)"
    return f"CSV processing encountered too few columns in a row. Expected {wanted} column(s) but got {got} column(s)"


def _one_by_one(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """Rows that may be short, long or bad. A quoted text of no characters is NULL here."""
    rows, first = _rows(file, reading, reading.skip or 0), 0
    refused = [(re.compile(pattern), sentence) for pattern, sentence in _refused(reading)]
    while piece := list(itertools.islice(rows, ROWS)):
        kept = []
        for number, row in enumerate(piece, first):
            if len(row) > len(fields) and not reading.ignores_unknown:
                reading.leave_out(f"Too many values in row {number}. Found {len(row)}, expected {len(fields)}")
            elif sentences := [text for pattern, text in refused if any(pattern.search(value) for value in row)]:
                reading.leave_out(sentences[0])
            elif len(row) < len(fields) and not reading.is_jagged:
                reading.leave_out(f"Too few values in row {number}. Found {len(row)}, expected {len(fields)}")
            else:
                padded = [*row[: len(fields)], *[None] * (len(fields) - len(row))]
                kept.append([None if value in reading.nulls else value for value in padded])
        columns = [pa.array(list(column), pa.string()) for column in zip(*kept, strict=True)]
        if kept:
            yield batch_of(columns, fields, first, reading)
        first += len(piece)
