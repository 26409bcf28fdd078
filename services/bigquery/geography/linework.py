"""Lines that meet: cut where they cross, kept once where they overlap, joined where two of them end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import s2rst

from services.bigquery.geography.shapes import Geography, Line, Point, Polygon, cell, degrees, s2_point, s2_points

CLOSED: dict[str, Any] = {
    "polygon_model": s2rst.PolygonModel.CLOSED,
    "polyline_model": s2rst.PolylineModel.CLOSED,
}
"""Boundaries and ends belong to their elements."""
OPEN: dict[str, Any] = {"polygon_model": s2rst.PolygonModel.OPEN, "polyline_model": s2rst.PolylineModel.OPEN}
"""Only interiors count."""
_NEAR = s2rst.ChordAngle.from_radians(1e-14)
"""A vertex so near to an edge lies on it: 60 nanometres."""
Edge = frozenset[Point]


def cut(lines: Sequence[Line]) -> list[Line]:
    """Lines with a vertex wherever two edges meet."""
    edges = [(number, place) for number, line in enumerate(lines) for place in range(len(line) - 1)]
    if len(edges) < 2:
        return list(lines)
    index = s2rst.ShapeIndex()
    for line in lines:
        index.add(s2rst.LaxPolyline(s2_points(line)))
    index.build()
    meeting = _crossings(lines, index)
    for edge, points in _on_edges(lines, index).items():
        meeting.setdefault(edge, set()).update(points)
    if not meeting:
        return list(lines)
    return [_with_vertices(number, line, meeting) for number, line in enumerate(lines)]


def _crossings(lines: Sequence[Line], index: s2rst.ShapeIndex) -> dict[tuple[int, int], set[Point]]:
    found: dict[tuple[int, int], set[Point]] = {}
    for one, edge, other, other_edge in s2rst.visit_crossing_edge_pairs(index, interior_only=True):
        ends = [s2_point(lines[number][place + step]) for number, place in ((one, edge), (other, other_edge))
                for step in (0, 1)]  # fmt: skip
        point = degrees(s2rst.intersection(*ends))
        found.setdefault((one, edge), set()).add(point)
        found.setdefault((other, other_edge), set()).add(point)
    return found


def _on_edges(lines: Sequence[Line], index: s2rst.ShapeIndex) -> dict[tuple[int, int], set[Point]]:
    """For each edge the vertices of others that lie on it."""
    found: dict[tuple[int, int], set[Point]] = {}
    query = s2rst.ClosestEdgeQuery(index)
    for point in {point for line in lines for point in line}:
        for near in query.find_closest_edges(s2_point(point), max_results=1000, max_distance=_NEAR):
            ends = s2_points(lines[near.shape_id][near.edge_id : near.edge_id + 2])
            if all(s2_point(point).chord_angle(end) > _NEAR for end in ends):
                found.setdefault((near.shape_id, near.edge_id), set()).add(point)
    return found


def _with_vertices(number: int, line: Line, meeting: dict[tuple[int, int], set[Point]]) -> Line:
    result = [line[0]]
    for place, end in enumerate(line[1:]):
        start = s2_point(line[place])
        more = meeting.get((number, place), set()) - {line[place], end}
        result += sorted(more, key=lambda point: start.distance(s2_point(point)).radians)
        result.append(end)
    return tuple(result)


def edges_of(line: Line) -> list[Edge]:
    """Its edges, without directions."""
    return [frozenset(pair) for pair in itertools.pairwise(line)]


def noded(lines: Sequence[Line]) -> list[Line]:
    """Lines that have no edge in common, cut and joined."""
    kept, seen = list[Line](), set[Edge]()
    for line in cut(lines):
        kept += without(line, seen)
        seen.update(edges_of(line))
    return joined(kept) if len(kept) > 1 else kept


def without(line: Line, edges: set[Edge]) -> list[Line]:
    """The parts of a line whose edges are not among others; a second pass over its own edges goes, too."""
    kept, current, own = list[Line](), [line[0]], set[Edge]()
    for edge, end in zip(edges_of(line), line[1:], strict=True):
        if edge in edges or edge in own:
            kept += [tuple(current)] if len(current) > 1 else []
            current = [end]
        else:
            own.add(edge)
            current.append(end)
    return kept + ([tuple(current)] if len(current) > 1 else [])


def joined(lines: Sequence[Line]) -> list[Line]:
    """Lines joined where exactly two of them end, and no other one passes."""
    lines = list(lines)
    degrees_of = Counter(point for line in lines for edge in edges_of(line) for point in edge)
    is_joined = True
    while is_joined:
        is_joined = False
        for one, other in itertools.combinations(lines, 2):
            common = {one[0], one[-1]} & {other[0], other[-1]}
            common = {point for point in common if degrees_of[point] == 2}
            if common and one[0] != one[-1] and other[0] != other[-1]:
                lines[lines.index(one)] = _chain(one, other, common.pop())
                lines.remove(other)
                is_joined = True
                break
    return lines


def _chain(one: Line, other: Line, point: Point) -> Line:
    if one[-1] == point and other[0] == point:
        return one + other[1:]
    if other[-1] == point and one[0] == point:
        return other + one[1:]
    chain = (one if one[-1] == point else one[::-1]) + (other if other[0] == point else other[::-1])[1:]
    return chain if cell(chain[0]) <= cell(chain[-1]) else chain[::-1]


def with_cuts(polygons: tuple[Polygon, ...], points: set[Point]) -> tuple[Polygon, ...]:
    """Polygons that have a vertex wherever a line was cut at their boundary."""
    if not points:
        return polygons
    return tuple(tuple(_ring_with(ring, points) for ring in polygon) for polygon in polygons)


def _ring_with(ring: Line, points: set[Point]) -> Line:
    closed, found = (*ring, *ring[:1]), dict[tuple[int, int], set[Point]]()
    for place, ends in enumerate(itertools.pairwise(s2_points(closed))):
        near = {p for p in points if s2rst.distance_from_segment(s2_point(p), *ends).radians < _NEAR.radians}
        if near:
            found[0, place] = near
    return _with_vertices(0, closed, found)[:-1]


def inside(line: Line, area: Geography) -> list[Line]:
    """The parts of a line in polygons."""
    found = area.s2_polygon.intersect_with_polyline(s2rst.Polyline(s2_points(line)))
    return [_named(part, line) for part in found]


def outside(line: Line, area: Geography) -> list[Line]:
    """The parts of a line outside of polygons."""
    found = area.s2_polygon.subtract_from_polyline(s2rst.Polyline(s2_points(line)))
    return [_named(part, line) for part in found]


def _named(part: s2rst.Polyline, line: Line) -> Line:
    known = {(point.x, point.y, point.z): name for point, name in zip(s2_points(line), line, strict=True)}
    return tuple(known.get((point.x, point.y, point.z)) or degrees(point) for point in part.vertices())
