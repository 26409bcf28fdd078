"""Columns of files as DuckDB takes them: converted a column at a time, and a value at a time where that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.bigquery import schema, types
from services.bigquery.errors import BigQueryError
from services.bigquery.loads.values import plain_of
from services.bigquery.types import Type

ROWS = 50_000
"""Rows of a batch."""


_DECIMALS = (("NUMERIC", 29, 9), ("BIGNUMERIC", 38, 38))
"""Types with the digits before and behind the point that they always have room for."""


@dataclass
class Reading:
    """How files are read: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad.

    Attributes:
        skip: Lines before the first row; None if the job does not say.
        nulls: What stands for NULL in CSV.
        decimals: Types that decimals of Parquet, ORC and Avro may become.
        most_bad: Rows that may be left out.
        bad: Sentences about the rows that were left out.
    """

    format: str = "CSV"
    delimiter: str = ","
    quote: str = '"'
    skip: int | None = None
    is_jagged: bool = False
    has_newlines: bool = False
    ignores_unknown: bool = False
    nulls: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    decimals: tuple[str, ...] = ("NUMERIC",)
    most_bad: int = 0
    bad: list[str] = field(default_factory=list)

    def decimal(self, precision: int, scale: int) -> str:
        """The type of a decimal column that is in no schema.

        https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#DecimalTargetType
        """
        for name, before, behind in _DECIMALS:
            if name in self.decimals and precision - scale <= before and scale <= behind:
                return name
        return next((name for name in ("STRING", "BIGNUMERIC") if name in self.decimals), "NUMERIC")

    def leave_out(self, sentence: str) -> None:
        """Counts a row that cannot be read.

        Raises:
            BigQueryError: It is one too many.
        """
        self.bad.append(sentence)
        if len(self.bad) > self.most_bad:
            raise unreadable(sentence)


def unreadable(sentence: str) -> BigQueryError:
    """The error of a file's content."""
    return BigQueryError("invalid", f"Error while reading data, error message: {sentence}")


def batch_of(columns: Sequence[Any], fields: Sequence[Mapping[str, Any]], first: int, reading: Reading) -> Any:
    """A record batch o0, o1, ... of columns, without the rows that do not fit.

    Args:
        columns: Arrow arrays of text, or lists of values from JSON.
        fields: The columns in REST form.
        first: The number of the first row, for messages.
        reading: How many rows may be left out.
    """
    arrays, bad = [], dict[int, str]()
    for number, (column, one) in enumerate(zip(columns, fields, strict=True)):
        array, wrong = _convert(column, one, number)
        arrays.append(array)
        for row, sentence in wrong.items():
            bad.setdefault(row, sentence)
    for row in sorted(bad):
        reading.leave_out(f"{bad[row]} in row {first + row}")
    kept = pa.RecordBatch.from_arrays(arrays, names=[f"o{number}" for number in range(len(arrays))])
    if bad:
        kept = kept.take(pa.array([row for row in range(kept.num_rows) if row not in bad], pa.int64()))
    return kept


def _convert(column: Any, one: Mapping[str, Any], position: int) -> tuple[Any, dict[int, str]]:
    kind = schema.type_of(one)
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        fast = _fast(column, kind)
        if fast is not None and not restricts(one):
            return fast, {}
        if fast is not None and not (wrong := restricted(fast, one)):
            return fast, wrong
        column = column.to_pylist()
    return _slow(column, kind, one, position)


def _slow(column: Sequence[Any], kind: Type, one: Mapping[str, Any], position: int) -> tuple[Any, dict[int, str]]:
    plain, wrong = list[Any](), dict[int, str]()
    for row, value in enumerate(column):
        try:
            plain.append(plain_of(kind, value))
        except (ValueError, OverflowError, ArithmeticError, KeyError, RecursionError) as error:
            plain.append(None if kind.kind != "ARRAY" else [])
            shown = value if isinstance(value, str) else repr(value)
            what = f"Could not parse '{shown[:100]}' as {kind.sql} for field {one['name']} (position {position})"
            wrong[row] = f"{what}: {error}"
    array = types.arrow_column(plain, kind)
    return array, {**restricted(array, one), **wrong}


def _fast(column: Any, kind: Type) -> Any:
    """Text as a column of a type, if all of it has the plainest form."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    try:
        if kind.kind == "STRING":
            return column
        if kind.kind in ("INT64", "DOUBLE", "DATE", "NUMERIC", "BOOL"):
            return column.cast(kind.arrow)
        if kind.kind in ("TIMESTAMP", "DATETIME"):
            return column.cast(pa.timestamp("us")).cast(kind.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return None


def restricts(one: Mapping[str, Any]) -> bool:
    """Whether a column is more than its type: REQUIRED, STRING(5), NUMERIC(4, 2)."""
    return schema.mode(one) == "REQUIRED" or any(one.get(name) for name in ("maxLength", "precision"))


def restricted(array: Any, one: Mapping[str, Any]) -> dict[int, str]:
    """The rows that break a column's restrictions."""
    wrong = {}
    if schema.mode(one) == "REQUIRED" and array.null_count:
        sentence = f"Required column value is missing: field {one['name']} cannot be null"
        wrong = dict.fromkeys(_rows(pc.is_null(array)), sentence)
    if one.get("maxLength") and schema.mode(one) != "REPEATED":
        length = pc.utf8_length(array) if pa.types.is_string(array.type) else pc.binary_length(array)
        sentence = f"Field {one['name']}: the value is longer than {one['type']}({one['maxLength']}) allows"
        wrong |= dict.fromkeys(_rows(pc.greater(length, int(one["maxLength"]))), sentence)
    if one.get("precision") and pa.types.is_decimal(array.type):
        digits = int(one["precision"]) - int(one.get("scale") or 0)
        sentence = f"Field {one['name']}: the value has more than {digits} digits before the point"
        values = enumerate(array.to_pylist())
        wrong |= {row: sentence for row, value in values if value is not None and value.copy_abs() >= 10**digits}
    return wrong


def _rows(mask: Any) -> list[int]:
    return list(pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist())
