"""WKT, WKB and GeoJSON as values."""

from __future__ import annotations

import binascii
import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import s2rst

from services.bigquery.geography.arrangement import arranged, check_edges, located, polygon_of, repaired
from services.bigquery.geography.formats import TOLERANCE
from services.bigquery.geography.shapes import FULL, Geography, Line, Point, Polygon, degrees, s2_points

DEPTH = 50
"""How deep collections may be nested."""
_TOKEN = re.compile(r"\s*([A-Za-z]+|[(),]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")


@dataclass
class Elements:
    """What a text or binary has in it, before it is arranged.

    Attributes:
        is_oriented: Whether the interior is on the left of each ring.
        is_planar: Whether edges are straight on a map of longitude and latitude.
        make_valid: Whether wrong polygons are repaired.
    """

    is_oriented: bool = False
    is_planar: bool = False
    make_valid: bool = False
    points: list[Point] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    polygons: list[Polygon] = field(default_factory=list)

    def add_point(self, numbers: Sequence[float]) -> None:
        """Adds a point."""
        self.points.append(_located(numbers))

    def add_line(self, pairs: Sequence[Sequence[float]]) -> None:
        """Adds a line."""
        line = [_located(pair) for pair in pairs]
        if len(line) == 1:
            raise ValueError("A linestring needs at least two vertices")
        if line:
            line = self._bent(pairs, line)
            check_edges(s2_points(line))
            self.lines.append(tuple(line))

    def add_polygon(self, rings: Sequence[Sequence[Sequence[float]]]) -> None:
        """Adds a polygon."""
        if not rings:
            return
        found = [self._bent(ring, [_located(pair) for pair in ring]) for ring in rings]
        value = repaired(found) if self.make_valid else polygon_of(found, self.is_oriented)
        self.points += value.points
        self.lines += value.lines
        self.polygons += value.polygons

    def _bent(self, pairs: Sequence[Sequence[float]], line: list[Point]) -> list[Point]:
        """A line of a map as geodesic edges that stay within 10 m of it."""
        if not self.is_planar:
            return line
        tessellator = s2rst.EdgeTessellator(s2rst.PlateCarreeProjection(180), TOLERANCE)
        result = line[:1]
        for number, end in enumerate(line[1:]):
            ends = (s2rst.R2Point(*pair) for pair in pairs[number : number + 2])
            result += [degrees(point) for point in tessellator.append_unprojected(*ends)[1:-1]]
            result.append(end)
        return result

    def value(self) -> Geography:
        """The value."""
        return arranged(self.points, self.lines, self.polygons)


def _located(numbers: Sequence[Any]) -> Point:
    if len(numbers) != 2 or not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in numbers):
        raise ValueError("Points must have exactly two coordinates, longitude and latitude")
    longitude, latitude = map(float, numbers)
    if abs(longitude) > 360:
        raise ValueError(f"Longitude must be between -360 and 360 degrees. Is: {longitude:g}")
    return located(longitude, latitude)


def _elements(is_oriented: bool, is_planar: bool, make_valid: bool) -> Elements:
    if is_oriented and is_planar:
        raise ValueError("oriented and planar cannot both be TRUE")
    if is_oriented and make_valid:
        raise ValueError("oriented and make_valid cannot both be TRUE")
    return Elements(is_oriented, is_planar, make_valid)


def from_wkt(text: str, is_oriented: bool = False, is_planar: bool = False, make_valid: bool = False) -> Geography:
    """The value of well-known text.

    Args:
        text: Such as `POINT(1 2)`; `FULLGLOBE` is the whole globe.
        is_oriented: As in `Elements`.
        is_planar: As in `Elements`.
        make_valid: As in `Elements`.

    Raises:
        ValueError: It is none.
    """
    elements = _elements(is_oriented, is_planar, make_valid)
    if text.strip().upper() == "FULLGLOBE":
        return Geography(polygons=(FULL,))
    reader = _Wkt(text)
    reader.read(elements, 0)
    if reader.token:
        raise ValueError(f"Invalid WKT: unexpected '{reader.token}' after the geometry")
    return elements.value()


class _Wkt:
    """Reads well-known text from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self.token = text.rstrip(), 0, ""
        self._next()

    def _next(self) -> str:
        before = self.token
        found = _TOKEN.match(self._text, self._place)
        if found is None and self._place < len(self._text):
            raise ValueError(f"Invalid WKT: unexpected '{self._text[self._place : self._place + 20].strip()}'")
        self.token = found[1] if found else ""
        self._place = found.end() if found else self._place
        return before

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise ValueError(f"Invalid WKT: expected '{token}' before '{self._text[self._place :][:20]}'")

    def read(self, elements: Elements, depth: int) -> None:
        word = self._next().upper()
        if self.token.upper() in ("Z", "M", "ZM"):
            raise ValueError("Invalid WKT: coordinates with Z or M are not supported")
        if word not in _READERS and word != "GEOMETRYCOLLECTION":
            raise ValueError(f"Unknown object type: {word[:50]}; during WKT parsing")
        if depth > DEPTH:
            raise ValueError("Invalid WKT: collections are nested too deeply")
        if self.token.upper() == "EMPTY":
            self._next()
        elif word == "GEOMETRYCOLLECTION":
            self._list(lambda: self.read(elements, depth + 1))
        else:
            _READERS[word](self, elements)

    def _list(self, read: Callable[[], Any]) -> list[Any]:
        self._expect("(")
        found = [read()]
        while self.token == ",":
            self._next()
            found.append(read())
        self._expect(")")
        return found

    def _pair(self) -> list[float]:
        numbers = []
        while self.token and self.token not in "(),":
            try:
                numbers.append(float(self._next()))
            except ValueError:
                raise ValueError("Invalid WKT: a coordinate is no number") from None
        return numbers

    def _bracketed_pair(self) -> list[float]:
        if self.token != "(":
            return self._pair()
        return list(self._list(self._pair)[0])

    def pairs(self) -> list[Any]:
        return [] if self._is_empty() else self._list(self._pair)

    def _is_empty(self) -> bool:
        return self.token.upper() == "EMPTY" and bool(self._next())

    def rings(self) -> list[Any]:
        return [] if self._is_empty() else self._list(self.pairs)

    def point(self, elements: Elements) -> None:
        for pair in self._list(self._pair):
            elements.add_point(pair)

    def points(self, elements: Elements) -> None:
        for pair in self._list(self._bracketed_pair):
            elements.add_point(pair)

    def line(self, elements: Elements) -> None:
        elements.add_line(self.pairs())

    def lines(self, elements: Elements) -> None:
        for pairs in self._list(self.pairs):
            elements.add_line(pairs)

    def polygon(self, elements: Elements) -> None:
        elements.add_polygon(self.rings())

    def polygons(self, elements: Elements) -> None:
        for rings in self._list(self.rings):
            elements.add_polygon(rings)


_READERS: Mapping[str, Callable[[_Wkt, Elements], None]] = {
    "POINT": _Wkt.point,
    "LINESTRING": _Wkt.line,
    "POLYGON": _Wkt.polygon,
    "MULTIPOINT": _Wkt.points,
    "MULTILINESTRING": _Wkt.lines,
    "MULTIPOLYGON": _Wkt.polygons,
}


def from_wkb(data: bytes, is_oriented: bool = False, is_planar: bool = False, make_valid: bool = False) -> Geography:
    """The value of well-known binary; as `from_wkt`."""
    elements = _elements(is_oriented, is_planar, make_valid)
    reader = _Wkb(data)
    try:
        reader.read(elements, 0)
    except struct.error:
        raise ValueError("Invalid WKB: it ends too early") from None
    if reader.place != len(data):
        raise ValueError("Invalid WKB: more bytes after the geometry")
    return elements.value()


def from_hex(text: str, is_oriented: bool = False, is_planar: bool = False, make_valid: bool = False) -> Geography:
    """The value of well-known binary in hexadecimal digits; as `from_wkt`."""
    try:
        data = binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        raise ValueError("Invalid WKB: no hexadecimal digits") from None
    return from_wkb(data, is_oriented, is_planar, make_valid)


class _Wkb:
    """Reads well-known binary."""

    def __init__(self, data: bytes) -> None:
        self._data, self.place, self._order = data, 0, "<"

    def _numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(self._order + form, self._data, self.place)
        self.place += struct.calcsize(self._order + form)
        return found

    def _count(self, size: int) -> int:
        count = int(self._numbers("I")[0])
        if count * size > len(self._data) - self.place:
            raise ValueError("Invalid WKB: it ends too early")
        return count

    def _pairs(self) -> list[list[float]]:
        count = self._count(16)
        numbers = self._numbers(f"{2 * count}d")
        return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]

    def read(self, elements: Elements, depth: int) -> None:
        order = self._data[self.place : self.place + 1]
        if order not in (b"\x00", b"\x01"):
            raise ValueError("Invalid WKB: wrong byte order")
        self.place += 1
        self._order = "<" if order == b"\x01" else ">"
        kind = self._numbers("I")[0]
        if not 1 <= kind <= 7 or depth > DEPTH:
            raise ValueError(f"Unknown object type 0x{kind:x}; during WKB parsing")
        if kind == 1:
            pair = self._numbers("2d")
            if not all(map(math.isnan, pair)):  # an empty point
                elements.add_point(pair)
        elif kind == 2:
            elements.add_line(self._pairs())
        elif kind == 3:
            elements.add_polygon([self._pairs() for _ in range(self._count(4))])
        else:
            for _ in range(self._count(5)):
                self.read(elements, depth + 1)


def from_geojson(text: str, make_valid: bool = False) -> Geography:
    """The value of a geometry in GeoJSON, whose edges are those of a planar map."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("Invalid GeoJSON: it is no JSON") from None
    elements = Elements(is_planar=True, make_valid=make_valid)
    try:
        _read_geojson(found, elements, 0)
    except (TypeError, KeyError, IndexError, AttributeError):
        raise ValueError("Invalid GeoJSON: type or coordinates are missing or of the wrong form") from None
    return elements.value()


def _read_geojson(found: Any, elements: Elements, depth: int) -> None:
    kind = found["type"]
    if depth > DEPTH:
        raise ValueError("Invalid GeoJSON: collections are nested too deeply")
    if kind == "GeometryCollection":
        for inner in found["geometries"]:
            _read_geojson(inner, elements, depth + 1)
        return
    add: Mapping[str, Callable[[Any], None]] = {
        "Point": elements.add_point,
        "LineString": elements.add_line,
        "Polygon": elements.add_polygon,
    }
    if kind not in add and not (isinstance(kind, str) and kind.removeprefix("Multi") in add):
        raise ValueError(f"Invalid GeoJSON: type {str(kind)[:50]} is not a geometry")
    if kind in add:
        if found["coordinates"] or kind != "Point":
            add[kind](found["coordinates"])
        return
    for coordinates in found["coordinates"]:
        add[kind.removeprefix("Multi")](coordinates)


def from_text(text: str) -> Geography:
    """The value of WKT, of GeoJSON, or of WKB in hexadecimal digits, as loads and ST_GEOGFROM take them."""
    stripped = text.strip()
    if stripped.startswith("{"):
        return from_geojson(stripped)
    if re.fullmatch(r"0[01][0-9A-Fa-f]{8,}", stripped):
        return from_hex(stripped)
    return from_wkt(stripped)
