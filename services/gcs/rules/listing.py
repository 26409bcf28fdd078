"""Lists of objects, a page at a time.

The parameters: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from services.gcs.disk.catalogue import LIVE, NONCURRENT, SOFT_DELETED, Bucket, StoredObject, Transaction
from services.gcs.errors import invalid
from services.gcs.rules.globs import compile_glob
from services.gcs.rules.values import MOST_RESULTS

Position = tuple[bytes, int]
"""A name and a generation: where a page begins."""


@dataclass(frozen=True)
class Query:
    """What is asked for; names are bytes of UTF-8, whose order the list has."""

    prefix: bytes = b""
    delimiter: bytes = b""
    start: bytes = b""
    end: bytes | None = None
    trailing: bool = False
    versions: bool = False
    soft_deleted: bool = False
    glob: str = ""
    most: int = MOST_RESULTS
    token: str = ""


@dataclass
class Page:
    """A page; `token` begins the next one and is empty at the end."""

    items: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    token: str = ""


def list_objects(tx: Transaction, bucket: Bucket, query: Query) -> Page:
    """Return a page: items and prefixes are counted together."""
    page, position = Page(), _first(query)
    states = (SOFT_DELETED,) if query.soft_deleted else (LIVE, NONCURRENT) if query.versions else (LIVE,)
    fits: Callable[[str], bool] | None = compile_glob(query.glob) if query.glob else None
    while True:
        jump = None
        for stored in tx.objects(bucket, states, position, _last(query)):
            if fits and not fits(stored.name):
                continue
            if len(page.items) + len(page.prefixes) >= query.most:
                page.token = write_token((stored.name.encode(), stored.generation))
                return page
            group = _group(stored.name.encode(), query) if query.delimiter else None
            if group is None:
                page.items.append(stored)
                continue
            page.prefixes.append(group.decode())
            if query.trailing and stored.name.encode() == group:
                page.items.append(stored)
            jump = successor(group)
            break
        if jump is None:
            return page
        position = (jump, 0)


def _first(query: Query) -> Position:
    given = read_token(query.token) if query.token else (b"", 0)
    return max((query.prefix, 0), (query.start, 0), given)


def _last(query: Query) -> bytes | None:
    ends = [successor(query.prefix) if query.prefix else None, query.end]
    return min((end for end in ends if end), default=None)


def _group(name: bytes, query: Query) -> bytes | None:
    """Return the prefix under which a name is listed; None for an item."""
    at = name.find(query.delimiter, len(query.prefix))
    return None if at < 0 else name[: at + len(query.delimiter)]


def successor(prefix: bytes) -> bytes:
    """Return the first name after all that begin with a prefix."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\xff" * 1025


def write_token(position: Position) -> str:
    """Return the token of a page that begins there."""
    return base64.urlsafe_b64encode(json.dumps([position[0].hex(), position[1]]).encode()).decode()


def read_token(token: str) -> Position:
    """Return where a page begins."""
    try:
        name, generation = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        return bytes.fromhex(name), int(generation)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise invalid(f"Invalid value for pageToken: {token[:100]}", "pageToken") from None
