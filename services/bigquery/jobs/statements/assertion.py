"""ASSERT: https://cloud.google.com/bigquery/docs/reference/standard-sql/debugging-statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.bigquery import schema
from services.bigquery.errors import invalid_query
from services.bigquery.jobs.history import Result
from services.bigquery.language import tree
from services.bigquery.queries import plain_rows
from services.bigquery.scripts.syntax import Parsed, syntax_node


def check(statement: Any, parsed: Parsed, answer: Callable[[str], Result]) -> None:
    """Evaluates the condition.

    Args:
        statement: The resolved statement.
        parsed: Its text.
        answer: Runs a query.

    Raises:
        BigQueryError: The condition is not true.
    """
    result = answer(parsed.source.query(syntax_node(parsed.statements[0].expr)))
    if plain_rows(result.table, schema.columns_of(result.fields))[0][0] is not True:
        raise invalid_query(tree.node(statement).description or "Assertion failed")
