"""Columns of files as DuckDB takes them: converted a column at a time, and a value at a time where that fails."""

from __future__ import annotations

import decimal
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


_EXACT = decimal.Context(prec=120, rounding=decimal.ROUND_HALF_UP)
_DECIMALS = (("NUMERIC", 29, 9), ("BIGNUMERIC", 38, 38))
"""Types with the digits before and behind the point that they always have room for."""


@dataclass
class Reading:
    """How files are read: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad.

    Attributes:
        skip: Lines before the first row; None if the job does not say.
        has_controls: Whether a value of CSV may have the character 0.
        nulls: What stands for NULL in CSV.
        decimals: Types that decimals of Parquet, ORC and Avro may become.
        maps_are_arrays: Whether a map of Parquet is an array of pairs, and no struct around one.
        most_bad: Rows that may be left out.
        bad: Sentences about the rows that were left out.
    """

    format: str = "CSV"
    delimiter: str = ","
    quote: str = '"'
    skip: int | None = None
    is_jagged: bool = False
    has_newlines: bool = False
    has_controls: bool = False
    ignores_unknown: bool = False
    nulls: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    decimals: tuple[str, ...] = ("NUMERIC",)
    maps_are_arrays: bool = True
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
    """Whether a column is more than its type: REQUIRED, STRING(5), NUMERIC(4, 2), also in a field or element."""
    return (
        schema.mode(one) == "REQUIRED"
        or any(one.get(name) for name in ("maxLength", "precision"))
        or any(restricts(part) for part in one.get("fields") or ())
    )


def restricted(array: Any, one: Mapping[str, Any]) -> dict[int, str]:
    """The rows that break a column's restrictions."""
    wrong = {}
    if schema.mode(one) == "REQUIRED" and array.null_count:
        sentence = f"Required column value is missing: field {one['name']} cannot be null"
        wrong = dict.fromkeys(_rows(pc.is_null(array)), sentence)
    if one.get("maxLength") and schema.mode(one) != "REPEATED":
        length = pc.utf8_length(array) if pa.types.is_string(array.type) else pc.binary_length(array)
        wrong |= dict.fromkeys(_rows(pc.greater(length, int(one["maxLength"]))), _too_long(one, one["name"]))
    elif restricts({**one, "mode": "NULLABLE"}):
        values = enumerate(array.to_pylist())
        wrong |= {row: sentence for row, value in values if (sentence := _refused(value, one, str(one["name"])))}
    return wrong


def _too_long(one: Mapping[str, Any], path: str) -> str:
    return f"Field {path}: the value is longer than {one['type']}({one['maxLength']}) allows"


def _refused(value: Any, one: Mapping[str, Any], path: str) -> str:
    """Why a column refuses a plain value; empty if it does not."""
    if value is None:
        return ""
    if schema.mode(one) == "REPEATED":
        element = {**one, "mode": "NULLABLE"}
        return next((sentence for item in value if (sentence := _refused(item, element, path))), "")
    for number, part in enumerate(one.get("fields") or ()):
        inner, name = value[f"f{number}"], f"{path}.{part['name']}"
        if inner is None and schema.mode(part) == "REQUIRED":
            return f"Required column value is missing: field {name} cannot be null"
        if sentence := _refused(inner, part, name):
            return sentence
    if one.get("maxLength") and len(value) > int(one["maxLength"]):
        return _too_long(one, path)
    if one.get("precision"):
        return _too_large(types.decimal_of(value) if isinstance(value, bytes) else value, one, path)
    return ""


def _too_large(value: decimal.Decimal, one: Mapping[str, Any], path: str) -> str:
    scale = int(one.get("scale") or 0)
    digits = int(one["precision"]) - scale
    if value.quantize(decimal.Decimal(1).scaleb(-scale), context=_EXACT).copy_abs() < 10**digits:
        return ""
    return f"Field {path}: the value has more than {digits} digits before the point"


def _rows(mask: Any) -> list[int]:
    return list(pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist())
