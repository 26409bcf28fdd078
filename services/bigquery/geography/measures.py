"""Lengths, areas, distances, angles and boxes, in metres on S2's sphere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import s2rst

from services.bigquery.errors import NotBuilt
from services.bigquery.geography.shapes import RADIUS, Geography, Line, Point, s2_point, s2_points

Box = dict[str, float]
"""Of a STRUCT<xmin, ymin, xmax, ymax>."""


def on_sphere(use_spheroid: bool | None, name: str) -> None:
    """Refuses distances on the WGS84 spheroid."""
    if use_spheroid:
        raise NotBuilt(f"{name} with use_spheroid => TRUE")


def single_point(value: Geography, name: str) -> Point:
    """The point of a value that has to be a single one.

    Raises:
        ValueError: It is not.
    """
    if value.point is None:
        raise ValueError(f"{name} needs a single point")
    return value.point


def single_line(value: Geography, name: str) -> Line:
    """The line of a value that has to be a single one.

    Raises:
        ValueError: It is not.
    """
    if value.line is None:
        raise ValueError(f"{name} needs a single linestring")
    return value.line


def area(value: Geography, use_spheroid: bool | None = False) -> float:
    """ST_AREA."""
    on_sphere(use_spheroid, "ST_AREA")
    return float(value.s2_polygon.area()) * RADIUS * RADIUS if value.polygons else 0.0


def _line_length(line: Line) -> float:
    return math.fsum(a.distance(b).radians for a, b in itertools.pairwise(s2_points(line))) * RADIUS


def length(value: Geography, use_spheroid: bool | None = False) -> float:
    """ST_LENGTH."""
    on_sphere(use_spheroid, "ST_LENGTH")
    return math.fsum(map(_line_length, value.lines))


def perimeter(value: Geography, use_spheroid: bool | None = False) -> float:
    """ST_PERIMETER."""
    on_sphere(use_spheroid, "ST_PERIMETER")
    return math.fsum(_line_length((*ring, ring[0])) for polygon in value.polygons for ring in polygon if ring)


def chord(one: Geography, other: Geography) -> s2rst.ChordAngle:
    """The shortest distance between two values that are not empty."""
    if one.point is not None and other.point is not None:
        return s2_point(one.point).chord_angle(s2_point(other.point))
    return s2rst.ClosestEdgeQuery(one.index).get_distance(other.index)


def distance(one: Geography, other: Geography, use_spheroid: bool | None = False) -> float | None:
    """ST_DISTANCE."""
    on_sphere(use_spheroid, "ST_DISTANCE")
    if one.is_empty or other.is_empty:
        return None
    return float(s2rst.Earth.chord_angle_to_meters(chord(one, other)))


def max_distance(one: Geography, other: Geography, use_spheroid: bool | None = False) -> float | None:
    """ST_MAXDISTANCE."""
    on_sphere(use_spheroid, "ST_MAXDISTANCE")
    if one.is_empty or other.is_empty:
        return None
    if one.is_full or other.is_full:
        return math.pi * RADIUS
    index = s2rst.ShapeIndex()
    index.add(s2rst.PointVector(s2_points(one.vertices)))
    index.build()
    query = s2rst.FurthestEdgeQuery(index)
    found = max(query.get_distance(point) for point in s2_points(other.vertices))
    return float(s2rst.Earth.chord_angle_to_meters(found))


def hausdorff_distance(one: Geography, other: Geography, directed: bool | None = False) -> float | None:
    """ST_HAUSDORFFDISTANCE."""
    if one.is_empty or other.is_empty:
        return None
    query = s2rst.HausdorffDistanceQuery()
    found = [query.get_directed_distance(one.index, other.index)]
    found += [] if directed else [query.get_directed_distance(other.index, one.index)]
    return float(s2rst.Earth.chord_angle_to_meters(max(found)))


def hausdorff_within(one: Geography, other: Geography, metres: float, directed: bool | None = False) -> bool:
    """ST_HAUSDORFFDWITHIN."""
    found = hausdorff_distance(one, other, directed)
    return found is not None and found <= metres


def _bearing(one: Point, other: Point) -> float | None:
    start, end = s2_point(one), s2_point(other)
    if start == end or (start + end).vector().norm() == 0:
        return None
    places = [s2rst.LatLng.from_degrees(latitude, longitude) for longitude, latitude in (one, other)]
    return float(s2rst.Earth.get_initial_bearing(*places).radians)


def azimuth(one: Geography, other: Geography) -> float | None:
    """ST_AZIMUTH: clockwise from north, in radians."""
    found = _bearing(single_point(one, "ST_AZIMUTH"), single_point(other, "ST_AZIMUTH"))
    return None if found is None else found + 2 * math.pi if found < 0 else found


def angle(first: Geography, middle: Geography, last: Geography) -> float | None:
    """ST_ANGLE: clockwise from the line to the first point to that to the last, in radians."""
    points = [single_point(value, "ST_ANGLE") for value in (first, middle, last)]
    one, other = _bearing(points[1], points[0]), _bearing(points[1], points[2])
    if one is None or other is None:
        return None
    if one == other:
        return 0.0
    turn = s2rst.turn_angle(*s2_points(points)).radians
    return float(math.pi - turn) % (2 * math.pi)


def box(values: Iterable[Geography]) -> Box | None:
    """ST_BOUNDINGBOX and ST_EXTENT: the smallest box of longitudes and latitudes around values; None of empty ones."""
    lowest, highest, longitudes = math.inf, -math.inf, s2rst.S1Interval.empty()
    for value in values:
        for line in _outlines(value):
            lowest, highest, around = _bounds(line, lowest, highest)
            longitudes = longitudes.union(around)
        for sign in (1, -1) if value.polygons else ():
            if value.s2_polygon.contains_point(s2rst.S2Point(0, 0, sign)):
                longitudes = s2rst.S1Interval.full()
                lowest, highest = min(lowest, sign * math.pi / 2), max(highest, sign * math.pi / 2)
    if lowest > highest:
        return None
    west, east = longitudes.lo, longitudes.hi
    if longitudes.is_full() or (east - west) % (2 * math.pi) >= math.pi:
        west, east = -math.pi, math.pi
    sides = (west, lowest, east if east >= west else east + 2 * math.pi, highest)
    return {f"f{number}": _degrees(side) for number, side in enumerate(sides)}


def _degrees(radians: float) -> float:
    return float(f"{math.degrees(radians):.15g}") + 0.0


def _outlines(value: Geography) -> list[Line]:
    lines = [(point,) for point in value.points] + list(value.lines)
    return lines + [(*ring, ring[0]) for polygon in value.polygons for ring in polygon if ring]


def _bounds(line: Line, lowest: float, highest: float) -> tuple[float, float, s2rst.S1Interval]:
    places = [(math.radians(longitude), math.radians(latitude)) for longitude, latitude in line]
    around = s2rst.S1Interval.from_point(places[0][0])
    for (west, _), (east, _) in itertools.pairwise(places):
        around = around.union(s2rst.S1Interval.from_point_pair(west, east))
    latitudes = [latitude for _, latitude in places]
    for start, end in itertools.pairwise(s2_points(line)):
        latitudes += summits(start, end)
    return min(lowest, *latitudes), max(highest, *latitudes), around


def summits(start: s2rst.S2Point, end: s2rst.S2Point) -> list[float]:
    """The latitude in radians at which an edge is nearest to a pole, if that is between its ends."""
    normal = s2rst.robust_cross_prod(start, end).normalize()
    level = (normal.y, -normal.x)  # of the plane through the poles and the summit: normal x (0, 0, 1)
    at_start = level[0] * start.x + level[1] * start.y
    at_end = level[0] * end.x + level[1] * end.y
    top = math.atan2(math.hypot(normal.x, normal.y), abs(normal.z))
    if at_start < 0 < at_end:
        return [top]
    return [-top] if at_end < 0 < at_start else []
