"""A value of each type goes to DuckDB, to Google's module and to REST, and comes back the same."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from dev.peers.googlesql.comparison import is_same
from services.bigquery import types
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.errors import NotBuilt
from services.bigquery.geography.shapes import Geography, to_bytes
from services.bigquery.language.values import type_message, type_of, value_message
from services.bigquery.types import Type
from tests.conformance.differential import edges

KINDS = [
    *(Type(kind) for kind in types.ROWS),
    Type("RANGE", Type("DATE")),
    Type("ARRAY", Type("NUMERIC")),
    Type("STRUCT", fields=(("a", Type("INT64")), ("", Type("ARRAY", Type("TIMESTAMP"))))),
]


def values(kind: Type) -> list[Any]:
    dice = random.Random(str(kind))
    return [None, *edges.EDGES.get(kind.kind, []), *(edges.value(kind, dice) for _ in range(20))]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_value_comes_back_from_duckdb(kind: Type) -> None:
    connection = duckdb.connect()
    duck.prepare(connection)
    expected = values(kind)
    rows = " UNION ALL ".join(f"SELECT {i} AS i, {types.literal(kind, x)} AS x" for i, x in enumerate(expected))
    table = connection.execute(f"SELECT x FROM ({rows}) ORDER BY i").to_arrow_table()
    found = types.plain_column(table.column(0), kind)
    assert [is_same(kind, one, other) for one, other in zip(expected, found, strict=True)] == [True] * len(expected)
    assert [
        is_same(kind, one, other)
        for one, other in zip(expected, types.plain_column(types.arrow_column(expected, kind), kind), strict=True)
    ] == [True] * len(expected)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.kind != "GEOGRAPHY"], ids=str)
def test_a_value_comes_back_from_googles_message(kind: Type) -> None:
    assert type_of(type_message(kind)) == kind
    for value in values(kind):
        assert is_same(kind, value, types.from_module(kind, value_message(kind, value)))


@pytest.mark.parametrize(
    ("kind", "value", "rest"),
    [
        (Type("NUMERIC"), Decimal("-123456789.123456789"), "-123456789.123456789"),
        (Type("BIGNUMERIC"), types.bignumeric(Decimal("1.50")), "1.5"),
        (Type("BYTES"), b"\xff\x00", "/wA="),
        (Type("DOUBLE"), float("-inf"), "-Infinity"),
        (Type("BOOL"), True, "true"),
        (Type("DATE"), -719_162, "0001-01-01"),
        (Type("DATETIME"), 1_577_836_859_123_456, "2020-01-01T00:00:59.123456"),
        (Type("TIME"), 45_296_500_000, "12:34:56.500000"),
        (Type("INTERVAL"), {"f0": -14, "f1": 3, "f2": -14_706_789_000}, "-1-2 3 -4:5:6.789"),
        (Type("RANGE", Type("DATE")), {"f0": 18_262, "f1": 2**31 - 1}, "[2020-01-01, UNBOUNDED)"),
        (Type("ARRAY", Type("INT64")), [1, 2], [{"v": "1"}, {"v": "2"}]),
        (Type("GEOGRAPHY"), to_bytes(Geography(points=((-122.35, 47.62),))), "POINT(-122.35 47.62)"),
        (Type("ARRAY", Type("INT64")), None, []),
        (Type("STRUCT", fields=(("a", Type("INT64")),)), {"f0": None}, {"f": [{"v": None}]}),
    ],
)
def test_rest_has_a_value_as_google_writes_it(kind: Type, value: Any, rest: Any) -> None:
    assert types.to_rest(kind, value) == rest


def test_bytes_of_bignumerics_sort_as_the_numbers_do() -> None:
    numbers = [Decimal(text) for text in ("-1e38", "-2", "-1e-38", "0", "1e-38", "0.1", "3", "1e38")]
    assert sorted(map(types.bignumeric, numbers)) == [types.bignumeric(number) for number in numbers]


def test_a_type_without_a_row_is_refused_by_name() -> None:
    with pytest.raises(NotBuilt, match="type GRAPH_ELEMENT"):
        types.literal(Type("GRAPH_ELEMENT"), "x")


def test_google_has_no_geography_in_its_module() -> None:
    with pytest.raises(NotBuilt, match="GEOGRAPHY in Google's SQL module"):
        value_message(Type("GEOGRAPHY"), b"")
