"""Values as text: WKT, GeoJSON, GeoHash, as BigQuery writes them."""

from __future__ import annotations

from collections.abc import Sequence

import s2rst

from services.bigquery.geography.shapes import (
    COLLECTION,
    LINE,
    LINES,
    POINT,
    POINTS,
    POLYGON,
    POLYGONS,
    Geography,
    Line,
    Point,
    Polygon,
    from_bytes,
    parts,
    s2_point,
)

_WORDS = {
    POINT: "Point", LINE: "LineString", POLYGON: "Polygon", POINTS: "MultiPoint", LINES: "MultiLineString",
    POLYGONS: "MultiPolygon", COLLECTION: "GeometryCollection",
}  # fmt: skip
TOLERANCE = s2rst.Angle.from_radians(10.0 / 6371010.0)
"""How far an edge of a planar map may be from the geodesic one: 10 m, as ST_GEOGFROMGEOJSON's page says."""
_GEOHASH = "0123456789bcdefghjkmnpqrstuvwxyz"


def type_name(value: Geography) -> str:
    """The name of its type in WKT and GeoJSON."""
    return _WORDS[value.type]


def number(value: float) -> str:
    """A coordinate: 15 digits at most."""
    return f"{value + 0.0:.15g}"


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def _list(points: Sequence[Point]) -> str:
    return f"({', '.join(map(_pair, points))})"


def _closed(ring: Line) -> Line:
    return (*ring, ring[0]) if ring else ring


def _rings(polygon: Polygon) -> str:
    return f"({', '.join(_list(_closed(ring)) for ring in polygon)})"


def wkt(value: Geography) -> str:
    """Well-known text."""
    word = type_name(value).upper()
    if value.is_empty:
        return f"{word} EMPTY"
    if value.is_full:
        return "FULLGLOBE"
    return word + _content(value)


def _content(value: Geography) -> str:
    if value.type == POINT:
        return f"({_pair(value.points[0])})"
    if value.type == LINE:
        return _list(value.lines[0])
    if value.type == POLYGON:
        return _rings(value.polygons[0])
    if value.type == POINTS:
        return _list(value.points)
    if value.type == LINES:
        return f"({', '.join(map(_list, value.lines))})"
    if value.type == POLYGONS:
        return f"({', '.join(map(_rings, value.polygons))})"
    return f"({', '.join(wkt(group) for group in _groups(value))})"


def _groups(value: Geography) -> list[Geography]:
    """What a collection is written of: its points together, its lines, its polygons."""
    groups = (Geography(points=value.points), Geography(lines=value.lines), Geography(polygons=value.polygons))
    return [group for group in groups if not group.is_empty]


def wkt_of_bytes(plain: bytes) -> str:
    """Well-known text of the plain form."""
    return wkt(from_bytes(plain))


def geojson(value: Geography) -> str:
    """GeoJSON (RFC 7946), whose edges are those of a planar map: it gets more vertices where they would differ."""
    if value.is_full:
        raise ValueError("The full globe has no GeoJSON form")
    name = type_name(value)
    if value.type == COLLECTION:
        inner = ", ".join(geojson(part) for part in parts(value))
        return f'{{ "type": "{name}", "geometries": [{inner}] }}'
    return f'{{ "type": "{name}", "coordinates": {_coordinates(value)} }}'


def _coordinates(value: Geography) -> str:
    points = [_position(point) for point in value.points]
    lines = [_positions(line) for line in value.lines]
    polygons = [_nested([_positions(_closed(ring)) for ring in polygon]) for polygon in value.polygons]
    several = points + lines + polygons
    return several[0] if value.count == 1 else _nested(several)


def _nested(texts: Sequence[str]) -> str:
    return f"[ {', '.join(texts)} ]"


def _position(point: Point) -> str:
    return f"[{number(point[0])}, {number(point[1])}]"


def _positions(line: Line) -> str:
    tessellator = s2rst.EdgeTessellator(s2rst.PlateCarreeProjection(180), TOLERANCE)
    found = [line[0]]
    for start, end in zip(line, line[1:], strict=False):
        middle = tessellator.append_projected(s2_point(start), s2_point(end))[1:-1]
        found += [(point.x, point.y) for point in middle]
        found.append(end)
    return _nested([_position(point) for point in found])


def geohash(point: Point, length: int) -> str:
    """The GeoHash of a point (https://en.wikipedia.org/wiki/Geohash).

    Args:
        point: Longitude and latitude.
        length: Characters.
    """
    bounds = [[-180.0, 180.0], [-90.0, 90.0]]
    text, bits = "", 0
    for step in range(5 * length):
        axis = bounds[step % 2]
        middle = (axis[0] + axis[1]) / 2
        is_upper = point[step % 2] >= middle
        axis[0 if is_upper else 1] = middle
        bits = bits << 1 | is_upper
        if step % 5 == 4:
            text, bits = text + _GEOHASH[bits], 0
    return text


def point_of_geohash(text: str) -> Point:
    """The middle of a GeoHash's box.

    Raises:
        ValueError: It is no GeoHash.
    """
    bounds, step = [[-180.0, 180.0], [-90.0, 90.0]], 0
    if not text:
        raise ValueError("Invalid GeoHash: it is empty")
    for character in text.lower():
        place = _GEOHASH.find(character)
        if place < 0:
            raise ValueError(f"Invalid GeoHash: {text[:100]}")
        for bit in (16, 8, 4, 2, 1):
            axis = bounds[step % 2]
            axis[0 if place & bit else 1] = (axis[0] + axis[1]) / 2
            step += 1
    return sum(bounds[0]) / 2, sum(bounds[1]) / 2
