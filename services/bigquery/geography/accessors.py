"""What a value is made of; and its forms as text and bytes."""

from __future__ import annotations

from collections import Counter

from services.bigquery.geography.arrangement import arranged, located
from services.bigquery.geography.formats import geohash, geojson, point_of_geohash, type_name, wkt
from services.bigquery.geography.linework import edges_of
from services.bigquery.geography.measures import single_line, single_point
from services.bigquery.geography.shapes import EMPTY, FULL, Geography, Line, Polygon, parts, to_bytes

LONGEST_GEOHASH = 20
"""Characters."""


def as_text(value: Geography) -> str:
    """ST_ASTEXT."""
    return wkt(value)


def as_binary(value: Geography) -> bytes:
    """ST_ASBINARY."""
    return to_bytes(value)


def as_geojson(value: Geography) -> str:
    """ST_ASGEOJSON."""
    return geojson(value)


def as_geohash(value: Geography, length: int | None = None) -> str | None:
    """ST_GEOHASH."""
    if value.is_empty:
        return None
    is_given = length is not None and 1 <= length <= LONGEST_GEOHASH
    return geohash(single_point(value, "ST_GEOHASH"), length if length and is_given else LONGEST_GEOHASH)


def from_geohash(text: str) -> Geography:
    """ST_GEOGPOINTFROMGEOHASH."""
    return Geography(points=(located(*point_of_geohash(text)),))


def x(value: Geography) -> float:
    """ST_X."""
    return single_point(value, "ST_X")[0]


def y(value: Geography) -> float:
    """ST_Y."""
    return single_point(value, "ST_Y")[1]


def geometry_type(value: Geography) -> str:
    """ST_GEOMETRYTYPE."""
    return f"ST_{type_name(value)}"


def dimension(value: Geography) -> int:
    """ST_DIMENSION."""
    return value.dimension


def is_empty(value: Geography) -> bool:
    """ST_ISEMPTY."""
    return value.is_empty


def is_collection(value: Geography) -> bool:
    """ST_ISCOLLECTION."""
    return value.count > 1


def is_closed(value: Geography) -> bool:
    """ST_ISCLOSED: whether no element has a boundary."""
    is_whole = all(polygon == FULL for polygon in value.polygons)
    return not value.is_empty and is_whole and all(line[0] == line[-1] for line in value.lines)


def is_ring(value: Geography) -> bool:
    """ST_ISRING."""
    line = value.line
    return line is not None and line[0] == line[-1] and len(set(line)) == len(line) - 1


def count_geometries(value: Geography) -> int:
    """ST_NUMGEOMETRIES."""
    return value.count


def count_points(value: Geography) -> int:
    """ST_NUMPOINTS: the last vertex of a ring counts, although it is the first."""
    rings = [ring for polygon in value.polygons for ring in polygon if ring]
    return len(value.points) + sum(map(len, value.lines)) + sum(len(ring) + 1 for ring in rings)


def point_n(value: Geography, number: int) -> Geography:
    """ST_POINTN: from 1; negative ones count from the end."""
    line = single_line(value, "ST_POINTN")
    if not 1 <= abs(number) <= len(line):
        raise ValueError(f"There is no vertex {number} in a linestring of {len(line)} vertices")
    return Geography(points=(line[number - 1 if number > 0 else number],))


def start_point(value: Geography) -> Geography:
    """ST_STARTPOINT."""
    return Geography(points=(single_line(value, "ST_STARTPOINT")[0],))


def end_point(value: Geography) -> Geography:
    """ST_ENDPOINT."""
    return Geography(points=(single_line(value, "ST_ENDPOINT")[-1],))


def dump(value: Geography, wanted: int | None = -1) -> list[Geography]:
    """ST_DUMP."""
    if wanted is not None and not -1 <= wanted <= 2:
        raise ValueError(f"The dimension must be -1, 0, 1 or 2. Is: {wanted}")
    return [part for part in parts(value) if wanted in (None, -1, part.dimension)]


def dump_points(value: Geography) -> list[Geography]:
    """ST_DUMPPOINTS; of a ring the last vertex, too."""
    closed = Geography(value.points, (*value.lines, *_rings(value.polygons)))
    return [Geography(points=(point,)) for point in closed.vertices]


def _rings(polygons: tuple[Polygon, ...]) -> list[Line]:
    return [(*ring, ring[0]) for polygon in polygons for ring in polygon if ring]


def _single_polygon(value: Geography, name: str) -> Polygon:
    if value.polygon is None:
        raise ValueError(f"{name} needs a single polygon")
    return value.polygon


def exterior_ring(value: Geography) -> Geography:
    """ST_EXTERIORRING."""
    polygon = _single_polygon(value, "ST_EXTERIORRING")
    return EMPTY if polygon == FULL else Geography(lines=((*polygon[0], polygon[0][0]),))


def interior_rings(value: Geography) -> list[Geography]:
    """ST_INTERIORRINGS: each counterclockwise, so that the hole is on the left."""
    holes = [hole[::-1] for hole in _single_polygon(value, "ST_INTERIORRINGS")[1:]]
    return [Geography(lines=((*hole, hole[0]),)) for hole in holes]


def boundary(value: Geography) -> Geography:
    """ST_BOUNDARY: a line's ends, a polygon's rings."""
    ends = Counter(end for line in value.lines if line[0] != line[-1] for end in (line[0], line[-1]))
    passed = Counter(point for line in value.lines for edge in edges_of(line) for point in edge)
    free = [point for point in ends if passed[point] == 1]
    if len(free) != len(ends):
        free = [point for point, count in ends.items() if count % 2]
    return arranged(points=free, lines=_rings(value.polygons))
