"""The table of geography functions: their names as BigQuery's messages have them, and what computes each.

https://cloud.google.com/bigquery/docs/reference/standard-sql/geography_functions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.bigquery.geography import accessors, cells, measures, parsers, predicates, transformations
from services.bigquery.geography.arrangement import located
from services.bigquery.geography.shapes import Geography


def point(longitude: float, latitude: float) -> Geography:
    """ST_GEOGPOINT."""
    return Geography(points=(located(longitude, latitude),))


def _from_wkb(value: bytes | str, *options: Any) -> Geography:
    read: Any = parsers.from_wkb if isinstance(value, bytes) else parsers.from_hex
    return read(value, *(bool(option) for option in options))  # type: ignore[no-any-return]


def _from_text(value: str, *options: Any) -> Geography:
    return parsers.from_wkt(value, *(bool(option) for option in options))


def _from_any(value: bytes | str) -> Geography:
    return parsers.from_wkb(value) if isinstance(value, bytes) else parsers.from_text(value)


def _from_geojson(value: str, make_valid: bool | None = False) -> Geography:
    return parsers.from_geojson(value, bool(make_valid))


def _make_line(*values: Any) -> Geography | None:
    several = values[0] if isinstance(values[0], list) else values
    return None if None in several else transformations.make_line(several)


def _make_polygon(shell: Geography, holes: list[Geography | None] | None = None) -> Geography | None:
    known = [hole for hole in holes or () if hole is not None]
    return None if len(known) < len(holes or ()) else transformations.make_polygon(shell, known)


def _make_polygon_oriented(rings: list[Geography | None]) -> Geography | None:
    known = [ring for ring in rings if ring is not None]
    return None if len(known) < len(rings) else transformations.make_polygon_oriented(known)


def _union(*values: Any) -> Geography:
    several = values[0] if isinstance(values[0], list) else values
    return transformations.union([value for value in several if value is not None])


_TABLE: Mapping[str, Callable[..., Any]] = {
    "ST_GeogPoint": point,
    "ST_GeogFromText": _from_text,
    "ST_GeogFromWkb": _from_wkb,
    "ST_GeogFromGeoJson": _from_geojson,
    "ST_GeogFrom": _from_any,
    "ST_GeogPointFromGeoHash": accessors.from_geohash,
    "ST_MakeLine": _make_line,
    "ST_MakePolygon": _make_polygon,
    "ST_MakePolygonOriented": _make_polygon_oriented,
    "ST_AsText": accessors.as_text,
    "ST_AsBinary": accessors.as_binary,
    "ST_AsGeoJson": accessors.as_geojson,
    "ST_GeoHash": accessors.as_geohash,
    "ST_X": accessors.x,
    "ST_Y": accessors.y,
    "ST_GeometryType": accessors.geometry_type,
    "ST_Dimension": accessors.dimension,
    "ST_IsEmpty": accessors.is_empty,
    "ST_IsCollection": accessors.is_collection,
    "ST_IsClosed": accessors.is_closed,
    "ST_IsRing": accessors.is_ring,
    "ST_NumGeometries": accessors.count_geometries,
    "ST_NumPoints": accessors.count_points,
    "ST_NPoints": accessors.count_points,
    "ST_PointN": accessors.point_n,
    "ST_StartPoint": accessors.start_point,
    "ST_EndPoint": accessors.end_point,
    "ST_Dump": accessors.dump,
    "ST_DumpPoints": accessors.dump_points,
    "ST_ExteriorRing": accessors.exterior_ring,
    "ST_InteriorRings": accessors.interior_rings,
    "ST_Boundary": accessors.boundary,
    "ST_Area": measures.area,
    "ST_Length": measures.length,
    "ST_Perimeter": measures.perimeter,
    "ST_Distance": measures.distance,
    "ST_MaxDistance": measures.max_distance,
    "ST_HausdorffDistance": measures.hausdorff_distance,
    "ST_HausdorffDWithin": measures.hausdorff_within,
    "ST_Azimuth": measures.azimuth,
    "ST_Angle": measures.angle,
    "ST_BoundingBox": lambda value: measures.box([value]),
    "ST_Intersects": predicates.intersects,
    "ST_Disjoint": predicates.disjoint,
    "ST_Covers": predicates.covers,
    "ST_CoveredBy": predicates.covered_by,
    "ST_Contains": predicates.contains,
    "ST_Within": predicates.within,
    "ST_Touches": predicates.touches,
    "ST_Equals": predicates.equals,
    "ST_DWithin": predicates.is_near,
    "ST_IntersectsBox": predicates.intersects_box,
    "ST_Union": _union,
    "ST_Intersection": transformations.intersection,
    "ST_Difference": transformations.difference,
    "ST_Centroid": transformations.centroid,
    "ST_ConvexHull": transformations.convex_hull,
    "ST_Buffer": transformations.buffer,
    "ST_BufferWithTolerance": transformations.buffer_with_tolerance,
    "ST_ClosestPoint": transformations.closest_point,
    "ST_Simplify": transformations.simplify,
    "ST_SnapToGrid": transformations.snap_to_grid,
    "ST_LineInterpolatePoint": transformations.line_interpolate_point,
    "ST_LineLocatePoint": transformations.line_locate_point,
    "ST_LineSubstring": transformations.line_substring,
    "S2_CellIdFromPoint": cells.cell_id,
    "S2_CoveringCellIds": cells.covering,
}
SCALARS: Mapping[str, tuple[str, Callable[..., Any]]] = {name.lower(): (name, call) for name, call in _TABLE.items()}
"""By the analyzer's names: BigQuery's name, and what computes it."""
AGGREGATES: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "st_union_agg": ("ST_Union_Agg", lambda values: transformations.union(values) if values else None),
    "st_centroid_agg": ("ST_Centroid_Agg", transformations.centroid_of_all),
    "st_extent": ("ST_Extent", measures.box),
}
"""Likewise, over the list of all values without NULL."""
OPTIONAL: Mapping[str, int] = {
    "st_buffer": 2, "st_bufferwithtolerance": 3, "st_geogfromtext": 1, "st_geogfromwkb": 1, "st_geogfromgeojson": 1,
    "st_hausdorffdistance": 2, "st_hausdorffdwithin": 3, "s2_cellidfrompoint": 1, "s2_coveringcellids": 1,
}  # fmt: skip
"""After how many arguments NULL only means that an argument is left out; anywhere else the result is NULL."""
