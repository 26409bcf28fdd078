"""Partial answers: the parameter `fields` names what a client wants, such as `items(name,size),nextPageToken`.

https://cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from services.gcs.errors import StorageError, invalid
from services.gcs.rules.field_names import ANSWERS

Wanted = dict[str, Any]
TOKEN = re.compile(r"[^,()/\s]+|[,()/]")
MOST_TOKENS = 500
JSON_PATH = re.compile(r"(?:/resumable)?(?:/upload)?/storage/v1(/.*)")


def select(content: Any, text: str) -> Any:
    """Return those fields of an answer that a client asks for."""
    return _keep(content, _parse(text))


def check(method: str, path: str, query: Mapping[str, str]) -> None:
    """Refuse to select a field that Google's answer to a call cannot have."""
    text, found = query.get("fields"), JSON_PATH.fullmatch(path)
    if not text or not found or query.get("alt") == "media":
        return
    for call, names in ANSWERS.items():
        if re.fullmatch(call, f"{method} {found[1]}"):
            _check(_parse(text), _known(names))
            return


def _check(wanted: Wanted, known: Wanted) -> None:
    for name, inside in wanted.items():
        if name == "*" or "*" in known:
            continue
        if name not in known:
            raise StorageError(400, "invalidParameter", f"Invalid field selection {name[:200]}", "fields")
        _check(inside, known[name])


@cache
def _known(names: str) -> Wanted:
    return _read(TOKEN.findall(names), 0)[0]


def _parse(text: str) -> Wanted:
    tokens = TOKEN.findall(text)
    if len(tokens) > MOST_TOKENS:
        raise invalid("Invalid field selection: too long", "fields")
    wanted, rest = _read(tokens, 0)
    if rest != len(tokens):
        raise invalid(f"Invalid field selection {text[:200]}", "fields")
    return wanted


def _read(tokens: list[str], at: int, depth: int = 0) -> tuple[Wanted, int]:
    """Read names with what is wanted of each, up to a closing parenthesis; return them and the next token's place."""
    wanted: Wanted = {}
    while at < len(tokens) and tokens[at] != ")":
        if tokens[at] == ",":
            at += 1
            continue
        at = _read_name(tokens, at, wanted, depth)
    return wanted, at


def _read_name(tokens: list[str], at: int, wanted: Wanted, depth: int) -> int:
    name = tokens[at]
    if name in "(/" or depth > 20:
        raise invalid("Invalid field selection", "fields")
    inside = wanted.setdefault(name, {})
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if following == "/" and at + 2 < len(tokens):
        return _read_name(tokens, at + 2, inside, depth + 1)
    if following == "(":
        found, end = _read(tokens, at + 2, depth + 1)
        inside.update(found)
        return end + 1
    return at + 1


def _keep(content: Any, wanted: Wanted) -> Any:
    if not wanted or "*" in wanted and not wanted["*"]:
        return content
    if isinstance(content, list):
        return [_keep(each, wanted) for each in content]
    if not isinstance(content, dict):
        return content
    every: Wanted = wanted.get("*", {})
    return {name: _keep(value, wanted.get(name, every)) for name, value in content.items() if name in wanted or every}
