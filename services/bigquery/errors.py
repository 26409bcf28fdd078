"""The one error of the server: raised where it is known, turned into REST and job form in one place."""

from __future__ import annotations

import re

TOO_MUCH_MEMORY = "Resources exceeded during query execution"
TOO_MANY_ROUNDS = "A recursive CTE has reached the maximum number of iterations: 500"
"""https://cloud.google.com/bigquery/docs/recursive-ctes#troubleshoot_iteration_limit_errors."""
TOO_DEEP = "Resources exceeded: the statement is nested too deeply"
MARK = "E!"
"""Precedes a sentence of GoogleSQL's in an error that compiled SQL raises in DuckDB (compiler/macros.sql)."""
_PLACE = re.compile(r" \[at (\d+:\d+)\]")
_RAISED = re.compile(re.escape(MARK) + r"(.*?)(?:' (?:to|when casting) |\x00|$)", re.DOTALL)

_SEVERAL_ROWS = ("More than one element", "More than one row returned by a subquery")
"""How the module and DuckDB say that a subquery has several rows where one is due."""
_MISSING = re.compile(r"Orionbox does not support (.*) yet", re.DOTALL)
"""A NotBuilt that a function raised inside DuckDB."""


class BigQueryError(Exception):
    """An error as BigQuery answers it.

    Attributes:
        reason: One of https://cloud.google.com/bigquery/docs/error-messages, such as `invalidQuery`.
        message: Google's sentence, or ours in its form.
        location: What it is about, such as `query`.
        status: The HTTP status.
    """

    def __init__(self, reason: str, message: str, location: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location
        self.status = status


class NotBuilt(BigQueryError):
    """BigQuery has it; Orionbox does not, and says which function, type or clause it is."""

    def __init__(self, what: str) -> None:
        super().__init__("notImplemented", f"Orionbox does not support {what} yet", "query", 501)
        self.what = what


def failed(error: BaseException) -> BigQueryError:
    """What the server did not foresee. Clients would repeat a request for ten minutes after a 500."""
    if isinstance(error, MemoryError):
        return BigQueryError("resourcesExceeded", f"{TOO_MUCH_MEMORY}: out of memory", "query")
    if isinstance(error, RecursionError) or "Max recursion depth" in str(error):  # the latter of Arrow's files
        return BigQueryError("resourcesExceeded", TOO_DEEP, "query")
    text = f"Orionbox failed at this request ({type(error).__name__}): see the BigQuery server's log"
    return BigQueryError("notImplemented", text, status=501)


def invalid_query(sentence: str) -> BigQueryError:
    """An error in a statement; the module writes `[at 1:8]`, BigQuery `at [1:8]`."""
    if sentence.startswith(_SEVERAL_ROWS):
        sentence = "Scalar subquery produced more than one element"
    return BigQueryError("invalidQuery", _PLACE.sub(r" at [\1]", sentence), "query")


def from_duckdb(text: str) -> BigQueryError | None:
    """The error that compiled SQL raised on purpose; None for all other texts of DuckDB's."""
    found = _RAISED.search(text)
    if found and (missing := _MISSING.fullmatch(found[1])):
        return NotBuilt(missing[1])
    return invalid_query(found[1]) if found else None
