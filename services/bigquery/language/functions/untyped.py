"""NULL and [] as arguments of SQL functions get the type that the function's signature says.

The module reads a function's body anew for each call, with the types of the call's arguments. There it takes NULL for
an INT64, and [] for an ARRAY<INT64>, whatever the signature says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.bigquery.language import tree, values
from services.bigquery.language.functions.routines import TEMPLATED, Function
from services.bigquery.language.names import Edit, Statement, split_paths

_MAY_BE = re.compile(r"(?i)\bNULL\b|\[\s*\]")


def typed(
    sql: str, functions: Sequence[Function], paths: Sequence[tuple[str, ...]], parse: Callable[[str], Any]
) -> Statement:
    """A statement as the module gets it.

    Args:
        sql: The statement.
        functions: Those that it may call.
        paths: The paths of its tables and functions, in single parts.
        parse: Gives the syntax tree of a text.

    Raises:
        BigQueryError: It cannot be parsed.
    """
    statement = split_paths(sql, paths)
    signatures = {_name(function.path): function.message.signature[0] for function in functions if _is_sql(function)}
    if not signatures or not _MAY_BE.search(statement.sql):
        return statement
    return statement.edited(list(_edits(parse(statement.sql), signatures, statement.sql)))


def _is_sql(function: Function) -> bool:
    return not function.is_table and function.message.group == TEMPLATED


def _name(path: Sequence[str]) -> str:
    return ".".join(path).lower()


def _edits(syntax: Any, signatures: dict[str, Any], sql: str) -> Iterator[Edit]:
    written = sql.encode()
    for message in tree.walk(syntax):
        if message.DESCRIPTOR.name != "ASTFunctionCallProto":
            continue
        signature = signatures.get(_name([part.id_string for part in message.function.names]))
        for given, wanted in zip(message.arguments, signature.argument if signature else (), strict=False):
            found = _leaf(given)
            if not wanted.HasField("type") or found.DESCRIPTOR.name not in _TEXTS:
                continue
            if found.DESCRIPTOR.name == "ASTArrayConstructorProto" and (found.elements or found.HasField("type")):
                continue
            place = tree.get(found, "parse_location_range")
            text = _TEXTS[found.DESCRIPTOR.name].format(values.type_of(wanted.type).sql)
            yield Edit(len(written[: place.start].decode()), len(written[: place.end].decode()), text)


_TEXTS = {"ASTNullLiteralProto": "CAST(NULL AS {})", "ASTArrayConstructorProto": "CAST([] AS {})"}


def _leaf(message: Any) -> Any:
    """The concrete node inside messages that stand for one of several kinds."""
    while message.DESCRIPTOR.name.startswith("Any"):
        message = getattr(message, message.WhichOneof("node"))
    return message
