"""BigQuery's types: a type is one row, and nobody else knows how its values look anywhere.

A value has one *plain* form in Python, in which DuckDB's Arrow columns, Google's module and REST exchange it:

    INT64, BOOL, STRING, BYTES, FLOAT64, NUMERIC    int, bool, str, bytes, float, Decimal
    DATE                                            days since 1970-01-01
    TIME, DATETIME, TIMESTAMP                       microseconds since midnight or 1970-01-01
    BIGNUMERIC                                      32 bytes that sort as the numbers do
    INTERVAL                                        {"f0": months, "f1": days, "f2": microseconds}
    RANGE                                           {"f0": start, "f1": end}, unbounded ends as DuckDB's infinity
    JSON                                            its text
    GEOGRAPHY                                       its well-known binary (`geography.shapes`)
    ARRAY, STRUCT                                   list, {"f0": first field, ...}
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from services.bigquery.errors import NotBuilt
from services.bigquery.geography.formats import wkt_of_bytes

_EXACT = decimal.Context(prec=100)
_DAY_0 = datetime.date(1970, 1, 1).toordinal()
_MIDNIGHT_0 = datetime.datetime(1970, 1, 1)
_BIAS = 1 << 255
"""Added to a BIGNUMERIC's scaled integer, so that its 32 bytes, most significant first, sort as the numbers do."""
_ENDS = {"DATE": 2**31 - 1, "DATETIME": 2**63 - 1, "TIMESTAMP": 2**63 - 1}
"""DuckDB's infinity in plain form, which ends an unbounded RANGE: so the order is right. -infinity is its negative."""
_MONTHS_BIT, _MONTHS_MASK, _NANOS_MASK = 13, (1 << 18) - 1, (1 << 13) - 1
"""Layout of the last four bytes of the module's INTERVAL: a sign, 18 bits of months, 13 bits of nanoseconds."""


@dataclass(frozen=True)
class Type:
    """A type with its parts.

    Attributes:
        kind: GoogleSQL's name of the kind, such as `INT64`, `DOUBLE` or `STRUCT`.
        element: Of an ARRAY or RANGE.
        fields: Names and types of a STRUCT's fields; a name may be empty.
    """

    kind: str
    element: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        """The name under which `signatures/*.sql` have it: without names of fields."""
        if self.kind in ("ARRAY", "RANGE"):
            return f"{self.kind}<{self.element}>"
        if self.kind == "STRUCT":
            return f"STRUCT<{', '.join(str(field) for _, field in self.fields)}>"
        return self.kind

    @property
    def part(self) -> Type:
        """The element's type of an ARRAY or RANGE."""
        assert self.element is not None
        return self.element

    @property
    def row(self) -> Row:
        """The row of a type without parts.

        Raises:
            NotBuilt: There is none.
        """
        if self.kind not in ROWS:
            raise NotBuilt(f"type {self.kind}")
        return ROWS[self.kind]

    @property
    def duckdb(self) -> str:
        """DuckDB's type."""
        if self.kind == "ARRAY":
            return f"{self.part.duckdb}[]"
        if self.kind == "STRUCT":
            if not self.fields:
                raise NotBuilt("STRUCT without fields")
            return f"STRUCT({', '.join(f'f{number} {field.duckdb}' for number, (_, field) in enumerate(self.fields))})"
        if self.kind == "RANGE":
            return f"STRUCT(f0 {self.part.duckdb}, f1 {self.part.duckdb})"
        return self.row.duckdb

    @property
    def sql(self) -> str:
        """GoogleSQL's way to write it."""
        if self.kind in ("ARRAY", "RANGE"):
            return f"{self.kind}<{self.part.sql}>"
        if self.kind == "STRUCT":
            return f"STRUCT<{', '.join(f'f{number} {field.sql}' for number, (_, field) in enumerate(self.fields))}>"
        return self.row.name

    @property
    def plain_arrow(self) -> pa.DataType:
        """The Arrow type of its plain values."""
        return self._arrow(lambda row: row.plain)

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which DuckDB gives and takes it."""
        return self._arrow(lambda row: row.arrow)

    def _arrow(self, leaf: Callable[[Row], pa.DataType]) -> pa.DataType:
        if self.kind == "ARRAY":
            return pa.list_(self.part._arrow(leaf))
        if self.kind == "STRUCT":
            return pa.struct([(f"f{number}", field._arrow(leaf)) for number, (_, field) in enumerate(self.fields)])
        if self.kind == "RANGE":
            return pa.struct([("f0", self.part._arrow(leaf)), ("f1", self.part._arrow(leaf))])
        return leaf(self.row)


@dataclass(frozen=True)
class Row:
    """All that is known of a type without parts.

    Attributes:
        name: In GoogleSQL and INFORMATION_SCHEMA.
        rest: In a REST schema.
        duckdb: DuckDB's type.
        arrow: Arrow's type of DuckDB's values.
        plain: Arrow's type of the plain values.
        literal: Plain value → DuckDB SQL.
        to_rest: Plain value → string of a REST row.
        to_module: Plain value → the field and content of the module's value.
        from_module: The module's value → plain value.
        is_ordered: DuckDB compares, sorts and groups its values as GoogleSQL does.
    """

    name: str
    rest: str
    duckdb: str
    arrow: pa.DataType
    plain: pa.DataType
    literal: Callable[[Any], str]
    to_rest: Callable[[Any], str]
    to_module: Callable[[Any, Any], None]
    from_module: Callable[[Any], Any]
    is_ordered: bool = True


def quoted(text: str) -> str:
    """A string as DuckDB SQL; DuckDB's parser takes no zero character."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def scaled(number: decimal.Decimal, digits: int) -> int:
    """The number as an integer of so many decimals."""
    return int(number.scaleb(digits, _EXACT))


def unscaled(number: int, digits: int) -> decimal.Decimal:
    """The number of an integer of so many decimals."""
    return decimal.Decimal(number).scaleb(-digits, _EXACT)


def little(number: int) -> bytes:
    """The shortest two's complement, least significant byte first, as the module's decimals are written."""
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "little", signed=True)


def bignumeric(number: decimal.Decimal) -> bytes:
    """A BIGNUMERIC in plain form."""
    return (scaled(number, 38) + _BIAS).to_bytes(32, "big")


def decimal_of(plain: bytes) -> decimal.Decimal:
    """The number of a BIGNUMERIC."""
    return unscaled(int.from_bytes(plain, "big") - _BIAS, 38)


def _decimal_text(number: decimal.Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _float_literal(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) + ".0" if value == int(value) and abs(value) < 1e15 else repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def date_text(days: int) -> str:
    """A DATE as text."""
    return datetime.date.fromordinal(days + _DAY_0).isoformat()


def _datetime(micros: int) -> datetime.datetime:
    return _MIDNIGHT_0 + datetime.timedelta(microseconds=micros)


def datetime_text(micros: int) -> str:
    """A DATETIME as text, with `T`."""
    return _datetime(micros).isoformat()


def time_text(micros: int) -> str:
    """A TIME as text."""
    return _datetime(micros).time().isoformat()


def interval_text(plain: dict[str, int]) -> str:
    """An INTERVAL in its canonical form, such as `1-2 3 4:5:6.789`."""
    months, days, micros = plain["f0"], plain["f1"], plain["f2"]
    years, rest = divmod(abs(months), 12)
    seconds, fraction = divmod(abs(micros), 10**6)
    clock = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"
    digits = f".{fraction:06d}".removesuffix("000") if fraction else ""
    return f"{'-' * (months < 0)}{years}-{rest} {days} {'-' * (micros < 0)}{clock}{digits}"


def _civil(value: datetime.datetime) -> int:
    """The module's bit field of a DATETIME's seconds."""
    date = value.year << 26 | value.month << 22 | value.day << 17
    return date | value.hour << 12 | value.minute << 6 | value.second


def _datetime_to_module(micros: int, value: Any) -> None:
    civil = _datetime(micros)
    value.datetime_value.bit_field_datetime_seconds = _civil(civil)
    value.datetime_value.nanos = civil.microsecond * 1000


def _datetime_from_module(value: Any) -> int:
    bits, nanos = value.datetime_value.bit_field_datetime_seconds, value.datetime_value.nanos
    civil = datetime.datetime(bits >> 26, bits >> 22 & 15, bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63)
    days = civil.toordinal() - _DAY_0
    return int((days * 86400 + (civil.hour * 60 + civil.minute) * 60 + civil.second) * 10**6 + nanos // 1000)


def _time_to_module(micros: int, value: Any) -> None:
    seconds, fraction = divmod(micros, 10**6)
    bits = seconds // 3600 << 12 | seconds // 60 % 60 << 6 | seconds % 60
    value.time_value = bits << 30 | fraction * 1000


def _time_from_module(value: Any) -> int:
    bits, nanos = value.time_value >> 30, value.time_value & (1 << 30) - 1
    return int(((bits >> 12) * 3600 + (bits >> 6 & 63) * 60 + (bits & 63)) * 10**6 + nanos // 1000)


def _timestamp_to_module(micros: int, value: Any) -> None:
    value.timestamp_value.seconds, fraction = divmod(micros, 10**6)
    value.timestamp_value.nanos = fraction * 1000


def _timestamp_from_module(value: Any) -> int:
    return int(value.timestamp_value.seconds * 10**6 + value.timestamp_value.nanos // 1000)


def _interval_to_module(plain: dict[str, int], value: Any) -> None:
    micros, days, months = plain["f2"], plain["f1"], plain["f0"]
    last = (1 << 31 if months < 0 else 0) | abs(months) << _MONTHS_BIT
    value.interval_value = (
        micros.to_bytes(8, "little", signed=True) + days.to_bytes(4, "little", signed=True) + last.to_bytes(4, "little")
    )


def _interval_from_module(value: Any) -> dict[str, int]:
    data = value.interval_value
    last = int.from_bytes(data[12:16], "little")
    if last & _NANOS_MASK:
        raise NotBuilt("INTERVAL with nanoseconds")
    months = (-1 if last >> 31 else 1) * (last >> _MONTHS_BIT & _MONTHS_MASK)
    days, micros = (int.from_bytes(part, "little", signed=True) for part in (data[8:12], data[0:8]))
    return {"f0": months, "f1": days, "f2": micros}


def _setter(field: str, convert: Callable[[Any], Any] = lambda plain: plain) -> Callable[[Any, Any], None]:
    return lambda plain, value: setattr(value, field, convert(plain))


def _getter(field: str, convert: Callable[[Any], Any] = lambda content: content) -> Callable[[Any], Any]:
    return lambda value: convert(getattr(value, field))


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _bytes_literal(data: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02X}" for byte in data) + "'::BLOB"


def _interval_literal(plain: dict[str, int]) -> str:
    return f"CAST({{'f0': {plain['f0']}, 'f1': {plain['f1']}, 'f2': {plain['f2']}}} AS {_INTERVAL})"


def _not_in_module(*values: Any) -> Any:
    raise NotBuilt("GEOGRAPHY in Google's SQL module")


_INTERVAL = "STRUCT(f0 BIGINT, f1 BIGINT, f2 BIGINT)"
_INTERVAL_ARROW = pa.struct([("f0", pa.int64()), ("f1", pa.int64()), ("f2", pa.int64())])
ROWS = {
    "INT64": Row(
        "INT64", "INTEGER", "BIGINT", pa.int64(), pa.int64(),
        lambda value: f"{value}::BIGINT" if value >= 0 else f"CAST({value} AS BIGINT)", str,
        _setter("int64_value"), _getter("int64_value"),
    ),
    "DOUBLE": Row(
        "FLOAT64", "FLOAT", "DOUBLE", pa.float64(), pa.float64(), _float_literal, _float_text,
        _setter("double_value"), _getter("double_value"), is_ordered=False,
    ),
    "NUMERIC": Row(
        "NUMERIC", "NUMERIC", "DECIMAL(38,9)", pa.decimal128(38, 9), pa.decimal128(38, 9),
        lambda value: f"CAST('{value:f}' AS DECIMAL(38,9))", _decimal_text,
        _setter("numeric_value", lambda value: little(scaled(value, 9))),
        _getter("numeric_value", lambda data: unscaled(_signed(data), 9)),
    ),
    "BIGNUMERIC": Row(
        "BIGNUMERIC", "BIGNUMERIC", "BLOB", pa.binary(), pa.binary(), _bytes_literal,
        lambda plain: _decimal_text(decimal_of(plain)),
        _setter("bignumeric_value", lambda plain: little(scaled(decimal_of(plain), 38))),
        _getter("bignumeric_value", lambda data: (_signed(data) + _BIAS).to_bytes(32, "big")),
    ),
    "BOOL": Row(
        "BOOL", "BOOLEAN", "BOOLEAN", pa.bool_(), pa.bool_(), lambda value: "true" if value else "false",
        lambda value: "true" if value else "false", _setter("bool_value"), _getter("bool_value"),
    ),
    "STRING": Row(
        "STRING", "STRING", "VARCHAR", pa.string(), pa.string(), quoted, str,
        _setter("string_value"), _getter("string_value"),
    ),
    "BYTES": Row(
        "BYTES", "BYTES", "BLOB", pa.binary(), pa.binary(), _bytes_literal,
        lambda data: base64.b64encode(data).decode(), _setter("bytes_value"), _getter("bytes_value"),
    ),
    "DATE": Row(
        "DATE", "DATE", "DATE", pa.date32(), pa.int32(), lambda days: f"DATE '{date_text(days)}'", date_text,
        _setter("date_value"), _getter("date_value"),
    ),
    "TIME": Row(
        "TIME", "TIME", "TIME", pa.time64("us"), pa.int64(), lambda micros: f"TIME '{time_text(micros)}'", time_text,
        _time_to_module, _time_from_module,
    ),
    "DATETIME": Row(
        "DATETIME", "DATETIME", "TIMESTAMP", pa.timestamp("us"), pa.int64(),
        lambda micros: f"make_timestamp({micros})", datetime_text, _datetime_to_module, _datetime_from_module,
    ),
    "TIMESTAMP": Row(
        "TIMESTAMP", "TIMESTAMP", "TIMESTAMPTZ", pa.timestamp("us", "UTC"), pa.int64(),
        lambda micros: f"make_timestamptz({micros})", str, _timestamp_to_module, _timestamp_from_module,
    ),
    "INTERVAL": Row(
        "INTERVAL", "INTERVAL", _INTERVAL, _INTERVAL_ARROW, _INTERVAL_ARROW, _interval_literal, interval_text,
        _interval_to_module, _interval_from_module, is_ordered=False,
    ),
    "JSON": Row(
        "JSON", "JSON", "VARCHAR", pa.string(), pa.string(), quoted, str,
        _setter("json_value"), _getter("json_value"), is_ordered=False,
    ),
    "GEOGRAPHY": Row(
        "GEOGRAPHY", "GEOGRAPHY", "BLOB", pa.binary(), pa.binary(), _bytes_literal, wkt_of_bytes,
        _not_in_module, _not_in_module, is_ordered=False,
    ),
}  # fmt: skip
"""The types without parts, by GoogleSQL's kind."""
BY_NAME = {row.name: kind for kind, row in ROWS.items()}


def is_ordered(kind: Type) -> bool:
    """Whether DuckDB compares, sorts and groups values of this type as GoogleSQL does."""
    if kind.kind == "RANGE":
        return True
    return kind.kind in ROWS and ROWS[kind.kind].is_ordered


def contains(kind: Type, *kinds: str) -> bool:
    """Whether the type is or has in it one of the kinds."""
    parts = [field for _, field in kind.fields] + ([kind.element] if kind.element else [])
    return kind.kind in kinds or any(contains(part, *kinds) for part in parts)


def literal(kind: Type, value: Any) -> str:
    """A plain value as DuckDB SQL."""
    if value is None:
        return f"CAST(NULL AS {kind.duckdb})"
    if kind.kind == "ARRAY":
        return f"CAST([{', '.join(literal(kind.part, item) for item in value)}] AS {kind.duckdb})"
    if kind.kind == "STRUCT":
        fields = (literal(field, value[f"f{number}"]) for number, (_, field) in enumerate(kind.fields))
        return f"CAST(row({', '.join(fields)}) AS {kind.duckdb})"
    if kind.kind == "RANGE":
        return f"CAST({{'f0': {_end(kind, value['f0'])}, 'f1': {_end(kind, value['f1'])}}} AS {kind.duckdb})"
    return kind.row.literal(value)


def _end(kind: Type, value: int) -> str:
    if abs(value) == _ENDS[kind.part.kind]:
        return f"CAST('{'' if value > 0 else '-'}infinity' AS {kind.part.duckdb})"
    return literal(kind.part, value)


def to_module(kind: Type, plain: Any, value: Any) -> None:
    """Fills the module's value, which stands for NULL while nothing is set."""
    if plain is None:
        return
    if kind.kind == "ARRAY":
        value.array_value.SetInParent()
        for item in plain:
            to_module(kind.part, item, value.array_value.element.add())
    elif kind.kind == "STRUCT":
        value.struct_value.SetInParent()
        for number, (_, field) in enumerate(kind.fields):
            to_module(field, plain[f"f{number}"], value.struct_value.field.add())
    elif kind.kind == "RANGE":
        for name, end in (("f0", value.range_value.start), ("f1", value.range_value.end)):
            end.SetInParent()
            to_module(kind.part, None if abs(plain[name]) == _ENDS[kind.part.kind] else plain[name], end)
    else:
        kind.row.to_module(plain, value)


def from_module(kind: Type, value: Any) -> Any:
    """The plain form of the module's value."""
    if value.WhichOneof("value") is None:
        return None
    if kind.kind == "ARRAY":
        return [from_module(kind.part, item) for item in value.array_value.element]
    if kind.kind == "STRUCT":
        pairs = zip(kind.fields, value.struct_value.field, strict=True)
        return {f"f{number}": from_module(field, item) for number, ((_, field), item) in enumerate(pairs)}
    if kind.kind == "RANGE":
        infinity = _ENDS[kind.part.kind]
        start = from_module(kind.part, value.range_value.start)
        end = from_module(kind.part, value.range_value.end)
        return {"f0": -infinity if start is None else start, "f1": infinity if end is None else end}
    return kind.row.from_module(value)


def to_rest(kind: Type, value: Any) -> Any:
    """A plain value as a REST row has it: strings, `{"v": ...}` in arrays, `{"f": [...]}` for structs.

    A TIMESTAMP comes as microseconds (`formatOptions.useInt64Timestamp`).
    """
    if kind.kind == "ARRAY":
        return [{"v": to_rest(kind.part, item)} for item in value or ()]
    if value is None:
        return None
    if kind.kind == "STRUCT":
        fields = enumerate(kind.fields)
        return {"f": [{"v": to_rest(field, value[f"f{number}"])} for number, (_, field) in fields]}
    if kind.kind == "RANGE":
        ends = (value[name] for name in ("f0", "f1"))
        infinity = _ENDS[kind.part.kind]
        return f"[{', '.join('UNBOUNDED' if abs(end) == infinity else to_rest(kind.part, end) for end in ends)})"
    return kind.row.to_rest(value)


def plain_column(column: Any, kind: Type) -> list[Any]:
    """The plain values of an Arrow column that DuckDB gave."""
    return list(column.cast(kind.plain_arrow).to_pylist())


def arrow_column(values: list[Any], kind: Type) -> Any:
    """Plain values as an Arrow column that DuckDB takes."""
    return pa.array(values, type=kind.plain_arrow).cast(kind.arrow)
