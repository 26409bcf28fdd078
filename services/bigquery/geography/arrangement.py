"""Building of values: what belongs to two elements is kept once, rings are oriented, wrong polygons refused.

BigQuery's page about the type calls the result a simple arrangement
(https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#geography_type).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import s2rst

from services.bigquery.geography import linework
from services.bigquery.geography.shapes import (
    EMPTY,
    FULL,
    Geography,
    Line,
    Point,
    Polygon,
    cell,
    polygons_of,
    s2_point,
    s2_points,
)

Rings = Sequence[Sequence[Point]]


def located(longitude: float, latitude: float) -> Point:
    """A point of coordinates; a longitude outside [-180, 180] is taken modulo 360.

    Raises:
        ValueError: It is no place on the globe.
    """
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise ValueError("Latitude and longitude must be finite")
    if abs(latitude) > 90:
        raise ValueError(f"Latitude must be between -90 and 90 degrees. Is: {latitude:g}")
    return (longitude if abs(longitude) <= 180 else math.remainder(longitude, 360)) + 0.0, latitude + 0.0


def arranged(points: Iterable[Point] = (), lines: Iterable[Line] = (), polygons: Iterable[Polygon] = ()) -> Geography:
    """The simplest value of elements; polygons are oriented already.

    Raises:
        ValueError: An edge spans half the globe.
    """
    points, lines, polygons = list(points), list(lines), list(polygons)
    area = Geography(polygons=merged(polygons))
    known = {point for line in lines for point in line}
    if lines:
        thin = [line for line in map(_without_repetitions, lines) if len(line) == 1]
        points += [line[0] for line in thin]
        lines = [line for line in map(_without_repetitions, lines) if len(line) > 1]
        lines = [part for line in linework.noded(lines) for part in _outside(line, area)]
    cuts = {end for line in lines for end in (line[0], line[-1])} - known
    paths = Geography(lines=tuple(lines), polygons=linework.with_cuts(area.polygons, cuts))
    kept = sorted(dict.fromkeys(points), key=cell) if len(points) > 1 else points
    if not paths.is_empty:
        kept = [point for point in kept if not covers_point(paths, point)]
    return Geography(tuple(kept), paths.lines, paths.polygons)


def _without_repetitions(line: Line) -> Line:
    return tuple(point for point, _ in itertools.groupby(line))


def _outside(line: Line, area: Geography) -> list[Line]:
    if area.is_empty:
        return [line]
    if not s2rst.intersects(Geography(lines=(line,)).index, area.index):
        return [line]
    return linework.outside(line, area)


def covers_point(value: Geography, point: Point) -> bool:
    """Whether a point is in a value, boundaries included."""
    other = Geography(points=(point,))
    return bool(s2rst.intersects(value.index, other.index, **linework.CLOSED))


def merged(polygons: Sequence[Polygon]) -> tuple[Polygon, ...]:
    """Polygons without common points: those that meet become one."""
    if FULL in polygons:
        return (FULL,)
    singles = [Geography(polygons=(polygon,)) for polygon in polygons]
    if not any(s2rst.intersects(a.index, b.index, **linework.CLOSED) for a, b in itertools.combinations(singles, 2)):
        return tuple(polygons)
    return polygons_of(s2rst.Polygon.destructive_union([single.s2_polygon for single in singles]))


def polygon_of(rings: Rings, is_oriented: bool = False) -> Geography:
    """A polygon of rings, the shell first.

    Args:
        rings: Vertices, the first once more at the end; an empty ring is the whole globe.
        is_oriented: Whether the interior is on the left of each ring; otherwise the shell has the smaller area.

    Raises:
        ValueError: They are no polygon; S2's sentence.
    """
    if not rings:
        return EMPTY
    if any(not ring for ring in rings):
        return Geography(polygons=(FULL,))
    loops = [_loop(ring) for ring in rings]
    if not is_oriented:
        for loop in loops:
            loop.normalize()
        holes = [_reversed(loop) for loop in loops[1:]]
    else:
        holes = loops[1:]
    polygon = s2rst.Polygon.from_oriented_loops([loops[0], *holes])
    if (wrong := polygon.validate() or _crossing(polygon)) is not None:
        raise ValueError(f"Invalid polygon: {wrong}")
    found = polygons_of(polygon)
    if len(found) != 1 or len(found[0]) != len(rings):
        raise ValueError("Invalid polygon: a hole is not inside of the shell, or holes are nested")
    # S2 may begin a ring with another vertex
    return Geography(polygons=((_original(loops[0], rings), *(_original(hole, rings) for hole in holes)),))


def _crossing(polygon: s2rst.Polygon) -> str | None:
    index = s2rst.ShapeIndex()
    index.add(polygon)
    index.build()
    wrong: str | None = s2rst.find_self_intersection(index)
    return wrong


def _loop(ring: Sequence[Point]) -> s2rst.Loop:
    if ring[0] != ring[-1]:
        raise ValueError("Invalid polygon: a loop is not closed")
    vertices = [point for point, _ in itertools.groupby(ring)][:-1]
    if len(set(vertices)) < 3:
        raise ValueError("Invalid polygon loop: a loop must have at least 3 different vertices")
    points = s2_points(vertices)
    check_edges([*points, points[0]])
    loop = s2rst.Loop(points)
    if (wrong := loop.validate()) is not None:
        raise ValueError(f"Invalid polygon loop: {wrong}")
    return loop


def _reversed(loop: s2rst.Loop) -> s2rst.Loop:
    return s2rst.Loop(loop.vertices()[::-1])


def _original(loop: s2rst.Loop, rings: Rings) -> Line:
    """The vertices of a loop with the coordinates that came in, not those that went through radians."""
    known = {_key(s2_point(point)): point for ring in rings for point in ring}
    return tuple(known[_key(vertex)] for vertex in loop.vertices())


def _key(point: s2rst.S2Point) -> tuple[float, float, float]:
    return point.x, point.y, point.z


def check_edges(points: Sequence[s2rst.S2Point]) -> None:
    """Refuses edges whose way is not defined.

    Raises:
        ValueError: Two vertices after each other are antipodal.
    """
    for start, end in itertools.pairwise(points):
        if (start + end).vector().norm() < 1e-15:
            raise ValueError("An edge has antipodal vertices, between which no shortest way is defined")


def repaired(rings: Rings) -> Geography:
    """The area of rings that may cross themselves or be open: what an odd number of rings goes around.

    Raises:
        ValueError: They are wider than half the globe.
    """
    loops = [[point for point, _ in itertools.groupby(ring)] for ring in rings]
    loops = [loop[:-1] if loop[0] == loop[-1] and len(loop) > 1 else loop for loop in loops if loop]
    loops = [loop for loop in loops if len(loop) > 2]
    if not loops:
        return arranged(lines=[tuple(ring) for ring in rings if ring])
    closed = linework.cut([(*loop, loop[0]) for loop in loops])
    vertices = [s2_points(loop[:-1]) for loop in closed]
    for loop in vertices:
        check_edges([*loop, loop[0]])
    middle = s2rst.S2Point(
        sum(point.x for loop in vertices for point in loop),
        sum(point.y for loop in vertices for point in loop),
        sum(point.z for loop in vertices for point in loop),
    )
    if any(point.distance(middle).degrees >= 90 for loop in vertices for point in loop):
        raise ValueError("make_valid needs polygons inside of half the globe")
    found = s2rst.winding_operation(vertices, -middle, 0, s2rst.WindingRule.ODD)
    return Geography(polygons=polygons_of(found))
