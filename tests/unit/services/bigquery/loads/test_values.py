"""Values as files and parameters write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.bigquery.loads.values import plain_of
from services.bigquery.types import Type

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "months", "days", "micros"),
    [
        ("P7Y11M9DT4H15M37.123456S", 95, 9, 4 * HOUR + 15 * 60_000_000 + 37_123_456),
        ("P-10000Y0M-3660000DT-87840000H0M0S", -120_000, -3_660_000, -87_840_000 * HOUR),
        ("P1W", 0, 7, 0),
        ("PT-0.5S", 0, 0, -500_000),
        ("-P1Y", -12, 0, 0),
        ("1-2 3 4:5:6.5", 14, 3, 4 * HOUR + 5 * 60_000_000 + 6_500_000),
    ],
)
def test_an_interval_may_be_written_as_iso_8601(text: str, months: int, days: int, micros: int) -> None:
    assert plain_of(Type("INTERVAL"), text) == {"f0": months, "f1": days, "f2": micros}


@pytest.mark.parametrize("text", ["P", "PT", "P1S", "P10001Y", "1Y", "P1.5Y", ""])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Unable to parse|Out of range"):
        plain_of(Type("INTERVAL"), text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("DQo=\n", b"\r\n"), ("abc", b"i\xb7"), ("AP8=", b"\0\xff"), ("_-8=", b"\xff\xef"), ("", b"")],
)
def test_base64_may_lack_padding_and_have_white_space(text: str, expected: bytes) -> None:
    assert plain_of(Type("BYTES"), text) == expected


@pytest.mark.parametrize("text", ["a", "ab=c", "ab%="])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Could not decode base64"):
        plain_of(Type("BYTES"), text)


@pytest.mark.parametrize("sign", ["", "-"])
def test_the_ends_of_numeric_are_values_of_it(sign: str) -> None:
    text: Any = f"{sign}9.9999999999999999999999999999999999999E+28"
    assert plain_of(Type("NUMERIC"), text) == Decimal(f"{sign}99999999999999999999999999999.999999999")


def test_picoseconds_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="picoseconds are not supported"):
        plain_of(Type("TIMESTAMP"), "2025-01-01T00:00:00.123456789012Z")
