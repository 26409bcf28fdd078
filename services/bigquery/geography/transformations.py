"""Values made of others: sets of points, hulls, buffers, parts of lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import s2rst

from services.bigquery.errors import NotBuilt
from services.bigquery.geography import linework
from services.bigquery.geography.arrangement import arranged, check_edges, covers_point, merged, polygon_of
from services.bigquery.geography.linework import CLOSED
from services.bigquery.geography.measures import on_sphere, single_line, single_point
from services.bigquery.geography.shapes import (
    EMPTY,
    FULL,
    RADIUS,
    Geography,
    Line,
    Point,
    Polygon,
    degrees,
    polygons_of,
    s2_point,
    s2_points,
)

WIDEST_TOLERANCE = 7_800_000.0
"""Metres; https://cloud.google.com/bigquery/docs/reference/standard-sql/geography_functions#st_simplify."""


def _angle(metres: float) -> s2rst.Angle:
    return s2rst.Angle.from_radians(metres / RADIUS)


# --- constructors


def make_line(values: Sequence[Geography]) -> Geography:
    """ST_MAKELINE: of points and lines in their order."""
    vertices: list[Point] = []
    for value in values:
        if value.point is None and value.line is None:
            raise ValueError("each input must be a single point or a single linestring")
        vertices += value.line or value.points
    check_edges(s2_points(vertices))
    return arranged(lines=[tuple(vertices)] if vertices else [])


def _ring(value: Geography) -> Line:
    if value.is_empty:
        return ()
    line = single_line(value, "ST_MAKEPOLYGON")
    return line if line[0] == line[-1] else (*line, line[0])


def make_polygon(shell: Geography, holes: Sequence[Geography] = ()) -> Geography:
    """ST_MAKEPOLYGON."""
    return polygon_of([_ring(value) for value in (shell, *holes)])


def make_polygon_oriented(rings: Sequence[Geography]) -> Geography:
    """ST_MAKEPOLYGONORIENTED."""
    return polygon_of([_ring(value) for value in rings], is_oriented=True)


# --- sets of points


def union(values: Sequence[Geography]) -> Geography:
    """ST_UNION and ST_UNION_AGG."""
    points, lines, polygons = (
        [item for value in values for item in getattr(value, name)] for name in ("points", "lines", "polygons")
    )
    return arranged(points, lines, merged_all(polygons))


def merged_all(polygons: Sequence[tuple[Line, ...]]) -> Sequence[tuple[Line, ...]]:
    """Polygons of several values, each once."""
    return list(dict.fromkeys(polygons))


def intersection(one: Geography, other: Geography) -> Geography:
    """ST_INTERSECTION."""
    if one.is_empty or other.is_empty or not s2rst.intersects(one.index, other.index, **CLOSED):
        return EMPTY
    points = [point for point in one.points if covers_point(other, point)]
    points += [point for point in other.points if covers_point(one, point)]
    lines = _lines_inside(one, other) + _lines_inside(other, one)
    common, crossings = _common(one.lines, other.lines)
    area = _operation(one, other, s2rst.OpType.INTERSECTION) if one.polygons and other.polygons else EMPTY
    points += crossings + _touching(one, other, area)
    points += [end for line in one.lines for end in line if other.polygons and covers_point(_area(other), end)]
    points += [end for line in other.lines for end in line if one.polygons and covers_point(_area(one), end)]
    return arranged(points, lines + common, area.polygons)


def _area(value: Geography) -> Geography:
    return Geography(polygons=value.polygons)


def _operation(one: Geography, other: Geography, operation: s2rst.OpType) -> Geography:
    found = s2rst.boolean_operation(operation, _area(one).index, _area(other).index)
    return Geography(polygons=_named(polygons_of(found), one, other))


def _named(polygons: tuple[tuple[Line, ...], ...], *sources: Geography) -> tuple[tuple[Line, ...], ...]:
    """Polygons with the vertices of their sources as they were written."""
    known = {degrees(s2_point(point)): point for value in sources for point in value.vertices}
    return tuple(tuple(tuple(known.get(p, p) for p in ring) for ring in polygon) for polygon in polygons)


def _lines_inside(one: Geography, other: Geography) -> list[Line]:
    return [part for line in one.lines for part in linework.inside(line, other)] if other.polygons else []


def _common(one: Sequence[Line], other: Sequence[Line]) -> tuple[list[Line], list[Point]]:
    """The edges and the points that two sets of lines share."""
    if not one or not other:
        return [], []
    cut = linework.cut([*one, *other])
    mine, others = cut[: len(one)], cut[len(one) :]
    edges = {edge for line in others for edge in linework.edges_of(line)}
    rest = {edge for line in mine for edge in linework.edges_of(line)} - edges
    shared = [part for line in mine for part in linework.without(line, rest)]
    vertices = {point for line in mine for point in line} & {point for line in others for point in line}
    return shared, list(vertices - {point for line in shared for point in line})


def _touching(one: Geography, other: Geography, area: Geography) -> list[Point]:
    """Refuses what two polygons share besides an area: S2's operation leaves it out."""
    if not one.polygons or not other.polygons:
        return []
    mine, others = _area(one), _area(other)
    shared = [p for p in mine.vertices if covers_point(others, p)] + [
        p for p in others.vertices if covers_point(mine, p)
    ]
    if any(area.is_empty or not covers_point(area, point) for point in shared):
        raise NotBuilt("ST_INTERSECTION of polygons that touch each other")
    return []


def difference(one: Geography, other: Geography) -> Geography:
    """ST_DIFFERENCE: the closure of what is only in the first one."""
    if one.is_empty or other.is_empty:
        return one
    points = [point for point in one.points if not covers_point(other, point)]
    lines: list[Line] = list(one.lines)
    if other.lines and lines:
        cut = linework.cut([*lines, *other.lines])
        taken = {edge for line in cut[len(lines) :] for edge in linework.edges_of(line)}
        lines = [part for line in cut[: len(lines)] for part in linework.without(line, taken)]
    if other.polygons:
        lines = [part for line in lines for part in linework.outside(line, other)]
    area = _area(one)
    if one.polygons and other.polygons:
        area = _operation(one, other, s2rst.OpType.DIFFERENCE)
    return arranged(points, lines, area.polygons)


# --- hulls, buffers and the like


def centroid(value: Geography) -> Geography:
    """ST_CENTROID, of the elements of the highest dimension."""
    if value.is_empty:
        return EMPTY
    if value.polygons:
        vector = value.s2_polygon.centroid()
    elif value.lines:
        vector = _sum([s2rst.Polyline(s2_points(line)).centroid() for line in value.lines])
    else:
        vector = _sum(s2_points(value.points))
    if vector.vector().norm() < 1e-15:
        return Geography(points=((0.0, 0.0),))
    return Geography(points=(degrees(vector.normalize()),))


def _sum(vectors: Sequence[s2rst.S2Point]) -> s2rst.S2Point:
    total = vectors[0]
    for vector in vectors[1:]:
        total = total + vector
    return total


def centroid_of_all(values: Sequence[Geography]) -> Geography | None:
    """ST_CENTROID_AGG; each value weighs what it is."""
    filled = [value for value in values if not value.is_empty]
    if not filled:
        return EMPTY if values else None
    highest = max(value.dimension for value in filled)
    names = ("points", "lines", "polygons")
    if highest == 2:
        vector = _sum([value.s2_polygon.centroid() for value in filled if value.polygons])
        return Geography(points=(degrees(vector.normalize()),))
    items = [item for value in filled for item in getattr(value, names[highest])]
    return centroid(Geography(**{names[highest]: tuple(items)}))


def convex_hull(value: Geography) -> Geography | None:
    """ST_CONVEXHULL."""
    if value.is_empty:
        return None
    query = s2rst.ConvexHullQuery()
    vertices = list(dict.fromkeys(value.vertices))
    query.add_points(s2_points(vertices))
    hull = query.convex_hull()
    if hull.is_full_loop() or value.is_full:
        return Geography(polygons=(FULL,))
    ring = tuple(degrees(vertex) for vertex in hull.vertices())
    if len(vertices) == 1:
        return Geography(points=(ring[1],))
    if len(vertices) == 2:
        return Geography(lines=((ring[1], ring[0], ring[2]),))
    if hull.area() < 1e-20:
        raise NotBuilt("ST_CONVEXHULL of points on one line")
    known = {degrees(s2_point(point)): point for point in vertices}
    return Geography(polygons=((tuple(known.get(point, point) for point in ring),),))


_SIDES = {"BOTH": s2rst.PolylineSide.BOTH, "LEFT": s2rst.PolylineSide.LEFT, "RIGHT": s2rst.PolylineSide.RIGHT}
_CAPS = {"ROUND": s2rst.EndCapStyle.ROUND, "FLAT": s2rst.EndCapStyle.FLAT}


def buffer(
    value: Geography,
    metres: float,
    segments: float | None = 8.0,
    use_spheroid: bool | None = False,
    endcap: str | None = "ROUND",
    side: str | None = "BOTH",
) -> Geography:
    """ST_BUFFER."""
    on_sphere(use_spheroid, "ST_BUFFER")
    if segments is None or not segments >= 1:
        raise ValueError("num_seg_quarter_circle must be at least 1")
    return _buffered(value, metres, endcap, side, circle_segments=4 * segments)


def buffer_with_tolerance(
    value: Geography,
    metres: float,
    tolerance: float,
    use_spheroid: bool | None = False,
    endcap: str | None = "ROUND",
    side: str | None = "BOTH",
) -> Geography:
    """ST_BUFFERWITHTOLERANCE."""
    on_sphere(use_spheroid, "ST_BUFFERWITHTOLERANCE")
    if not tolerance > 0:
        raise ValueError("tolerance_meters must be positive")
    return _buffered(value, metres, endcap, side, error_fraction=tolerance / abs(metres) if metres else 1.0)


def _buffered(value: Geography, metres: float, endcap: str | None, side: str | None, **precision: Any) -> Geography:
    cap, flank = (endcap or "ROUND").upper(), (side or "BOTH").upper()
    if cap not in _CAPS or flank not in _SIDES:
        raise ValueError("endcap must be ROUND or FLAT, and side BOTH, LEFT or RIGHT")
    if not math.isfinite(metres):
        raise ValueError("The buffer radius must be finite")
    if metres == 0:
        return _area(value)
    options = s2rst.BufferOptions(_angle(metres), end_cap_style=_CAPS[cap], polyline_side=_SIDES[flank], **precision)
    found = []
    if metres > 0:
        found = [s2rst.buffer_point(point, options) for point in s2_points(value.points)]
        found += [s2rst.buffer_polyline(s2rst.Polyline(s2_points(line)), options) for line in value.lines]
    if value.polygons:
        found.append(s2rst.buffer_polygon(value.s2_polygon, options))
    return Geography(polygons=merged([polygon for one in found for polygon in polygons_of(one)]))


def closest_point(one: Geography, other: Geography, use_spheroid: bool | None = False) -> Geography | None:
    """ST_CLOSESTPOINT."""
    on_sphere(use_spheroid, "ST_CLOSESTPOINT")
    if one.is_empty or other.is_empty:
        return None
    if other.point is None:
        if one.point is not None:
            return one
        raise NotBuilt("ST_CLOSESTPOINT to a geography that is not a single point")
    if covers_point(one, other.point):
        return other
    target = s2_point(other.point)
    near = s2rst.ClosestEdgeQuery(one.index).find_closest_edge(target)
    outlines = [(point, point) for point in one.points] + [
        pair
        for line in (*one.lines, *((*ring, ring[0]) for polygon in one.polygons for ring in polygon if ring))
        for pair in itertools.pairwise(line)
    ]
    best = min(outlines, key=lambda pair: _from_edge(target, pair))
    assert near.distance is not None
    return Geography(points=(_nearest(target, best),))


def _from_edge(target: s2rst.S2Point, edge: tuple[Point, Point]) -> float:
    start, end = s2_points(edge)
    return float(
        (start.distance(target) if edge[0] == edge[1] else s2rst.distance_from_segment(target, start, end)).radians
    )


def _nearest(target: s2rst.S2Point, edge: tuple[Point, Point]) -> Point:
    start, end = s2_points(edge)
    if edge[0] == edge[1]:
        return edge[0]
    found = s2rst.project(target, start, end)
    return edge[0] if found == start else edge[1] if found == end else degrees(found)


def simplify(value: Geography, metres: float) -> Geography:
    """ST_SIMPLIFY."""
    if not 0 <= metres <= WIDEST_TOLERANCE:
        raise ValueError(f"The tolerance must be between 0 and {WIDEST_TOLERANCE:.0f} meters")
    if metres == 0 or value.is_full or value.count == len(value.points) == 1:
        return value
    if value.count > 1:
        raise NotBuilt("ST_SIMPLIFY of a geography of several elements")
    builder = s2rst.S2Builder(snap_function=s2rst.IdentitySnapFunction(_angle(metres)), simplify_edge_chains=True)
    if value.line is not None:
        builder.add_polyline_from_points(s2_points(value.line))
        line = tuple(degrees(vertex) for vertex in builder.build_polyline().vertices())
        if len(line) < 2:
            raise NotBuilt("ST_SIMPLIFY that makes a linestring a point")
        known = {degrees(s2_point(point)): point for point in value.vertices}
        return Geography(lines=(tuple(known.get(point, point) for point in line),))
    for ring in value.polygons[0]:
        builder.add_loop_from_points(s2_points(ring))
    found = _named(polygons_of(builder.build_polygon()), value)
    if len(found) != 1 or len(found[0]) != len(value.polygons[0]):
        raise NotBuilt("ST_SIMPLIFY that makes a polygon a linestring or a point")
    return Geography(polygons=found)


def snap_to_grid(value: Geography, size: float) -> Geography:
    """ST_SNAPTOGRID: sizes are powers of ten, from 1e-9 to 0.1 degrees."""
    if not size > 0:
        raise ValueError("The grid size must be positive")
    digits = min(9, max(1, round(-math.log10(size))))

    def snapped(line: Sequence[Point]) -> Line:
        return tuple((round(longitude, digits) + 0.0, round(latitude, digits) + 0.0) for longitude, latitude in line)

    polygons: list[Polygon] = []
    for polygon in value.polygons:
        rings = [snapped(ring) for ring in polygon]
        if polygon != FULL:
            try:
                polygons += polygon_of([(*ring, ring[0]) for ring in rings], is_oriented=True).polygons
            except ValueError:
                raise NotBuilt("ST_SNAPTOGRID that makes a polygon another shape") from None
        else:
            polygons.append(polygon)
    return arranged(snapped(value.points), [snapped(line) for line in value.lines], polygons)


# --- places on lines


def line_interpolate_point(value: Geography, fraction: float) -> Geography:
    """ST_LINEINTERPOLATEPOINT."""
    if value.is_empty:
        return EMPTY
    line = single_line(value, "ST_LINEINTERPOLATEPOINT")
    if not 0 <= fraction <= 1:
        raise ValueError(f"The fraction must be between 0 and 1. Is: {fraction:g}")
    return Geography(points=(_at(line, fraction)[0],))


def _at(line: Line, fraction: float) -> tuple[Point, int]:
    """The point at a fraction of a line, and the number of the vertex after it."""
    point, after = s2rst.Polyline(s2_points(line)).interpolate(fraction)
    same = [vertex for vertex in (line[after - 1], line[min(after, len(line) - 1)]) if s2_point(vertex) == point]
    return (same[0] if same else degrees(point)), after


def line_locate_point(value: Geography, place: Geography) -> float:
    """ST_LINELOCATEPOINT."""
    line, point = single_line(value, "ST_LINELOCATEPOINT"), single_point(place, "ST_LINELOCATEPOINT")
    path = s2rst.Polyline(s2_points(line))
    return float(path.uninterpolate(*path.project(s2_point(point))))


def line_substring(value: Geography, start: float, end: float) -> Geography:
    """ST_LINESUBSTRING."""
    line = single_line(value, "ST_LINESUBSTRING")
    if not 0 <= start <= end <= 1:
        raise ValueError("Fractions must be between 0 and 1, the first not greater than the second")
    first, after = _at(line, start)
    if start == end:
        return Geography(points=(first,))
    last, before = _at(line, end)
    return arranged(lines=[(first, *line[after:before], last)])
