"""Compares what a test wants with what we answer."""

from __future__ import annotations

import decimal
import json
import math
from collections.abc import Callable
from typing import Any

from dev.peers.googlesql.readers import Unordered
from services.bigquery.types import Type

TOLERANCE = 1e-9
"""How far two floating-point numbers may differ, as a share: sums have no order."""
NOTHING = 1e-30
"""What may be left where the other answer is 0: Google's evaluator adds up an average of INT64 from fractions."""


def is_same_type(wanted: Type, got: Type) -> bool:
    """Whether a column has the type that a test prints; `?` is an array whose elements it does not print."""
    if wanted.kind == "?":
        return True
    if wanted.kind != got.kind or len(wanted.fields) != len(got.fields):
        return False
    if wanted.element is not None and got.element is not None and not is_same_type(wanted.element, got.element):
        return False
    return all(is_same_type(one, other) for (_, one), (_, other) in zip(wanted.fields, got.fields, strict=True))


def is_same(kind: Type, wanted: Any, got: Any) -> bool:
    """Whether two plain values are the same; BigQuery gives a NULL array as an empty one."""
    if kind.kind == "ARRAY":
        return _same_arrays(kind.part, wanted if wanted is not None else [], got if got is not None else [])
    if wanted is None or got is None:
        return wanted is got
    if kind.kind == "STRUCT":
        fields = enumerate(kind.fields)
        return all(is_same(field, wanted[f"f{number}"], got[f"f{number}"]) for number, (_, field) in fields)
    return _LEAVES.get(kind.kind, _equal)(wanted, got)


def _same_arrays(part: Type, wanted: Any, got: Any) -> bool:
    items = wanted.items if isinstance(wanted, Unordered) else wanted
    if len(items) != len(got):
        return False
    if not isinstance(wanted, Unordered):
        return all(is_same(part, one, other) for one, other in zip(items, got, strict=True))
    left = list(got)
    for item in items:
        place = next((number for number, other in enumerate(left) if is_same(part, item, other)), None)
        if place is None:
            return False
        del left[place]
    return True


def _equal(wanted: Any, got: Any) -> bool:
    return bool(wanted == got)


def _floats(wanted: float, got: float) -> bool:
    if math.isnan(wanted) or math.isnan(got) or math.isinf(wanted) or math.isinf(got):
        return wanted == got or (math.isnan(wanted) and math.isnan(got))
    if 0 in (wanted, got):
        return abs(wanted - got) <= NOTHING
    return abs(wanted - got) <= TOLERANCE * max(abs(wanted), abs(got), 1e-300)


def _json(wanted: str, got: str) -> bool:
    return bool(json.loads(wanted, parse_float=float) == json.loads(got, parse_float=float))


def _decimals(wanted: decimal.Decimal, got: decimal.Decimal) -> bool:
    return wanted == got


_LEAVES: dict[str, Callable[[Any, Any], bool]] = {"DOUBLE": _floats, "JSON": _json, "NUMERIC": _decimals}
