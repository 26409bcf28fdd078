"""STRING parameters where a geography is due: the analyzer coerces text to times by itself, but not to GEOGRAPHY."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.jobs.parameters import Parameters, Typed
from services.bigquery.language import tree
from services.bigquery.language.analyzer import Scope
from services.bigquery.loads.values import plain_of
from services.bigquery.scripts.syntax import kind_of, syntax_node
from services.bigquery.types import Type

_NO_SIGNATURE = re.compile(r"No matching signature for function (ST_\w+)", re.IGNORECASE)
_TAKES_TEXT = re.compile(r"st_geogfrom|st_geogpointfrom", re.IGNORECASE)
"""Functions whose first argument is text of a format of their own."""
_GEOGRAPHY = Type("GEOGRAPHY")


def resolved(
    analyze: Callable[[Scope], Any], syntax: Callable[[], Any], scope: Scope, given: Parameters
) -> tuple[Any, Scope, Parameters]:
    """A statement's resolved tree, with the scope and parameters that it was resolved with.

    Args:
        analyze: Resolves the statement.
        syntax: Its syntax tree.
        scope: What it refers to.
        given: The parameters, as the client sent them.

    Raises:
        BigQueryError: It cannot be resolved, or a parameter's text is no geography.
    """
    try:
        return analyze(scope), scope, given
    except BigQueryError as error:
        names = _arguments(syntax()) if _NO_SIGNATURE.match(error.message) else set()
        coerced = _coerced(given, names)
        if coerced == given:
            raise
        named = {name: kind for name, (kind, _) in coerced.named.items()}
        wider = replace(scope, named=named, positional=tuple(kind for kind, _ in coerced.positional))
        try:
            return analyze(wider), wider, coerced
        except BigQueryError:
            raise error from None


def _arguments(syntax: Any) -> set[str]:
    """The parameters that are arguments of geography functions: names, and numbers of positional ones."""
    found = set()
    for call in tree.walk(syntax):
        if call.DESCRIPTOR.name != "ASTFunctionCallProto":
            continue
        function = call.function.names[-1].id_string
        if not function.lower().startswith("st_") or _TAKES_TEXT.match(function):
            continue
        for argument in map(syntax_node, call.arguments):
            if kind_of(argument) == "ParameterExpr":
                found.add(argument.name.id_string.lower() or str(argument.position))
    return found


def _coerced(given: Parameters, names: set[str]) -> Parameters:
    """The parameters, with geographies in the place of some texts."""

    def one(name: str, typed: Typed) -> Typed:
        kind, value = typed
        if name not in names or kind.kind != "STRING":
            return typed
        try:
            return _GEOGRAPHY, plain_of(_GEOGRAPHY, value)
        except ValueError as error:
            text = f"Invalid value for query parameter {name}: {error}"
            raise BigQueryError("invalidQuery", text, "query") from None

    named = {name: one(name, typed) for name, typed in given.named.items()}
    positional = tuple(one(str(number), typed) for number, typed in enumerate(given.positional, 1))
    return Parameters(named, positional)
