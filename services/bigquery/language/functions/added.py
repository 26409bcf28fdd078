"""What the analyzer is told of functions that BigQuery has and Google's module has not.

`services/bigquery/functions` computes them, besides those that are SQL.
https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
"""

from __future__ import annotations

from functools import cache
from typing import Any

from services.bigquery.language import package, values
from services.bigquery.language.functions.routines import Function
from services.bigquery.types import Type

_BUILT_IN, _SQL = "ZetaSQL", "Templated_SQL_Function"
"""Groups of functions: those that the compiler takes for built-in ones, and those that stand for an expression."""
_ARGUMENT = package.function.FunctionArgumentTypeProto.DESCRIPTOR
_KINDS = {name: value.number for name, value in _ARGUMENT.fields_by_name["kind"].enum_type.values_by_name.items()}
_ANY = _KINDS["ARG_TYPE_ARBITRARY"]
_OPTIONAL, _NAMED_ONLY = 2, 3
_SCALAR, _AGGREGATE = 1, 2
"""The module's enumerations of an argument's cardinality and naming, and of a function's modes."""
_STRING = Type("STRING")
_SQL_AGGREGATES = {"max_by": "ANY_VALUE(x HAVING MAX y)", "min_by": "ANY_VALUE(x HAVING MIN y)"}
"""Of x and y; the reference calls both synonyms of these."""
_SCALARS: dict[str, tuple[tuple[Type | None, ...], tuple[str, ...], Type]] = {
    "contains_substr": ((None, _STRING), ("json_scope",), Type("BOOL")),
    "search": ((None, _STRING), ("json_scope", "analyzer", "analyzer_options"), Type("BOOL")),
    "text_analyze": ((_STRING,), ("analyzer", "analyzer_options"), Type("ARRAY", _STRING)),
}
"""Types of the arguments, None for any; names of those that may be left out, which are STRING; the result's type."""
_CONSTANT = ("search", 1)
"""The argument that must be a constant expression: the query of SEARCH."""


@cache
def functions() -> tuple[Function, ...]:
    """All of them."""
    aggregates = (_sql_aggregate(name, body) for name, body in _SQL_AGGREGATES.items())
    scalars = (_scalar(name, *about) for name, about in _SCALARS.items())
    return (*aggregates, *scalars)


def _function(name: str, group: str, mode: int) -> Any:
    message = package.function.FunctionProto(name_path=[name], group=group)
    message.mode = mode
    message.options.sql_name = name.upper()
    return message


def _add(signature: Any, kind: Type | None, name: str = "") -> None:
    argument = signature.argument.add(num_occurrences=1)
    argument.kind = _ANY if kind is None else _KINDS["ARG_TYPE_FIXED"]
    if kind is not None:
        argument.type.CopyFrom(values.type_message(kind))
    if name:
        argument.options.argument_name = name
        argument.options.named_argument_kind = _NAMED_ONLY
        argument.options.cardinality = _OPTIONAL
        # NULL, which the analyzer puts in where it is left out
        argument.options.default_value.SetInParent()


def _sql_aggregate(name: str, body: str) -> Function:
    message = _function(name, _SQL, _AGGREGATE)
    signature = message.signature.add()
    _add(signature, None)
    _add(signature, None)
    signature.return_type.kind = _ANY
    message.parse_resume_location.input = body
    message.templated_sql_function_argument_name.extend(("x", "y"))
    return Function((name,), message)


def _scalar(name: str, arguments: tuple[Type | None, ...], optional: tuple[str, ...], result: Type) -> Function:
    message = _function(name, _BUILT_IN, _SCALAR)
    signature = message.signature.add()
    for number, kind in enumerate(arguments):
        _add(signature, kind)
        signature.argument[number].options.must_be_constant_expression = (name, number) == _CONSTANT
    for option in optional:
        _add(signature, _STRING, option)
    signature.return_type.kind = _KINDS["ARG_TYPE_FIXED"]
    signature.return_type.type.CopyFrom(values.type_message(result))
    return Function((name,), message)
