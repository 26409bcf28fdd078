"""Newline-delimited JSON: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.bigquery import schema, types
from services.bigquery.loads.columns import ROWS, Reading, batch_of
from services.bigquery.loads.detection import fields_of_objects
from services.bigquery.loads.unpacking import open_unpacked
from services.bigquery.loads.values import Number

SAMPLE = 500


def detect(file: Path, reading: Reading) -> list[dict[str, Any]]:
    """The columns, from the first rows."""
    lenient = Reading(most_bad=SAMPLE, encoding=reading.encoding)
    return fields_of_objects([row for _, row in itertools.islice(_rows(file, lenient), SAMPLE)])


def _rows(
    file: Path, reading: Reading, number_of: Callable[[str], float] = float
) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_unpacked(file, reading.encoding) as data:
        for number, line in enumerate(data):
            if not line.strip():
                continue
            try:
                text = line.decode("utf-8-sig" if number == 0 else "utf-8")
                found = json.loads(text, parse_float=number_of)
                if not isinstance(found, dict):
                    raise ValueError("Start of object expected")
            except (ValueError, RecursionError) as error:
                reading.leave_out(
                    f"JSON parsing error in row {number}: Parser terminated before end of string ({error})"
                )
                continue
            yield number, found


def batches(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """The rows."""
    has_decimals = any(types.contains(schema.type_of(field), "NUMERIC", "BIGNUMERIC") for field in fields)
    rows = _rows(file, reading, Number if has_decimals else float)
    while piece := list(itertools.islice(rows, ROWS)):
        good = [row for number, row in piece if _is_known(row, fields, number, reading)]
        yield objects_batch(good, fields, piece[0][0], reading)


def objects_batch(
    rows: Sequence[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]], first: int, reading: Reading
) -> Any:
    """A record batch of JSON objects; names count without regard to case."""
    folded = [{name.lower(): value for name, value in row.items()} for row in rows]
    columns = [[row.get(field["name"].lower()) for row in folded] for field in fields]
    return batch_of(columns, fields, first, reading)


def _is_known(row: Mapping[str, Any], fields: Sequence[Mapping[str, Any]], number: int, reading: Reading) -> bool:
    unknown = "" if reading.ignores_unknown else unknown_field(row, fields)
    if unknown:
        reading.leave_out(f"JSON parsing error in row {number}: No such field: {unknown}.")
    return not unknown


def unknown_field(row: Mapping[str, Any], fields: Sequence[Mapping[str, Any]], prefix: str = "") -> str:
    """The first name in an object that no column has; empty if there is none."""
    known = {field["name"].lower(): field for field in fields}
    for name, value in row.items():
        field = known.get(name.lower())
        if field is None:
            return f"{prefix}{name}"
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and field.get("fields"):
                found = unknown_field(part, field["fields"], f"{prefix}{name}.")
                if found:
                    return found
    return ""
