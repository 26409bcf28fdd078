"""Python functions that templates of `signatures/*.sql` use, where DuckDB's own are not exact; a call each row."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from services.bigquery import types

_EXACT = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
_BILLIONTH = Decimal(1).scaleb(-9)
_NUMERIC_LIMIT = Decimal(10) ** 29
NUMERIC, BIGNUMERIC, FLOAT, STRING, INTEGER = "DECIMAL(38,9)", "BLOB", "DOUBLE", "VARCHAR", "BIGINT"
_ARROW = {
    NUMERIC: pa.decimal128(38, 9),
    BIGNUMERIC: pa.binary(),
    FLOAT: pa.float64(),
    STRING: pa.string(),
    INTEGER: pa.int64(),
}


class Failed(Exception):
    """A value has an error; the text is Google's sentence."""


@dataclass(frozen=True)
class Helper:
    """A function as DuckDB gets it; NULL in gives NULL out."""

    function: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str

    def vector(self, *columns: Any) -> Any:
        """Its values for a vector; DuckDB's plain Python functions would take NaN for NULL."""
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        values = [None if None in row else self.function(*row) for row in rows]
        return pa.array(values, type=_ARROW[self.result])


def _numeric(value: Decimal, what: str) -> Decimal:
    rounded = value.quantize(_BILLIONTH, context=_EXACT)
    if rounded.copy_abs() >= _NUMERIC_LIMIT:
        raise Failed(f"numeric overflow: {what}")
    return rounded


def multiply_numerics(left: Decimal, right: Decimal) -> Decimal:
    """NUMERIC * NUMERIC, rounded half away from zero."""
    return _numeric(_EXACT.multiply(left, right), f"{left:f} * {right:f}")


def divide_numerics(left: Decimal, right: Decimal) -> Decimal:
    """NUMERIC / NUMERIC."""
    if right == 0:
        raise Failed(f"division by zero: {left:f} / {right:f}")
    return _numeric(_EXACT.divide(left, right), f"{left:f} / {right:f}")


def float_text(value: float) -> str:
    """CAST(FLOAT64 AS STRING): 15 digits where they suffice, otherwise 17."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    text = f"{value:.15g}"
    return text if float(text) == value else f"{value:.17g}"


def integer(text: str) -> int:
    """CAST(STRING AS INT64): decimal or hexadecimal digits, with white space around."""
    digits = text.strip(" \t\n\v\f\r")
    if re.fullmatch(r"[+-]?[0-9]+", digits):
        value = int(digits) if len(digits) < 400 else 2**63
    elif re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]+", digits):
        value = int(digits, 16)
    else:
        raise Failed(f"Bad int64 value: {text}")
    if not -(2**63) <= value < 2**63:
        raise Failed(f"Bad int64 value: {text}")
    return value


def number(text: str) -> float:
    """CAST(STRING AS FLOAT64): decimal, or hexadecimal without a fraction."""
    stripped = text.strip(" \t\n\v\f\r")
    if re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]{1,13}", stripped):
        return float.fromhex(stripped)
    pattern = r"[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|inf(inity)?|nan)"
    if not re.fullmatch(pattern, stripped, re.IGNORECASE):
        raise Failed(f"Bad double value: {text}")
    return float(stripped)


def numeric(text: str) -> Decimal:
    """CAST(STRING AS NUMERIC)."""
    stripped = text.strip(" \t\n\v\f\r")
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", stripped):
        raise Failed(f"Invalid NUMERIC value: {text}")
    return _numeric(Decimal(stripped), text)


def numeric_of_float(value: float) -> Decimal:
    """CAST(FLOAT64 AS NUMERIC)."""
    if not math.isfinite(value):
        raise Failed(f"Illegal conversion of non-finite floating point number to numeric: {float_text(value)}")
    return _numeric(Decimal(value), float_text(value))


def round_bignumeric(value: bytes, scale: int) -> bytes:
    """A BIGNUMERIC in plain form (`types`), rounded half away from zero."""
    number, unit = types.decimal_of(value), Decimal(1).scaleb(-scale)
    return types.bignumeric(number.quantize(unit, context=_EXACT))


def rounded(value: float, digits: int) -> float:
    """ROUND(FLOAT64, INT64), half away from zero of the exact binary value."""
    if not math.isfinite(value) or digits > 400:
        return value
    if digits < -400:
        return 0.0
    context = decimal.Context(prec=2000, rounding=decimal.ROUND_HALF_UP)
    result = float(Decimal(value).quantize(Decimal(1).scaleb(-digits), context=context))
    if math.isinf(result):
        raise Failed(f"Floating point overflow in function: ROUND({float_text(value)}, {digits})")
    return result


HELPERS = {
    "u_multiply": Helper(multiply_numerics, (NUMERIC, NUMERIC), NUMERIC),
    "u_divide": Helper(divide_numerics, (NUMERIC, NUMERIC), NUMERIC),
    "u_float_text": Helper(float_text, (FLOAT,), STRING),
    "u_integer": Helper(integer, (STRING,), INTEGER),
    "u_number": Helper(number, (STRING,), FLOAT),
    "u_numeric": Helper(numeric, (STRING,), NUMERIC),
    "u_numeric_of_float": Helper(numeric_of_float, (FLOAT,), NUMERIC),
    "u_round_bignumeric": Helper(round_bignumeric, (BIGNUMERIC, INTEGER), BIGNUMERIC),
    "u_round": Helper(rounded, (FLOAT, INTEGER), FLOAT),
}
