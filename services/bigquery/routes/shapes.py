"""Whether a request's body has objects, lists and numbers where Google's discovery document has them."""

from __future__ import annotations

import re
from typing import Any

from services.bigquery.errors import BigQueryError

OBJECTS = frozenset(
    "configuration load extract copy datasetReference tableReference routineReference jobReference schema view "
    "materializedView timePartitioning rangePartitioning clustering externalDataConfiguration csvOptions labels "
    "defaultDataset destinationTable destinationTableProperties sourceTable formatOptions parameterType parameterValue "
    "arrayType range".split()
)
LISTS = frozenset("fields queryParameters sourceUris sourceTables destinationUris schemaUpdateOptions rows".split())
OF_OBJECTS = frozenset("fields queryParameters sourceTables rows".split())
"""Lists of objects; a clustering's `fields` are strings, though."""
NUMBERS = frozenset(
    "maxResults timeoutMs jobTimeoutMs skipLeadingRows maxBadRecords expirationTime expirationMs "
    "defaultTableExpirationMs defaultPartitionExpirationMs".split()
)
USERS = frozenset(["json", "labels", "value", "structValues", "arrayValues"])
"""What is below these is the user's own."""


def check(body: Any, path: str = "") -> None:
    """Refuses a body with a value of another shape.

    Raises:
        BigQueryError: In Google's words, with the value's place.
    """
    for name, value in body.items():
        here = f"{path}.{name}".lstrip(".")
        if value is None:
            continue
        if name in OBJECTS and not isinstance(value, dict) or name in LISTS and not isinstance(value, list):
            raise _wrong(here, value)
        if name in NUMBERS and not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
            raise _wrong(here, value)
        if name in USERS:
            continue
        parts = value if isinstance(value, list) else [value]
        for number, part in enumerate(parts):
            is_list = isinstance(value, list)
            if isinstance(part, dict):
                check(part, f"{here}[{number}]" if is_list else here)
            elif is_list and name in OF_OBJECTS and not path.endswith("clustering"):
                raise _wrong(f"{here}[{number}]", part)


def _wrong(place: str, value: Any) -> BigQueryError:
    text = f"Invalid value at '{place}', {str(value)[:100]!r}"
    return BigQueryError("invalid", f"Invalid JSON payload received. {text}")
