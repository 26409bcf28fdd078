"""Reading a resolved tree: protobuf messages whose classes nest in each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from services.bigquery.language import values
from services.bigquery.types import Type


def node(message: Any) -> Any:
    """The concrete node inside an `Any...` message; None if there is none."""
    while message is not None and message.DESCRIPTOR.name.startswith("Any"):
        field = message.WhichOneof("node")
        message = getattr(message, field) if field else None
    return message


@cache
def _steps(descriptor: Any, field: str) -> int:
    """How many base classes up (`parent`) a field is."""
    steps = 0
    while field not in descriptor.fields_by_name:
        steps, descriptor = steps + 1, descriptor.fields_by_name["parent"].message_type
    return steps


def _owner(message: Any, field: str) -> Any:
    for _ in range(_steps(message.DESCRIPTOR, field)):
        message = message.parent
    return message


def get(message: Any, field: str) -> Any:
    """A field of a node or of one of its base classes."""
    return getattr(_owner(message, field), field)


def has(message: Any, field: str) -> bool:
    """Whether the field is set."""
    return bool(_owner(message, field).HasField(field))


def kind(message: Any) -> str:
    """A node's kind: `TableScan` of a `ResolvedTableScanProto`."""
    return str(message.DESCRIPTOR.name).removeprefix("Resolved").removesuffix("Proto")


def type_of(expression: Any) -> Type:
    """The type of an expression."""
    return values.type_of(get(node(expression), "type"))


def column_ids(scan: Any) -> list[int]:
    """The columns that a scan gives, each once."""
    return list(dict.fromkeys(column.column_id for column in get(scan, "column_list")))


def walk(message: Any) -> Iterator[Any]:
    """Every message inside a message, and itself."""
    yield message
    for field, content in message.ListFields():
        if field.message_type is not None:
            for inner in content if field.is_repeated else (content,):
                yield from walk(inner)
