"""What the module says, as BigQuery says it."""

from __future__ import annotations

import re

from services.bigquery.errors import BigQueryError, NotBuilt, invalid_query
from services.bigquery.language.module import ServiceError
from services.bigquery.language.names import Statement

_UNIMPLEMENTED, _INTERNAL = 12, 13
"""Numbers of absl::StatusCode."""


_NOT_FOUND = re.compile(r"(?:Table-valued f|F)unction not found: ([\w.]+)")
NOT_IN_MODULE = frozenset(
    """APPENDS CHANGES EXTERNAL_QUERY GAP_FILL RANGE_SESSIONIZE VECTOR_SEARCH
    EXTERNAL_OBJECT_TRANSFORM BAG_OF_WORDS TF_IDF
    ST_REGIONSTATS DLP_DETERMINISTIC_DECRYPT DLP_DETERMINISTIC_ENCRYPT DLP_KEY_CHAIN""".split()
)
"""Functions of BigQuery's that Google's library does not have, besides ML.*, AI.* and OBJ.*."""
_NOT_EVALUATED = ("NET.PUBLIC_SUFFIX", "NET.REG_DOMAIN")
"""Functions that the analyzer has, and that are hidden from the evaluator."""
_MOST_ELEMENTS = "Cannot generate arrays with more than 16000 elements"
"""A bound of the module's own: BigQuery's is 1,048,575, which the compiler's lines keep to."""
_PREFIXES = ("ML.", "AI.", "OBJ.", "BQML.")


def as_error(error: ServiceError, statement: Statement | None = None) -> BigQueryError:
    """The error in BigQuery's form; a place in a split statement becomes the place in the one that was sent."""
    sentence = statement.place(error.message) if statement else error.message
    if error.code in (_UNIMPLEMENTED, _INTERNAL):
        return NotBuilt(f"what Google's SQL module does not have ({sentence.splitlines()[0][:200]})")
    if sentence.startswith(_MOST_ELEMENTS):
        return NotBuilt("arrays of more than 16,000 elements from this function")
    if "invalid collation name 'und:ci'" in sentence:
        return NotBuilt("the collation und:ci")
    found = _NOT_FOUND.match(sentence)
    name = found[1].upper() if found else ""
    if name in NOT_IN_MODULE or name.startswith((*_PREFIXES, *_NOT_EVALUATED)):
        return NotBuilt(f"function {name}")
    return invalid_query(sentence)
