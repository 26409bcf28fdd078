"""Query parameters in REST form, as types and plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.bigquery import types
from services.bigquery.errors import BigQueryError
from services.bigquery.loads.values import plain_of
from services.bigquery.schema import invalid
from services.bigquery.types import Type

Typed = tuple[Type, Any]
_KINDS = {**{row.name: kind for kind, row in types.ROWS.items()}, "FLOAT": "DOUBLE", "INTEGER": "INT64"}


@dataclass(frozen=True)
class Parameters:
    """A query's parameters: named ones, or positional ones in order."""

    named: Mapping[str, Typed] = field(default_factory=dict)
    positional: tuple[Typed, ...] = ()

    @property
    def by_name(self) -> dict[str, Typed]:
        """All of them as the compiler wants them: positional ones are called 1, 2, ..."""
        return {**self.named, **{str(number): one for number, one in enumerate(self.positional, 1)}}


def read(configuration: Mapping[str, Any]) -> Parameters:
    """The parameters of a query's configuration.

    Raises:
        BigQueryError: One has no type, or its value is none of that type.
    """
    given = configuration.get("queryParameters") or []
    # A parameter's name has no case, and the module writes it in small letters
    found = [(str(one.get("name") or "").lower(), _typed(one)) for one in given]
    if str(configuration.get("parameterMode") or "").upper() == "POSITIONAL" or (given and not found[0][0]):
        return Parameters(positional=tuple(typed for _, typed in found))
    return Parameters(named=dict(found))


def _typed(parameter: Mapping[str, Any]) -> Typed:
    kind = type_of(parameter.get("parameterType") or {})
    name = parameter.get("name") or "?"
    try:
        return kind, _value(kind, parameter.get("parameterValue") or {})
    except (ValueError, KeyError, TypeError, ArithmeticError):
        value = (parameter.get("parameterValue") or {}).get("value")
        raise BigQueryError(
            "invalid", f"Invalid value for query parameter {name}: could not parse {value!r} as {kind.sql}", "query"
        ) from None


def type_of(message: Mapping[str, Any]) -> Type:
    """The type of REST's `QueryParameterType`."""
    name = str(message.get("type", "")).upper()
    if name == "ARRAY":
        return Type("ARRAY", type_of(message.get("arrayType") or {}))
    if name in ("STRUCT", "RECORD"):
        parts = message.get("structTypes") or []
        return Type("STRUCT", fields=tuple((part.get("name") or "", type_of(part.get("type") or {})) for part in parts))
    if name == "RANGE":
        return Type("RANGE", type_of(message.get("rangeElementType") or {}))
    if name not in _KINDS:
        raise invalid(f"Invalid query parameter type: {name or 'none'}")
    return Type(_KINDS[name])


def _value(kind: Type, message: Mapping[str, Any]) -> Any:
    if kind.kind == "ARRAY":
        return [_value(kind.part, one) for one in message.get("arrayValues") or ()]
    if kind.kind == "STRUCT":
        given = message.get("structValues")
        if given is None:
            return None
        return {
            f"f{number}": _value(part, given.get(name or f"_{number}") or given.get(f"f{number}") or {})
            for number, (name, part) in enumerate(kind.fields)
        }
    if kind.kind == "RANGE":
        return plain_of(kind, message["rangeValue"]) if "rangeValue" in message else None
    value = message.get("value")
    if isinstance(value, (int, float)) and isinstance(message, dict):
        # REST's values are strings, and the job's resource shows them as such
        value = message["value"] = json.dumps(value)
    if kind.kind == "TIMESTAMP" and re.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", str(value).strip()):
        raise ValueError("a number is a TIMESTAMP in files only")
    return plain_of(kind, value)
