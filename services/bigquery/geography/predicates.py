"""How two values lie to each other; boundaries belong to them."""

from __future__ import annotations

import itertools
import math

import s2rst

from services.bigquery.geography.linework import CLOSED, OPEN
from services.bigquery.geography.measures import chord, on_sphere, summits
from services.bigquery.geography.shapes import RADIUS, Geography, s2_points


def intersects(one: Geography, other: Geography) -> bool:
    """ST_INTERSECTS."""
    if one.is_empty or other.is_empty:
        return False
    return bool(s2rst.intersects(one.index, other.index, **CLOSED))


def disjoint(one: Geography, other: Geography) -> bool:
    """ST_DISJOINT."""
    return not intersects(one, other)


def covers(one: Geography, other: Geography) -> bool:
    """ST_COVERS."""
    if one.is_empty or other.is_empty:
        return False
    return bool(s2rst.contains(one.index, other.index, **CLOSED))


def covered_by(one: Geography, other: Geography) -> bool:
    """ST_COVEREDBY."""
    return covers(other, one)


def _interiors_meet(one: Geography, other: Geography) -> bool:
    return bool(s2rst.intersects(one.index, other.index, **OPEN))


def contains(one: Geography, other: Geography) -> bool:
    """ST_CONTAINS."""
    return covers(one, other) and _interiors_meet(one, other)


def within(one: Geography, other: Geography) -> bool:
    """ST_WITHIN."""
    return contains(other, one)


def touches(one: Geography, other: Geography) -> bool:
    """ST_TOUCHES."""
    return intersects(one, other) and not _interiors_meet(one, other)


def equals(one: Geography, other: Geography) -> bool:
    """ST_EQUALS."""
    return (one.is_empty and other.is_empty) or (covers(one, other) and covers(other, one))


def is_near(one: Geography, other: Geography, metres: float, use_spheroid: bool | None = False) -> bool:
    """ST_DWITHIN."""
    on_sphere(use_spheroid, "ST_DWITHIN")
    if one.is_empty or other.is_empty or not metres >= 0:
        return False
    return bool(metres >= math.pi * RADIUS or s2rst.Earth.chord_angle_to_meters(chord(one, other)) <= metres)


def intersects_box(value: Geography, west: float, south: float, east: float, north: float) -> bool:
    """ST_INTERSECTSBOX: the box's sides are lines of constant longitude and latitude.

    Raises:
        ValueError: Its sides are out of range.
    """
    if not (-90 <= south <= 90 and -90 <= north <= 90):
        raise ValueError("Latitudes must be between -90 and 90 degrees")
    is_plain = abs(west) <= 180 and abs(east) <= 180
    if not is_plain and not (min(abs(west), abs(east)) <= 180 and 0 <= east - west <= 360):
        raise ValueError("Longitudes must be between -180 and 180 degrees, or span at most 360 degrees")
    if value.is_empty or south > north:
        return False
    is_full = east - west >= 360
    ends = [math.remainder(math.radians(end), 2 * math.pi) for end in (west, east)] if not is_plain else [
        math.radians(west), math.radians(east)]  # fmt: skip
    longitudes = s2rst.S1Interval.full() if is_full else s2rst.S1Interval(*ends)
    box = s2rst.Rect(s2rst.R1Interval(math.radians(south), math.radians(north)), longitudes)
    if any(box.contains_lat_lng(s2rst.LatLng.from_degrees(lat, lng)) for lng, lat in value.vertices):
        return True
    if value.polygons and any(value.s2_polygon.contains_point(box.vertex(k).to_point()) for k in range(4)):
        return True
    outlines = [*value.lines, *((*ring, ring[0]) for polygon in value.polygons for ring in polygon if ring)]
    return any(_enters(a, b, box) for line in outlines for a, b in itertools.pairwise(s2_points(line)))


def _enters(start: s2rst.S2Point, end: s2rst.S2Point, box: s2rst.Rect) -> bool:
    """Whether an edge whose ends are outside of a box meets one of its sides."""
    for longitude in () if box.lng.is_full() else (box.lng.lo, box.lng.hi):
        side = [s2rst.LatLng.from_radians(latitude, longitude).to_point() for latitude in (box.lat.lo, box.lat.hi)]
        if s2rst.crossing_sign(start, end, *side) != s2rst.Crossing.DO_NOT_CROSS:
            return True
    return any(_meets_parallel(start, end, latitude, box.lng) for latitude in (box.lat.lo, box.lat.hi))


def _meets_parallel(start: s2rst.S2Point, end: s2rst.S2Point, latitude: float, longitudes: s2rst.S1Interval) -> bool:
    """Whether an edge meets the part of a parallel between longitudes."""
    tops = summits(start, end)
    pieces = [(start, end)]
    if tops:
        normal = s2rst.robust_cross_prod(start, end).normalize()
        sign = 1 if tops[0] > 0 else -1
        summit = s2rst.S2Point(-normal.x * normal.z, -normal.y * normal.z, 1 - normal.z**2)
        summit = summit if sign > 0 else -summit
        pieces = [(start, summit), (summit, end)]
    level = math.sin(latitude)
    for a, b in pieces:
        if min(a.z, b.z) <= level <= max(a.z, b.z):
            point = _at_height(a, b, level)
            if longitudes.contains(math.atan2(point.y, point.x)):
                return True
    return False


def _at_height(start: s2rst.S2Point, end: s2rst.S2Point, height: float) -> s2rst.S2Point:
    """The point of an edge that rises or falls all the way at a height of the sphere, by halving."""
    low, high = 0.0, 1.0
    is_rising = end.z >= start.z
    for _ in range(60):
        middle = (low + high) / 2
        point = s2rst.interpolate(middle, start, end)
        low, high = (middle, high) if (point.z < height) == is_rising else (low, middle)
    return s2rst.interpolate((low + high) / 2, start, end)
