"""OPTIONS(...) whose values are expressions, such as TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 12 HOUR)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from services.bigquery.language import tree, values
from services.bigquery.types import Type

Values = Callable[[Sequence[Any]], list[tuple[Type, Any]]]


def with_constants(statement: Any, evaluate: Values) -> Any:
    """The resolved statement with a literal for each option's value.

    Args:
        statement: It stays as it is.
        evaluate: Gives types and plain values of expressions.

    Raises:
        BigQueryError: An expression fails.
    """
    if not _open(statement):
        return statement
    changed = type(statement)()
    changed.CopyFrom(statement)
    options = _open(changed)
    for option, (kind, value) in zip(options, evaluate([option.value for option in options]), strict=True):
        option.value.Clear()
        literal = option.value.resolved_literal_node
        literal.parent.type.CopyFrom(values.type_message(kind))
        literal.value.type.CopyFrom(values.type_message(kind))
        literal.value.value.CopyFrom(values.value_message(kind, value))
    return changed


def _open(statement: Any) -> list[Any]:
    """The options whose values are no literals."""
    options = (one for one in tree.walk(statement) if one.DESCRIPTOR.name == "ResolvedOptionProto")
    return [option for option in options if tree.kind(tree.node(option.value)) != "Literal"]
