"""What the module says, as BigQuery says it."""

from __future__ import annotations

from services.bigquery.errors import BigQueryError, NotBuilt, invalid_query
from services.bigquery.language.module import ServiceError
from services.bigquery.language.names import Statement

_UNIMPLEMENTED, _INTERNAL = 12, 13
"""Numbers of absl::StatusCode."""


def as_error(error: ServiceError, statement: Statement | None = None) -> BigQueryError:
    """The error in BigQuery's form; a place in a split statement becomes the place in the one that was sent."""
    sentence = statement.place(error.message) if statement else error.message
    if error.code in (_UNIMPLEMENTED, _INTERNAL):
        return NotBuilt(f"what Google's SQL module does not have ({sentence.splitlines()[0][:200]})")
    return invalid_query(sentence)
