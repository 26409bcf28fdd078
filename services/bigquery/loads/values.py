"""Values as JSON, CSV and REST write them, in plain form (`types`).

What each type accepts: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#details_of_loading_json_data
and the page about CSV beside it.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from services.bigquery import types
from services.bigquery.geography.parsers import from_text, from_wkb
from services.bigquery.geography.shapes import to_bytes
from services.bigquery.types import Type

_EXACT = decimal.Context(prec=120)
_DAY_0 = datetime.date(1970, 1, 1).toordinal()
_DATE = r"(\d{1,4})[-/](\d{1,2})[-/](\d{1,2})"
_TIME = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{0,9}))?"
_DATE_ONLY = re.compile(_DATE)
_TIME_ONLY = re.compile(_TIME)
_DATETIME = re.compile(rf"{_DATE}(?:[Tt ]\s*{_TIME})?")
_TIMESTAMP = re.compile(rf"{_DATE}(?:[Tt ]\s*(\d{{1,2}}:\d{{1,2}}(?::\d{{1,2}}(?:\.\d{{0,9}})?)?))?\s*(.*)")
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?")
_INTERVAL = re.compile(r"([+-]?)(\d+)-(\d+) ([+-]?\d+) ([+-]?)(\d+):(\d+):(\d+)(?:\.(\d{1,6}))?")
_SIGNED = r"([+-]?\d{1,20})"
_DURATION = re.compile(
    rf"([+-]?)P(?:{_SIGNED}Y)?(?:{_SIGNED}M)?(?:{_SIGNED}W)?(?:{_SIGNED}D)?"
    rf"(T(?:{_SIGNED}H)?(?:{_SIGNED}M)?(?:([+-]?)(\d{{1,20}})(?:[.,](\d{{1,9}}))?S)?)?"
)
"""An INTERVAL in ISO 8601, such as P1Y2M3DT4H5M6.5S; each part may have a sign."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")
_ENDS = {"DATE": 2**31 - 1, "DATETIME": 2**63 - 1, "TIMESTAMP": 2**63 - 1}
_MOST_INTERVAL = (120_000, 3_660_000, 87_840_000 * 3_600_000_000)
"""Months, days and microseconds of an INTERVAL."""
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""TIMESTAMP's range in microseconds: the years 1 to 9999."""


def plain_of(kind: Type, value: Any) -> Any:
    """A value in plain form.

    Args:
        kind: Its type.
        value: From JSON, or text.

    Raises:
        ValueError: It is none of that type; the text says why.
    """
    if kind.kind == "ARRAY":
        if value is None:
            return []
        if not isinstance(value, list):
            raise ValueError("Array specified for non-repeated field" if isinstance(value, Mapping) else "Not an array")
        if None in value:
            raise ValueError("Only optional fields can be set to NULL")
        return [plain_of(kind.part, item) for item in value]
    if value is None:
        return None
    if kind.kind == "STRUCT":
        if not isinstance(value, Mapping):
            raise ValueError("This field is not a record")
        by_name = {name.lower(): item for name, item in value.items()}
        return {
            f"f{number}": plain_of(field, by_name.get(name.lower())) for number, (name, field) in enumerate(kind.fields)
        }
    if kind.kind == "RANGE":
        return _range(kind, value)
    if kind.kind == "JSON":
        return json_text(value)
    if isinstance(value, (list, Mapping)):
        raise ValueError("Array specified for non-repeated field" if isinstance(value, list) else "Not a record")
    return _PARSE[kind.kind](value)


def json_text(value: Any) -> str:
    """JSON in the form in which Google's module writes it; a string is taken as JSON's text if it is such."""
    if isinstance(value, str):
        value = json.loads(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Number(float):
    """A number of a JSON document, which keeps its digits for NUMERIC and BIGNUMERIC."""

    def __new__(cls, text: str) -> Number:
        """Keeps the text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("BOOL is not INT64")
    text = _string(value).strip()
    if _INTEGER.fullmatch(text) and len(text) < 1000:
        number = int(text)
    elif _NUMBER.fullmatch(text) and (exact := _in_range(text)) == exact.to_integral_value(context=_EXACT):
        number = int(exact)
    else:
        raise ValueError("Unable to parse")
    if not -(2**63) <= number < 2**63:
        raise ValueError("Out of range")
    return number


def _in_range(text: str) -> decimal.Decimal:
    """A number; written out, one with a huge exponent would fill the memory."""
    number = decimal.Decimal(text)
    if number.adjusted() > 40:
        raise ValueError("Out of range")
    return number


def _float(value: Any) -> float:
    text = _string(value).strip().lower()
    if _NUMBER.fullmatch(text) or text.lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    raise ValueError("Unable to parse")


def _decimal(digits: int, scale: int) -> Callable[[Any], decimal.Decimal]:
    def parse(value: Any) -> decimal.Decimal:
        text = value.text if isinstance(value, Number) else _string(value).strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError("Unable to parse")
        unit = decimal.Decimal(1).scaleb(-scale)
        number = decimal.Decimal(text)
        if number.adjusted() > digits:
            raise ValueError("Out of range")
        return number.quantize(unit, rounding=decimal.ROUND_HALF_UP, context=_EXACT)

    return parse


def _numeric(value: Any) -> decimal.Decimal:
    number = _decimal(29, 9)(value)
    if number.copy_abs() >= 10**29:  # abs() rounds to 28 digits
        raise ValueError("Out of range")
    return number


def _bignumeric(value: Any) -> bytes:
    number = _decimal(39, 38)(value)
    if not -(2**255) <= types.scaled(number, 38) < 2**255:
        raise ValueError("Out of range")
    return types.bignumeric(number)


def _bool(value: Any) -> bool:
    text = _string(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("Unable to parse")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    text = "".join(_string(value).split()).translate({45: "+", 95: "/"})
    text += "" if "=" in text else "=" * (-len(text) % 4)  # which may be missing, as at Google
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Could not decode base64 string to bytes") from None


def _days(year: str, month: str, day: str) -> int:
    return datetime.date(int(year), int(month), int(day)).toordinal() - _DAY_0


def _micros(hour: str, minute: str, second: str, fraction: str | None) -> int:
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise ValueError("Invalid time")
    micros = int((fraction or "").ljust(6, "0")[:6] or 0)
    return ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 10**6 + micros


def _date(value: Any) -> int:
    found = _DATE_ONLY.fullmatch(_string(value).strip())
    if not found:
        raise ValueError("Unable to parse")
    return _days(*found.groups())


def _time(value: Any) -> int:
    found = _TIME_ONLY.fullmatch(_string(value).strip())
    if not found:
        raise ValueError("Unable to parse")
    return _micros(*found.groups())


def _datetime(value: Any) -> int:
    found = _DATETIME.fullmatch(_string(value).strip())
    if not found:
        raise ValueError("Unable to parse")
    year, month, day, hour, *rest = found.groups()
    return _days(year, month, day) * 86_400_000_000 + (_micros(hour, *rest) if hour else 0)


def _timestamp(value: Any) -> int:
    text = _string(value).strip()
    if _NUMBER.fullmatch(text):
        micros = int((decimal.Decimal(text) * 10**6).to_integral_value(rounding=decimal.ROUND_HALF_UP))
    else:
        micros = _civil_timestamp(text)
    if not _FIRST <= micros <= _LAST:
        raise ValueError("Out of range")
    return micros


def _civil_timestamp(text: str) -> int:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        raise ValueError("Unable to parse")
    year, month, day, clock, zone = found.groups()
    if zone[:1].isdigit():
        raise ValueError("More than nine digits of a second; picoseconds are not supported")
    micros = _days(year, month, day) * 86_400_000_000
    if clock:
        parts = clock.split(":")
        second, _, fraction = (parts[2] if len(parts) == 3 else "0").partition(".")
        micros += _micros(parts[0], parts[1], second, fraction)
    return micros - _zone(zone, micros)


def _zone(text: str, micros: int) -> int:
    """The offset of a time zone in microseconds at a local time."""
    if text.upper() in ("", "Z", "UTC", "GMT"):
        return 0
    if found := _OFFSET.fullmatch(text):
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return (-1 if found[1] == "-" else 1) * minutes * 60_000_000
    try:
        zone = zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"Invalid time zone: {text[:50]}") from None
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
    offset = local.replace(tzinfo=zone).utcoffset() or datetime.timedelta()
    return offset // datetime.timedelta(microseconds=1)


def _interval(value: Any) -> dict[str, int]:
    text = _string(value).strip()
    found = _INTERVAL.fullmatch(text)
    if not found:
        return _duration(text)
    sign, years, months, days, minus, hours, minutes, seconds, fraction = found.groups()
    micros = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 10**6 + int((fraction or "").ljust(6, "0"))
    whole = int(years) * 12 + int(months)
    return {"f0": -whole if sign == "-" else whole, "f1": int(days), "f2": -micros if minus == "-" else micros}


def _duration(text: str) -> dict[str, int]:
    """An INTERVAL in ISO 8601 (https://en.wikipedia.org/wiki/ISO_8601#Durations)."""
    found = _DURATION.fullmatch(text)
    if not found or text[-1] in "PT":
        raise ValueError("Unable to parse")
    sign, *parts = found.groups()
    years, months, weeks, days, _, hours, minutes, minus, seconds, fraction = parts
    micros = int(seconds or 0) * 10**6 + int((fraction or "").ljust(6, "0")[:6])
    micros = (int(hours or 0) * 60 + int(minutes or 0)) * 60_000_000 + (-micros if minus == "-" else micros)
    whole = (int(years or 0) * 12 + int(months or 0), int(weeks or 0) * 7 + int(days or 0), micros)
    if any(abs(one) > most for one, most in zip(whole, _MOST_INTERVAL, strict=True)):
        raise ValueError("Out of range")
    return {f"f{number}": -one if sign == "-" else one for number, one in enumerate(whole)}


def _range(kind: Type, value: Any) -> dict[str, int]:
    infinity = _ENDS[kind.part.kind]
    if isinstance(value, Mapping):
        ends = [value.get("start"), value.get("end")]
        ends = [end.get("value") if isinstance(end, Mapping) else end for end in ends]
    else:
        text = _string(value).strip()
        if not (text.startswith("[") and text.endswith(")") and text.count(",") == 1):
            raise ValueError("Unable to parse")
        ends = [part.strip() for part in text[1:-1].split(",")]
    start, end = (None if one in (None, "", "UNBOUNDED", "NULL") else plain_of(kind.part, one) for one in ends)
    found = {"f0": -infinity if start is None else start, "f1": infinity if end is None else end}
    if found["f0"] >= found["f1"]:
        raise ValueError("Range start element must be smaller than range end element")
    return found


def _geography(value: Any) -> bytes:
    """WKT, GeoJSON, or WKB in hexadecimal digits; well-known binary from files that have bytes."""
    return to_bytes(from_wkb(value) if isinstance(value, bytes) else from_text(_string(value)))


_PARSE: Mapping[str, Callable[[Any], Any]] = {
    "INT64": _int,
    "DOUBLE": _float,
    "NUMERIC": _numeric,
    "BIGNUMERIC": _bignumeric,
    "BOOL": _bool,
    "STRING": _string,
    "BYTES": _bytes,
    "DATE": _date,
    "TIME": _time,
    "DATETIME": _datetime,
    "TIMESTAMP": _timestamp,
    "INTERVAL": _interval,
    "GEOGRAPHY": _geography,
}
