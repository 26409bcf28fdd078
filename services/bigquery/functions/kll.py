"""KLL_QUANTILES.*: sketches from which quantiles can be read.

https://cloud.google.com/bigquery/docs/reference/standard-sql/kll_functions

Google does not publish the format of its sketches; this one is ours. A sketch is a sorted list of values with weights.
It is exact until it has more than _ENTRIES entries for each unit of its precision; then neighbours are joined, so that
a quantile's rank is off by less than one part in the precision, as the reference promises.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

DEFAULT_PRECISION = 1000
MOST_PRECISION = MOST_QUANTILES = 100_000
_ENTRIES = 4
_HEAD = struct.Struct("<4scI")
_MARK = b"OKLL"
_INT64, _FLOAT64 = b"q", b"d"
Entries = list[tuple[Any, int]]
"""Values and their weights, sorted; the first is the least value, the last the greatest."""


def _order(entry: tuple[Any, int]) -> tuple[bool, Any]:
    """Sorts NaN before everything else."""
    is_nan = entry[0] != entry[0]
    return not is_nan, 0 if is_nan else entry[0]


def _joined(entries: Iterable[tuple[Any, int]], precision: int) -> Entries:
    """Entries of the same value as one; if there are too many, those in the middle of equal shares of the weight."""
    found: Entries = []
    for value, weight in sorted(entries, key=_order):
        if found and (value == found[-1][0] or (value != value and found[-1][0] != found[-1][0])):
            found[-1] = (value, found[-1][1] + weight)
        else:
            found.append((value, weight))
    most = max(_ENTRIES * precision, 8)
    if len(found) <= most:
        return found
    inner = found[1:-1]
    total, share, before = sum(weight for _, weight in inner), most - 2, 0
    kept: Entries = []
    for number in range(share):
        upto = total * (number + 1) // share
        kept.append((_at(inner, (before + upto + 1) // 2), upto - before))
        before = upto
    return [found[0], *((value, weight) for value, weight in kept if weight), found[-1]]


def _at(entries: Entries, rank: int) -> Any:
    """The value at a rank from 1."""
    passed = 0
    for value, weight in entries:
        passed += weight
        if passed >= rank:
            return value
    return entries[-1][0]


def _written(entries: Entries, kind: bytes, precision: int) -> bytes:
    one = struct.Struct("<" + kind.decode() + "Q")
    return _HEAD.pack(_MARK, kind, precision) + b"".join(one.pack(value, weight) for value, weight in entries)


def _read(sketch: bytes, kind: bytes) -> tuple[Entries, int]:
    try:
        mark, found, precision = _HEAD.unpack_from(sketch)
        if mark != _MARK:
            raise ValueError
        entries = list(struct.Struct("<" + found.decode() + "Q").iter_unpack(sketch[_HEAD.size :]))
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise ValueError("invalid KLL sketch") from error
    if found != kind:
        raise ValueError("the sketch is of values of another type")
    return entries, precision


def _merged(sketches: Sequence[bytes], kind: bytes) -> tuple[Entries, int]:
    read = [_read(sketch, kind) for sketch in sketches]
    precision = min(precision for _, precision in read)
    return _joined((entry for entries, _ in read for entry in entries), precision), precision


def _kind(name: str) -> bytes:
    return _INT64 if name == "INT64" else _FLOAT64


def init(name: str, values: list[Any], precision: int | None = DEFAULT_PRECISION) -> bytes | None:
    """KLL_QUANTILES.INIT_INT64 and INIT_FLOAT64.

    Args:
        name: The type of the values.
        values: Those that are not NULL; with weights, structs of a value and its weight.
        precision: Between 1 and MOST_PRECISION.

    Raises:
        ValueError: The precision or a weight is none.
    """
    if precision is None or not 1 <= precision <= MOST_PRECISION:
        raise ValueError(f"the precision must be between 1 and {MOST_PRECISION}, but is {precision}")
    weighted = [(value["f0"], value["f1"]) if isinstance(value, dict) else (value, 1) for value in values]
    if any(weight is None or not 1 <= weight < 2**31 for _, weight in weighted):
        raise ValueError(f"a weight must be between 1 and {2**31 - 1}")
    entries = _joined(weighted, precision)
    return _written(entries, _kind(name), precision) if entries else None


def merge_partial(sketches: list[bytes]) -> bytes | None:
    """KLL_QUANTILES.MERGE_PARTIAL."""
    if not sketches:
        return None
    kind = sketches[0][4:5]
    entries, precision = _merged(sketches, kind)
    return _written(entries, kind, precision)


def _quantiles(entries: Entries, number: int | None) -> list[Any]:
    if number is None or not 1 <= number <= MOST_QUANTILES:
        raise ValueError(f"the number of quantiles must be between 1 and {MOST_QUANTILES}, but is {number}")
    total = sum(weight for _, weight in entries)
    ranks = (-(-total * one // number) for one in range(1, number))
    found, place, passed = [entries[0][0]], 0, entries[0][1]
    for rank in ranks:
        while passed < rank:
            place += 1
            passed += entries[place][1]
        found.append(entries[place][0])
    return [*found, entries[-1][0]]


def _point(entries: Entries, phi: float | None) -> Any:
    if phi is None or not 0 <= phi <= 1:
        raise ValueError(f"phi must be between 0 and 1, but is {phi}")
    total = sum(weight for _, weight in entries)
    return _at(entries, max(math.ceil(phi * total), 1))


def merge(name: str, sketches: list[bytes], number: int | None) -> list[Any] | None:
    """KLL_QUANTILES.MERGE_INT64 and MERGE_FLOAT64."""
    return _quantiles(_merged(sketches, _kind(name))[0], number) if sketches else None


def merge_point(name: str, sketches: list[bytes], phi: float | None) -> Any:
    """KLL_QUANTILES.MERGE_POINT_INT64 and MERGE_POINT_FLOAT64."""
    return _point(_merged(sketches, _kind(name))[0], phi) if sketches else None


def extract(name: str, sketch: bytes, number: int) -> list[Any]:
    """KLL_QUANTILES.EXTRACT_INT64 and EXTRACT_FLOAT64."""
    return _quantiles(_read(sketch, _kind(name))[0], number)


def extract_point(name: str, sketch: bytes, phi: float) -> Any:
    """KLL_QUANTILES.EXTRACT_POINT_INT64 and EXTRACT_POINT_FLOAT64."""
    return _point(_read(sketch, _kind(name))[0], phi)
