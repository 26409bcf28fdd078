"""The manifest of a backup or bundle: which facts it may hold, in which form.

Its text is printed and its names become paths, so a manifest in any other form is refused before it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

LARGEST = 4 << 20
"""Bytes; enough for the rows of some 40,000 tables."""
LONGEST_TEXT = 200
SHA256, FINGERPRINT, SIZE = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{12}"), 1 << 62
VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < SIZE


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_counts(value: object) -> bool:
    """Returns whether these are rows by table; a table's name may have any character."""
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_rows(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(name) and _is_counts(rows) for name, rows in value.items())


def _is_member(facts: object) -> bool:
    if not isinstance(facts, dict) or not _matches(SHA256)(facts.get("sha256")):
        return False
    return all(_is_number(value) for name, value in facts.items() if name != "sha256") and "bytes" in facts


def _is_members(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(name) and _is_member(facts) for name, facts in value.items())


def _is_sql_text(value: object) -> bool:
    """Returns whether PostgreSQL can hold this text."""
    return isinstance(value, str) and "\0" not in value


def _is_warehouse(value: object) -> bool:
    """Returns whether these are the facts of `databases.read_facts`."""
    if not isinstance(value, dict) or not value.keys() <= {"views", "comment", "settings"}:
        return False
    views, settings = value.get("views", []), value.get("settings", [])
    lists = [views, settings] if isinstance(views, list) and isinstance(settings, list) else []
    texts = (
        [*views, *(part for one in settings for part in (one if isinstance(one, list) else [None]))] if lists else []
    )
    is_comment = value.get("comment") is None or _is_sql_text(value["comment"])
    return bool(lists) and is_comment and all(map(_is_sql_text, texts)) and all(len(one) == 3 for one in settings)


REQUIRED: Mapping[str, Callable[[object], bool]] = {
    "format": _is_number,
    "orionbox": _matches(VERSION),
    "members": _is_members,
}
OPTIONAL: Mapping[str, Callable[[object], bool]] = {
    "platform": _is_text,
    "runtime": _is_text,
    "cloud": _is_text,
    "made": _is_text,
    "machine": _is_text,
    "images": _is_list_of_texts,
    "key": _matches(FINGERPRINT),
    "bytes": _is_number,
    "rows": _is_rows,
    "warehouse": _is_warehouse,
    "signature": _matches(SHA256),
}


def digest(manifest: Mapping[str, Any]) -> str:
    """Returns the hash of a manifest."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def first_wrong_fact(manifest: Mapping[str, Any]) -> str:
    """Returns the name of a fact that is missing or has another form; empty if there is none."""
    wrong = [name for name, is_right in REQUIRED.items() if not is_right(manifest.get(name))]
    wrong += [name for name, is_right in OPTIONAL.items() if name in manifest and not is_right(manifest[name])]
    return wrong[0] if wrong else ""
