"""CONTAINS_SUBSTR: values of any type as the texts that are in them.

https://cloud.google.com/bigquery/docs/reference/standard-sql/string_functions#contains_substr
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from services.bigquery import types
from services.bigquery.errors import NotBuilt
from services.bigquery.functions.texts import normalize_and_casefold
from services.bigquery.types import Type

_VALUES, _KEYS, _BOTH = "JSON_VALUES", "JSON_KEYS", "JSON_KEYS_AND_VALUES"
_PLAIN = {"STRING", "INT64", "BOOL", "NUMERIC", "BIGNUMERIC", "DATE"}
_CLOCKS = {"TIME", "DATETIME", "TIMESTAMP"}


def contains_substr(kind: Type, value: Any, text: str | None, scope: str | None = None) -> bool | None:
    """CONTAINS_SUBSTR.

    Raises:
        ValueError: The text is NULL, or the scope is none.
        NotBuilt: The value has a type in it that the reference does not list.
    """
    if text is None:
        raise ValueError("the search value must not be NULL")
    wanted, is_unknown = normalize_and_casefold(text, "NFKC"), False
    for found in _texts(kind, value, _scope(scope)):
        if found is None:
            is_unknown = True
        elif wanted in normalize_and_casefold(found, "NFKC"):
            return True
    return None if is_unknown else False


def _scope(scope: str | None) -> str:
    if scope not in (None, _VALUES, _KEYS, _BOTH):
        raise ValueError(f"json_scope must be {_VALUES}, {_KEYS} or {_BOTH}, but is {scope}")
    return scope or _VALUES


def _texts(kind: Type, value: Any, scope: str) -> Iterator[str | None]:
    """The texts in a value; None for each NULL."""
    if value is None:
        yield None
    elif kind.kind == "ARRAY":
        for item in value:
            yield from _texts(kind.part, item, scope)
    elif kind.kind == "STRUCT":
        for number, (_, field) in enumerate(kind.fields):
            yield from _texts(field, value[f"f{number}"], scope)
    elif kind.kind == "JSON":
        yield from _json_texts(json.loads(value, parse_float=str, parse_int=str), scope)
    elif kind.kind in _CLOCKS:
        yield _clock(kind, value)
    elif kind.kind in _PLAIN:
        yield str(types.to_rest(kind, value))
    else:
        raise NotBuilt(f"CONTAINS_SUBSTR of {kind.kind}")


def _clock(kind: Type, micros: int) -> str:
    """The value as CAST(... AS STRING) has it: a fraction of three or six digits."""
    whole, fraction = divmod(micros, 10**6)
    text = types.time_text(whole * 10**6) if kind.kind == "TIME" else types.datetime_text(whole * 10**6)
    digits = f".{fraction:06d}".removesuffix("000") if fraction else ""
    return f"{text.replace('T', ' ')}{digits}{'+00' if kind.kind == 'TIMESTAMP' else ''}"


def _json_texts(value: Any, scope: str) -> Iterator[str | None]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if scope != _VALUES:
                yield key
            yield from _json_texts(inner, scope)
    elif isinstance(value, list):
        for inner in value:
            yield from _json_texts(inner, scope)
    elif scope != _KEYS and value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)
