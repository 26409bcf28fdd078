"""Texts and bytes from outside: each is a value or a sentence, never another error."""

from __future__ import annotations

import random

import pytest

from services.bigquery.geography.formats import geojson, wkt
from services.bigquery.geography.parsers import DEPTH, from_geojson, from_hex, from_text, from_wkb, from_wkt
from services.bigquery.geography.shapes import from_bytes, to_bytes

TEXTS = [
    "POINT(1 2)", "GEOMETRYCOLLECTION EMPTY", "FULLGLOBE", "LINESTRING(1 1, 2 2, 3 1)", "MULTIPOINT(1 1, 2 2)",
    "MULTILINESTRING((2 2, 3 4), (5 6, 7 7))", "POLYGON((0 0, 10 0, 10 10, 0 0), (8 6, 6 2, 4 2, 8 6))",
    "MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((2 2, 3 2, 3 3, 2 2)))",
    "GEOMETRYCOLLECTION(POINT(0 0), LINESTRING(1 2, 2 1), POLYGON((5 5, 6 5, 6 6, 5 5)))",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_keeps_its_text_on_every_way(text: str) -> None:
    value = from_wkt(text)
    assert wkt(value) == text == wkt(from_bytes(to_bytes(value)))
    if not value.is_full:
        assert wkt(from_wkb(to_bytes(value))) == text
        assert from_geojson(geojson(value)).count == value.count


@pytest.mark.parametrize(
    "text",
    [
        "", "POINT", "POINT(", "POINT()", "POINT(1)", "POINT(1 2", "POINT(1 2))", "POINT(1 2) POINT(1 2)", "POINT(a b)",
        "POINT(1 nan)", "POINT(1 1e999)", "POINT(1e9 1)", "POINT Z (1 2 3)", "POINT(1 2 3)", "LINESTRING(1 1)",
        "LINESTRING(0 0, 180 0)", "POLYGON((0 0, 1 1, 0 0))", "POLYGON((0 0, 1 1, 2 0))", "POLYGON(())", "(", ")",
        "POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))", "POLYGON((0 0, 9 0, 9 9, 0 0), (20 20, 21 20, 21 21, 20 20))",
        "CIRCULARSTRING(0 0, 1 1, 2 0)", "GEOMETRYCOLLECTION(" * (DEPTH + 2) + "POINT(1 1)" + ")" * (DEPTH + 2),
        "GEOMETRYCOLLECTION(" * 5000, '{"type": "Point"}', '{"type": "Point", "coordinates": "12"}', "{" * 50_000,
        '{"type": ["Point"], "coordinates": [1, 2]}', '{"type": "Polygon", "coordinates": [[[true, 1]]]}',
        '{"type": "GeometryCollection", "geometries": 5}', "0101", "01010000", "01070000000200000001",
        "0103000000ffffffff",
    ],
)  # fmt: skip
def test_a_wrong_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        value = from_text(text)
        assert value.is_empty, wkt(value)
        raise ValueError("an empty value")


def test_random_bytes_are_a_value_or_a_sentence() -> None:
    dice = random.Random(7)
    good = [to_bytes(from_wkt(text)) for text in TEXTS]
    for _ in range(2000):
        data = bytearray(dice.choice(good))
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            from_wkb(bytes(data[: dice.randrange(1, len(data) + 1)]))
        except ValueError:
            continue


def test_big_endian_bytes_are_read() -> None:
    assert wkt(from_hex("00000000013ff00000000000004000000000000000")) == "POINT(1 2)"
