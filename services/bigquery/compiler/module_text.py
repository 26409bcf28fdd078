"""Calls as GoogleSQL text, for what Google's module evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.bigquery import types
from services.bigquery.compiler.context import Context
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.language.evaluator import Scalar
from services.bigquery.types import Type

_INFIX = {
    "$add": "+", "$subtract": "-", "$multiply": "*", "$divide": "/", "$concat_op": "||", "$bitwise_and": "&",
    "$bitwise_or": "|", "$bitwise_xor": "^", "$bitwise_left_shift": "<<", "$bitwise_right_shift": ">>",
    "$like": "LIKE", "$equal": "=", "$not_equal": "<>", "$less": "<", "$less_or_equal": "<=", "$greater": ">",
    "$greater_or_equal": ">=", "$is_distinct_from": "IS DISTINCT FROM", "$and": "AND", "$or": "OR",
    "$is_not_distinct_from": "IS NOT DISTINCT FROM", "$add_date": "+", "$subtract_date": "-",
    "$subtract_timestamp": "-", "$date_add_interval": "+",
}  # fmt: skip
_PATTERNS = {
    "$unary_minus": "(- {0})",
    "$bitwise_not": "(~ {0})",
    "$not": "(NOT {0})",
    "$is_null": "({0} IS NULL)",
    "$is_true": "({0} IS TRUE)",
    "$is_false": "({0} IS FALSE)",
    "$between": "({0} BETWEEN {1} AND {2})",
    "$in_array": "({0} IN UNNEST({1}))",
    "$array_at_offset": "({0})[OFFSET({1})]",
    "$array_at_ordinal": "({0})[ORDINAL({1})]",
    "$safe_array_at_offset": "({0})[SAFE_OFFSET({1})]",
    "$safe_array_at_ordinal": "({0})[SAFE_ORDINAL({1})]",
    "$subscript": "({0})[{1}]",
    "$interval": "INTERVAL ({0}) {1}",
    "$extract_date": "EXTRACT(DATE FROM {0})",
    "$extract_time": "EXTRACT(TIME FROM {0})",
    "$extract_datetime": "EXTRACT(DATETIME FROM {0})",
}
_NAMED_ONLY = 3
"""The module's enumeration NamedArgumentKind."""
_CONSTANT = {"STRING", "INT64", "BOOL"}
"""Types whose literals stay literals: paths, patterns and formats have to be constant."""


def literal_text(kind: Type, value: Any) -> str | None:
    """A literal in GoogleSQL, of the types that functions want constant; None for others."""
    if value is None:
        return f"CAST(NULL AS {kind.sql})"
    if kind.kind == "STRING":
        plain = (char if " " <= char <= "~" and char not in '"\\' else f"\\U{ord(char):08x}" for char in value)
        return f'"{"".join(plain)}"'
    if kind.kind == "BOOL":
        return "TRUE" if value else "FALSE"
    return str(value) if kind.kind == "INT64" else None


def constant(context: Context, message: Any) -> tuple[Type, Any] | None:
    """The type and plain value of a literal or parameter; None for other expressions."""
    found = tree.node(message)
    if tree.kind(found) == "Parameter":
        return context.parameters.get(found.name or str(found.position))
    return constant_of(message)


def constant_of(message: Any) -> tuple[Type, Any] | None:
    """The type and plain value of a literal; None for other expressions."""
    found = tree.node(message)
    if tree.kind(found) != "Literal":
        return None
    kind = values.type_of(found.value.type)
    return (kind, types.from_module(kind, found.value.value)) if kind.kind != "ENUM" else None


def evaluated(
    context: Context, text: Any, arguments: Sequence[Any], result: Type, compiled: Sequence[str] | None = None
) -> str:
    """SQL that has the module evaluate an expression.

    Args:
        context: The compiler's state.
        text: Makes the GoogleSQL expression from the texts of the arguments.
        arguments: Resolved expressions; literals stay literals.
        result: The expression's type.
        compiled: The SQL of the arguments, where the caller has it.
    """
    texts: list[str] = []
    columns: list[str] = []
    kinds: list[Type] = []
    for number, argument in enumerate(arguments):
        written = enumerated(argument)
        if written is None and (known := constant(context, argument)) is not None:
            written = literal_text(*known) if known[0].kind in _CONSTANT else None
        if written is None:
            written = f"a{len(columns)}"
            columns.append(compiled[number] if compiled else context.expression(argument))
            kinds.append(tree.type_of(argument))
        texts.append(written)
    for kind in (*kinds, result):
        kind.duckdb  # noqa: B018  refuses a type that is not built
        if types.contains(kind, "GEOGRAPHY"):
            raise NotBuilt(f"this expression with GEOGRAPHY: {text([f'argument {n}' for n in range(len(texts))])}")
    name = context.scalar(Scalar(text(texts), tuple(kinds), result))
    return f"{name}({', '.join(columns) or '0'})"


def enumerated(argument: Any) -> str | None:
    """The text of an argument that is one of an enumeration, such as a date part or a rounding mode."""
    found = tree.node(argument)
    if tree.kind(found) != "Literal" or values.type_of(found.value.type).kind != "ENUM":
        return None
    if found.value.value.WhichOneof("value") is None:
        return "NULL"
    name = found.value.type.enum_type.enum_name
    if name.endswith("DateTimestampPart"):
        part = values.date_part(found.value.value.enum_value)
        return f"WEEK({part.removeprefix('WEEK_')})" if part.startswith("WEEK_") else part
    if name.endswith("RoundingMode"):
        return ("''", "'ROUND_HALF_AWAY_FROM_ZERO'", "'ROUND_HALF_EVEN'")[found.value.value.enum_value]
    if name.endswith("NormalizeMode"):
        return ("NFC", "NFKC", "NFD", "NFKD")[found.value.value.enum_value]
    raise NotBuilt(f"argument of type {name}")


def operator_text(name: str, texts: Sequence[str]) -> str | None:
    """The text of an operator such as `$add`; None for functions and for operators that this does not know."""
    if name in _INFIX:
        return "(" + f" {_INFIX[name]} ".join(texts) + ")"
    if name == "$in":
        return f"({texts[0]} IN ({', '.join(texts[1:])}))"
    if name == "$make_array":
        return f"[{', '.join(texts)}]"
    return _pattern(name, texts) if name in _PATTERNS else None


def call_text(call: Any, name: str, kinds: Sequence[Type], is_safe: bool) -> Any:
    """What makes the GoogleSQL text of a function's call from the texts of its arguments.

    Raises:
        NotBuilt: It is an operator whose text this does not know.
    """
    if not is_safe and operator_text(name, [""] * max(3, len(kinds))) is not None:
        return lambda texts: operator_text(name, texts)
    if name.startswith("$extract"):
        zone = len(kinds) > 1 and kinds[-1].kind == "STRING"
        part = name.removeprefix("$extract_").upper()
        return lambda texts: _extract(texts, part if part != "$EXTRACT" else texts[1], zone)
    if name.startswith("$"):
        raise NotBuilt(f"operator {name.removeprefix('$')}({', '.join(map(str, kinds))})")
    prefix = "SAFE." if is_safe else ""
    return lambda texts: f"{prefix}{name}({', '.join(_with_names(call, texts))})"


def _pattern(name: str, texts: Sequence[str]) -> str:
    if name.startswith("$extract_") and len(texts) > 1:
        return _extract(texts, name.removeprefix("$extract_").upper(), True)
    return _PATTERNS[name].format(*texts)


def _extract(texts: Sequence[str], part: str, zone: bool) -> str:
    return f"EXTRACT({part} FROM {texts[0]}{f' AT TIME ZONE {texts[-1]}' if zone else ''})"


def _with_names(call: Any, texts: Sequence[str]) -> list[str]:
    declared = tree.get(call, "signature").argument
    if len(declared) != len(texts):
        return list(texts)
    names = (
        argument.options.argument_name if argument.options.named_argument_kind == _NAMED_ONLY else ""
        for argument in declared
    )
    return [f"{name} => {text}" if name else text for name, text in zip(names, texts, strict=True)]
