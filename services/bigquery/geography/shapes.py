"""A GEOGRAPHY value: points, lines and polygons on the sphere, with geodesic edges.

The sphere is S2's (https://s2geometry.io), of radius 6371010 m. A polygon's shell runs counterclockwise and its holes
clockwise, so that the interior is on the left, as in BigQuery. The plain form, which DuckDB keeps, is WKB of that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import s2rst

RADIUS = 6371010.0
"""Metres; S2Earth::Radius."""
Point = tuple[float, float]
"""Longitude and latitude in degrees."""
Line = tuple[Point, ...]
Polygon = tuple[Line, ...]
"""Rings, whose last vertex is not the first once more."""
FULL: Polygon = ((),)
"""The whole globe: a shell without vertices."""
POINT, LINE, POLYGON, POINTS, LINES, POLYGONS, COLLECTION = range(1, 8)
"""WKB's numbers of types."""
_HEAD = struct.Struct("<BI")


def s2_point(point: Point) -> s2rst.S2Point:
    """The unit vector of a point."""
    return s2rst.LatLng.from_degrees(point[1], point[0]).to_point()


def s2_points(points: Iterable[Point]) -> list[s2rst.S2Point]:
    """The unit vectors of points."""
    return [s2_point(point) for point in points]


def degrees(point: s2rst.S2Point) -> Point:
    """Longitude and latitude of a unit vector, to the 15 digits that the way through radians keeps."""
    found = s2rst.LatLng.from_point(point)
    return _short(found.lng.degrees), _short(found.lat.degrees)


def _short(number: float) -> float:
    return float(f"{number:.15g}") + 0.0


def cell(point: Point) -> int:
    """The number of the smallest S2 cell around a point, by which BigQuery orders points."""
    return int(s2rst.CellId.from_point(s2_point(point)).id)


@dataclass(frozen=True)
class Geography:
    """A value: no element contains a point of another one."""

    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    polygons: tuple[Polygon, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has no point at all."""
        return not self.count

    @property
    def count(self) -> int:
        """How many points, lines and polygons it has."""
        return len(self.points) + len(self.lines) + len(self.polygons)

    @property
    def is_full(self) -> bool:
        """Whether it is the whole globe."""
        return self.polygons == (FULL,)

    @property
    def dimension(self) -> int:
        """Of its largest element: 0, 1 or 2; -1 if it is empty."""
        return 2 if self.polygons else 1 if self.lines else 0 if self.points else -1

    @property
    def point(self) -> Point | None:
        """Its point, if it is a single one."""
        return self.points[0] if self.points and self.count == 1 else None

    @property
    def line(self) -> Line | None:
        """Its line, if it is a single one."""
        return self.lines[0] if self.lines and self.count == 1 else None

    @property
    def polygon(self) -> Polygon | None:
        """Its polygon, if it is a single one."""
        return self.polygons[0] if self.polygons and self.count == 1 else None

    @property
    def type(self) -> int:
        """WKB's number of the simplest type that holds it."""
        counts = (len(self.points), len(self.lines), len(self.polygons))
        if sum(map(bool, counts)) != 1:
            return COLLECTION
        number = next(number for number, count in enumerate(counts) if count)
        return number + (POINT if sum(counts) == 1 else POINTS)

    @property
    def vertices(self) -> Iterator[Point]:
        """Points and vertices, each ring's first one once."""
        yield from self.points
        for line in self.lines:
            yield from line
        for polygon in self.polygons:
            for ring in polygon:
                yield from ring

    @cached_property
    def s2_polygon(self) -> s2rst.Polygon:
        """Its polygons as one of S2's."""
        if self.is_full:
            return s2rst.Polygon.full()
        rings = [ring for polygon in self.polygons for ring in polygon]
        return s2rst.Polygon.from_oriented_loops([s2rst.Loop(s2_points(ring)) for ring in rings])

    @cached_property
    def index(self) -> s2rst.ShapeIndex:
        """S2's index of all its elements."""
        index = s2rst.ShapeIndex()
        if self.points:
            index.add(s2rst.PointVector(s2_points(self.points)))
        for line in self.lines:
            index.add(s2rst.LaxPolyline(s2_points(line)))
        if self.polygons:
            index.add(self.s2_polygon)
        index.build()
        return index


EMPTY = Geography()


def parts(value: Geography) -> list[Geography]:
    """Its elements, each alone."""
    points = [Geography(points=(point,)) for point in value.points]
    lines = [Geography(lines=(line,)) for line in value.lines]
    return points + lines + [Geography(polygons=(polygon,)) for polygon in value.polygons]


def polygons_of(polygon: s2rst.Polygon) -> tuple[Polygon, ...]:
    """The polygons of one of S2's: each shell with the holes that lie directly in it."""
    if polygon.is_full_polygon():
        return (FULL,)
    found: list[list[Line]] = []
    for loop in polygon.loops():
        ring = tuple(degrees(vertex) for vertex in loop.vertices())
        if loop.depth() % 2:
            found[-1].append(ring[::-1])
        else:
            found.append([ring])
    return tuple(tuple(rings) for rings in found)


# --- the plain form: WKB, least significant byte first


def to_bytes(value: Geography) -> bytes:
    """The plain form."""
    if value.count == 1:
        return _element(value)
    elements = [_element(part) for part in parts(value)]
    return _HEAD.pack(1, value.type) + struct.pack("<I", len(elements)) + b"".join(elements)


def _element(value: Geography) -> bytes:
    head = _HEAD.pack(1, value.type)
    if value.points:
        return head + struct.pack("<2d", *value.points[0])
    if value.lines:
        return head + _packed(value.lines[0])
    rings = [_packed((*ring, ring[0]) if ring else ring) for ring in value.polygons[0]]
    return head + struct.pack("<I", len(rings)) + b"".join(rings)


def _packed(points: Sequence[Point]) -> bytes:
    numbers = [number for point in points for number in point]
    return struct.pack(f"<I{len(numbers)}d", len(points), *numbers)


def from_bytes(data: bytes) -> Geography:
    """The value of a plain form."""
    if len(data) == 21:  # a point, the most common value
        return Geography(points=(struct.unpack_from("<2d", data, 5),))
    value, _ = _read(data, 0)
    return value


def _read(data: bytes, start: int) -> tuple[Geography, int]:
    (_, kind), start = _HEAD.unpack_from(data, start), start + _HEAD.size
    if kind == POINT:
        return Geography(points=(struct.unpack_from("<2d", data, start),)), start + 16
    if kind == LINE:
        line, start = _read_points(data, start)
        return Geography(lines=(line,)), start
    count, start = struct.unpack_from("<I", data, start)[0], start + 4
    if kind == POLYGON:
        rings = []
        for _ in range(count):
            ring, start = _read_points(data, start)
            rings.append(ring[:-1])
        return Geography(polygons=(tuple(rings),)), start
    points: list[Point] = []
    lines: list[Line] = []
    polygons: list[Polygon] = []
    for _ in range(count):
        part, start = _read(data, start)
        points += part.points
        lines += part.lines
        polygons += part.polygons
    return Geography(tuple(points), tuple(lines), tuple(polygons)), start


def _read_points(data: bytes, start: int) -> tuple[Line, int]:
    count = struct.unpack_from("<I", data, start)[0]
    numbers = struct.unpack_from(f"<{2 * count}d", data, start + 4)
    return tuple(zip(numbers[::2], numbers[1::2], strict=True)), start + 4 + 16 * count
