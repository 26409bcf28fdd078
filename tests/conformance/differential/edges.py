"""Values to compare with: for each type its edges, and random ones."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.bigquery import types
from services.bigquery.geography.parsers import from_wkt
from services.bigquery.geography.shapes import to_bytes
from services.bigquery.types import Type

DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 as days since 1970."""
_FIRST, _LAST = _FIRST_DAY * DAY, (_LAST_DAY + 1) * DAY - 1
_NUMERIC_MAX = Decimal("99999999999999999999999999999.999999999")

EDGES: dict[str, list[Any]] = {
    "INT64": [0, 1, -1, 2, 3, 5, -7, 9, 64, 100, 1_000_000_007, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)],
    "DOUBLE": [
        0.0,
        -0.0,
        1.0,
        -1.5,
        2.5,
        0.5,
        0.1,
        1e308,
        -1e308,
        5e-324,
        1e15,
        1e16,
        123456.789,
        9.2233720368547758e18,
        -9.2233720368547758e18,
        math.inf,
        -math.inf,
        math.nan,
        1e22,
        1 / 3,
        4.35,
    ],
    "NUMERIC": [
        Decimal(text) for text in "0 1 -1 0.000000001 -0.000000001 -2.5 2.5 0.5 1.5 12345.678901234 3.333333333".split()
    ]
    + [_NUMERIC_MAX, _NUMERIC_MAX.copy_negate(), Decimal("1e28")],
    "BIGNUMERIC": [types.bignumeric(Decimal(text)) for text in ("0", "1", "-1", "0." + "0" * 37 + "1", "-2.5", "1e38")],
    "BOOL": [True, False],
    "STRING": [
        "",
        "a",
        "abc",
        "ABC",
        "ä",
        "Straße",
        "İI",
        "日本語",
        " a b ",
        "\tx\n",
        "1",
        " -5 ",
        "1.5",
        "1e3",
        "0x1F",
        "true",
        "T",
        "NaN",
        "+inf",
        "2020-01-02",
        "2020-1-2",
        "10000-01-01",
        "2021-02-29",
        "a+",
        "(",
        "%",
        "_b%",
        "a\\",
        "\\%",
        "e\u0301",
        "\u00a0",
        "aXbX",
        "X",
        ",",
        "a,b",
        "\U0001f600x",
        "aaa",
        "aa",
        "9223372036854775808",
        "-0",
        "0001-01-01",
        "12:34:56",
        "a\0b",
        "'",
        '"',
    ],
    "BYTES": [b"", b"a", b"abc", b"\xff", b"\xc3\xa4", b"61", b"\x00", b"\x00\xff\x10"],
    "DATE": [_FIRST_DAY, _LAST_DAY, 0, -1, 1, 11_016, 18_262, 18_627, 18_630, 18_992, 10_956, -141_427],
    "TIME": [0, DAY - 1, 45_296_500_000, 3_723_000_001, 1_000],
    "DATETIME": [_FIRST, _LAST, 0, -1, 1, 951_827_696_500_000, 1_609_372_800_000_001, 1_577_836_859_123_456],
    "TIMESTAMP": [_FIRST, _LAST, 0, -1, 1, 951_827_696_500_000, 1_609_372_800_000_001, 1_577_836_859_123_456],
    "JSON": ["null", "1", "1.5", '"a"', "true", "[1,2,null]", '{"a":{"b":1},"c":null}', '{"a":2,"b":1}', "[]", "{}"],
    "INTERVAL": [
        {"f0": months, "f1": days, "f2": micros}
        for months, days, micros in ((0, 0, 0), (14, 3, 14_706_789_000), (-14, -3, -1), (1, 0, 0), (0, 30, 0))
    ],
    "GEOGRAPHY": [
        to_bytes(from_wkt(text))
        for text in (
            "POINT EMPTY",
            "POINT(-122.35 47.62)",
            "LINESTRING(1 1, 2 2)",
            "MULTIPOINT(1 1, 2 2)",
            "FULLGLOBE",
            "GEOMETRYCOLLECTION(POINT(5 5), POLYGON((0 0, 4 0, 4 4, 0 0), (2 1, 3 1, 3 2, 2 1)))",
        )
    ],
}
"""Plain values where functions have gone wrong before: in other types' limits, in other characters, in NaN."""
INFINITE_DAY = 2**31 - 1


def _random_float(dice: random.Random) -> float:
    if dice.random() < 0.5:
        return round(dice.uniform(-1000, 1000), dice.randrange(6))
    return float(struct.unpack("<d", dice.randbytes(8))[0])


def _random_text(dice: random.Random) -> str:
    letters = "aAbBxX019 ,.-%_\\äßİ日\u0301\U0001f600"
    return "".join(dice.choice(letters) for _ in range(dice.randrange(9)))


_RANDOM: dict[str, Callable[[random.Random], Any]] = {
    "INT64": lambda dice: dice.randrange(-(2 ** dice.randrange(1, 64)), 2 ** dice.randrange(1, 64)),
    "DOUBLE": _random_float,
    "NUMERIC": lambda dice: types.unscaled(
        dice.randrange(-(10 ** dice.randrange(1, 38)), 10 ** dice.randrange(1, 38)), 9
    ),
    "BIGNUMERIC": lambda dice: types.bignumeric(types.unscaled(dice.randrange(-(10**50), 10**50), 38)),
    "BOOL": lambda dice: dice.random() < 0.5,
    "STRING": _random_text,
    "BYTES": lambda dice: dice.randbytes(dice.randrange(5)),
    "DATE": lambda dice: dice.randrange(_FIRST_DAY, _LAST_DAY + 1),
    "TIME": lambda dice: dice.randrange(DAY),
    "DATETIME": lambda dice: dice.randrange(_FIRST, _LAST + 1),
    "TIMESTAMP": lambda dice: dice.randrange(_FIRST, _LAST + 1),
}


def value(kind: Type, dice: random.Random, nulls: float = 0.1) -> Any:
    """A plain value of a type: NULL, an edge, or a random one."""
    if dice.random() < nulls:
        return None
    if kind.kind == "ARRAY":
        return [value(kind.part, dice) for _ in range(dice.randrange(4))]
    if kind.kind == "STRUCT":
        return {f"f{number}": value(field, dice) for number, (_, field) in enumerate(kind.fields)}
    if kind.kind == "RANGE":
        return _range(dice)
    if kind.kind not in _RANDOM or dice.random() < 0.7:
        return dice.choice(EDGES[kind.kind])
    return _RANDOM[kind.kind](dice)


def _range(dice: random.Random) -> dict[str, int]:
    """A RANGE<DATE>."""
    start, end = sorted(dice.sample([-INFINITE_DAY, 18_262, 18_276, 18_293, 18_322, INFINITE_DAY], 2))
    return {"f0": start, "f1": end}


def unscaled_numeric(dice: random.Random) -> Decimal | None:
    """A NUMERIC of moderate size, or NULL."""
    return dice.choice([None, types.unscaled(dice.randrange(-(10**12), 10**12), 9), Decimal("1.5"), Decimal(0)])
