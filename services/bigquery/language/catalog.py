"""The catalogue of one statement: only the tables that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from services.bigquery.errors import NotBuilt
from services.bigquery.language import package, values
from services.bigquery.language.functions import added
from services.bigquery.language.functions.routines import Function
from services.bigquery.types import Type

NOT_BIGQUERY = tuple(
    f"FN_{name}"
    for name in """ISERROR IFERROR NULLIFERROR NULLIFZERO ZEROIFNULL ARRAY_INCLUDES ARRAY_IS_DISTINCT ARRAY_FIND
    ARRAY_FIRST_N ARRAY_LAST_N ARRAY_OFFSET ARRAY_REMOVE ARRAY_MIN ARRAY_MAX ARRAY_SUM ARRAY_AVG ARRAY_ZIP BIT_CAST
    SPLIT_SUBSTR REGEXP_EXTRACT_GROUPS REGEXP_MATCH NET_FORMAT NET_PARSE NET_MAKE_NET NET_IP_IN_NET
    APPLY APPROX_COSINE_DISTANCE APPROX_DOT_PRODUCT APPROX_EUCLIDEAN_DISTANCE ELEMENTWISE_SUM ELEMENTWISE_AVG
    ZSTD_ ST_ACCUM ST_AS_KML ST_GEOG_FROM_KML ST_NEAREST_NEIGHBORS ST_UNARY_UNION""".split()
)
"""How the names of functions begin that no feature turns off, and that BigQuery's reference does not have."""
TRAPS = ("FN_NET_PUBLIC_SUFFIX", "FN_NET_REG_DOMAIN")
"""Functions whose evaluation ends this build of the module, which has no data for them: Python computes them."""


@dataclass(frozen=True)
class Column:
    """A column as a statement sees it.

    Attributes:
        is_pseudo: `SELECT *` leaves it out, as with `_TABLE_SUFFIX`.
        has_default: An INSERT may leave it out and gets the column's default value.
    """

    name: str
    type: Type
    is_pseudo: bool = False
    has_default: bool = False


@dataclass(frozen=True)
class Table:
    """A table, view or other relation that a statement names.

    Attributes:
        path: The parts under which the statement names it, after `names.split_paths`.
        name: Its full name in messages, such as `project.dataset.table`; the compiled tree carries it.
    """

    path: tuple[str, ...]
    name: str
    columns: Sequence[Column]


@cache
def _excluded(prefixes: tuple[str, ...]) -> tuple[int, ...]:
    known = package.service.DESCRIPTOR.pool.FindEnumTypeByName("zetasql.FunctionSignatureId").values_by_name
    return tuple(value.number for name, value in known.items() if name.startswith(prefixes))


def _table_message(catalog: Any, table: Table, number: int) -> None:
    message = catalog.table.add(
        name=table.name, name_in_catalog=table.path[-1], full_name=table.name, serialization_id=number
    )
    message.allow_anonymous_column_name = False
    for column in table.columns:
        added = message.column.add(name=column.name, is_pseudo_column=column.is_pseudo)
        added.has_default_value = column.has_default
        added.type.CopyFrom(values.type_message(column.type))


def catalog_message(
    tables: Iterable[Table],
    functions: Iterable[Function],
    language: Any,
    judge: bool = False,
    is_evaluated: bool = False,
) -> Any:
    """The module's `SimpleCatalogProto`.

    Args:
        tables: Under their paths; the parts before the last become nested catalogues.
        functions: What the statement may call besides the built-in functions.
        language: The options of the language, which select the built-in functions.
        judge: Whether ISERROR and the like may be used, which BigQuery does not have.
        is_evaluated: Whether the module evaluates what it analyzes.

    Raises:
        NotBuilt: Two tables differ only in the case of their names, which the module takes for one.
    """
    root = package.catalog.SimpleCatalogProto(name="bigquery")
    root.builtin_function_options.language_options.CopyFrom(language)
    unknown = (() if judge else NOT_BIGQUERY) + (TRAPS if is_evaluated or judge else ())
    root.builtin_function_options.exclude_function_ids.extend(_excluded(unknown))
    catalogs: dict[tuple[str, ...], Any] = {(): root}
    seen: dict[tuple[str, ...], Table] = {}
    for number, table in enumerate(tables, 1):
        folded = _folded(table.path)
        if folded in seen:
            raise NotBuilt(f"{seen[folded].name} and {table.name} in one statement: names that differ only in case")
        seen[folded] = table
        _table_message(_nested(catalogs, table.path[:-1]), table, number)
    functions = list(functions)
    own = {_folded(function.path) for function in functions}
    # A temporary function may have the name of one that the module does not have: then it is meant
    more = [function for function in added.functions() if function.path not in own]
    for function in (*more, *functions):
        catalog = _nested(catalogs, function.path[:-1])
        (catalog.custom_tvf if function.is_table else catalog.custom_function).append(function.message)
    return root


def _folded(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.lower() for part in path)


def _nested(catalogs: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> Any:
    folded = _folded(path)
    if folded not in catalogs:
        catalogs[folded] = _nested(catalogs, path[:-1]).catalog.add(name=path[-1])
    return catalogs[folded]


def parameters(options: Any, named: Mapping[str, Type], positional: Sequence[Type] = ()) -> None:
    """Declares a statement's query parameters in the analyzer's options."""
    if positional:
        options.parameter_mode = package.option.PARAMETER_POSITIONAL
        options.positional_query_parameters.extend(values.type_message(kind) for kind in positional)
    for name, kind in named.items():
        options.query_parameters.add(name=name).type.CopyFrom(values.type_message(kind))
