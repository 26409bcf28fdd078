"""Numbers of S2 cells (https://s2geometry.io/devguide/s2cell_hierarchy)."""

from __future__ import annotations

import s2rst

from services.bigquery.errors import NotBuilt
from services.bigquery.geography.measures import single_point
from services.bigquery.geography.shapes import Geography, s2_point

FINEST = 30
"""The level of the smallest cells."""


def _signed(cell: s2rst.CellId) -> int:
    number = int(cell.id)
    return number - 2**64 if number >= 2**63 else number


def _level(level: int | None, default: int) -> int:
    if level is None:
        return default
    if not 0 <= level <= FINEST:
        raise ValueError(f"S2 cell levels must be between 0 and {FINEST}. Is: {level}")
    return level


def cell_id(value: Geography, level: int | None = None) -> int:
    """S2_CELLIDFROMPOINT."""
    found = s2rst.CellId.from_point(s2_point(single_point(value, "S2_CELLIDFROMPOINT")))
    return _signed(found.parent_at_level(_level(level, FINEST)))


def covering(
    value: Geography,
    min_level: int | None = None,
    max_level: int | None = None,
    max_cells: int | None = None,
    margin: float | None = None,
) -> list[int]:
    """S2_COVERINGCELLIDS, of a point or of polygons."""
    if value.is_empty:
        return []
    lowest, highest, most = _level(min_level, 0), _level(max_level, FINEST), 8 if max_cells is None else max_cells
    if lowest > highest or most < 1 or (margin or 0) < 0:
        raise ValueError("min_level must not exceed max_level; max_cells must be positive; buffer not negative")
    if margin or value.lines or (value.points and value.point is None):
        raise NotBuilt("S2_COVERINGCELLIDS of linestrings, of several points, or with a buffer")
    if value.point is not None:
        return [cell_id(value, highest)]
    coverer = s2rst.RegionCoverer(min_level=lowest, max_level=highest, max_cells=most)
    return [_signed(cell) for cell in coverer.covering(value.s2_polygon)]
