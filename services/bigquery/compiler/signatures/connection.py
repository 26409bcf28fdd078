"""What compiled SQL needs of a DuckDB connection: settings, macros, helpers, and the module's functions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import duckdb

from services.bigquery import types
from services.bigquery.compiler.python_calls import PythonCall
from services.bigquery.compiler.signatures import helpers, lines
from services.bigquery.errors import BigQueryError, from_duckdb, invalid_query
from services.bigquery.language.evaluator import Evaluator, Scalar
from services.bigquery.language.functions.javascript import Javascript

SETTINGS = {
    "TimeZone": "'UTC'",
    "scalar_subquery_error_on_multiple_rows": "true",
    # Compiled SQL never names a file; so nothing else may, either
    "enable_external_access": "false",
}
Computed = Scalar | Javascript | PythonCall
_MARK = "\x00"
"""Ends a sentence inside an error of DuckDB's, which wraps what a Python function raises."""


def prepare(connection: Any) -> None:
    """Sets up a database for compiled SQL: settings and macros once a database, helpers once a connection.

    Args:
        connection: A DuckDB connection; its files are already open, because it loses access to others.
    """
    for name, value in SETTINGS.items():
        connection.execute(f"SET {name} = {value}")
    for definition in lines.macros().values():
        connection.execute(f"CREATE OR REPLACE MACRO {definition}")
    for name, helper in helpers.HELPERS.items():
        register(connection, name, helper.vector, list(helper.parameters), helper.result)


def register(
    connection: Any, name: str, function: Any, parameters: list[str], result: str, is_volatile: bool = False
) -> None:
    """Registers a function over Arrow columns; a name that the database has stands for the same function."""

    def run(*columns: Any) -> Any:
        try:
            return function(*columns)
        except helpers.Failed as error:
            raise RuntimeError(f"E!{error}{_MARK}") from error
        except BigQueryError as error:
            raise RuntimeError(f"E!{error.message}{_MARK}") from error

    # DuckDB counts the parameters of the function
    names = ", ".join(f"column{number}" for number in range(len(parameters)))
    counted = eval(f"lambda {names}: run({names})", {"run": run})
    with contextlib.suppress(duckdb.CatalogException, duckdb.NotImplementedException):
        connection.create_function(
            name, counted, parameters, result, type="arrow", null_handling="special", side_effects=is_volatile
        )


def register_scalars(connection: Any, scalars: Mapping[Computed, str], evaluator: Evaluator) -> None:
    """Registers what a compiled statement has Google's module, V8 or Python compute, unless the database has it."""
    for scalar, name in scalars.items():
        parameters = [kind.duckdb for kind in scalar.arguments] or ["INTEGER"]
        is_volatile = isinstance(scalar, Javascript)
        register(connection, name, _vector(scalar, evaluator), parameters, scalar.result.duckdb, is_volatile)


def _vector(scalar: Computed, evaluator: Evaluator) -> Any:
    def run(*columns: Any) -> Any:
        if scalar.arguments:
            pairs = zip(columns, scalar.arguments, strict=True)
            plain = [types.plain_column(column, kind) for column, kind in pairs]
        else:
            plain = [columns[0].to_pylist()]
        return types.arrow_column(scalar.vector(evaluator, plain), scalar.result)

    return run


def as_error(error: duckdb.Error) -> BigQueryError:
    """DuckDB's error as BigQuery's: with the sentence of compiled SQL, or with DuckDB's own for the sorts we know."""
    text = str(error)
    if (found := from_duckdb(text)) is not None:
        return found
    if isinstance(error, duckdb.OutOfMemoryException):
        return BigQueryError("resourcesExceeded", "Resources exceeded during query execution: out of memory", "query")
    if isinstance(error, duckdb.InterruptException):
        return BigQueryError("stopped", "Job execution was cancelled: User requested cancellation", "query")
    if isinstance(error, (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException)):
        return invalid_query(text.splitlines()[0].split(": ", 1)[-1])
    return BigQueryError("notImplemented", f"DuckDB refused this query: {text.splitlines()[0][:300]}", "query", 501)


_OURS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InternalException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)


def is_our_fault(error: duckdb.Error) -> bool:
    """Whether DuckDB refuses the SQL itself: the compiler wrote what DuckDB does not have."""
    return isinstance(error, _OURS) and from_duckdb(str(error)) is None
