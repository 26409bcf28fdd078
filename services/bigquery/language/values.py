"""The module's types and values, and ours."""

from __future__ import annotations

from functools import cache
from typing import Any

from services.bigquery import types
from services.bigquery.errors import NotBuilt
from services.bigquery.language import package
from services.bigquery.types import Type

_KINDS = {number: name.removeprefix("TYPE_") for name, number in package.types.TypeKind.items()}
_NUMBERS = {name: number for number, name in _KINDS.items()}
DATE_PARTS = {number: name for name, number in package.dates.DateTimestampPart.items()}
"""The parts of dates (`DAY`, `WEEK_MONDAY`), by the number of the module's enum value."""


@cache
def _simple(kind: int) -> Type:
    return Type(_KINDS.get(kind, str(kind)))


def type_of(message: Any) -> Type:
    """Our type of the module's `TypeProto`."""
    kind = _KINDS.get(message.type_kind, "")
    if kind == "ARRAY":
        return Type("ARRAY", type_of(message.array_type.element_type))
    if kind == "RANGE":
        return Type("RANGE", type_of(message.range_type.element_type))
    if kind == "STRUCT":
        fields = tuple((field.field_name, type_of(field.field_type)) for field in message.struct_type.field)
        return Type("STRUCT", fields=fields)
    return _simple(message.type_kind)


def type_message(kind: Type) -> Any:
    """The module's `TypeProto` of our type."""
    message = package.types.TypeProto(type_kind=_NUMBERS[kind.kind])
    if kind.kind == "ARRAY":
        message.array_type.element_type.CopyFrom(type_message(kind.part))
    elif kind.kind == "RANGE":
        message.range_type.element_type.CopyFrom(type_message(kind.part))
    elif kind.kind == "STRUCT":
        message.struct_type.SetInParent()
        for name, field in kind.fields:
            message.struct_type.field.add(field_name=name).field_type.CopyFrom(type_message(field))
    return message


def value_message(kind: Type, plain: Any) -> Any:
    """The module's `ValueProto` of a plain value."""
    message = package.value.ValueProto()
    types.to_module(kind, plain, message)
    return message


def date_part(number: int) -> str:
    """The name of a date part.

    Raises:
        NotBuilt: The module has a newer one.
    """
    if number not in DATE_PARTS:
        raise NotBuilt(f"date part number {number}")
    return str(DATE_PARTS[number])
