"""Lets Prefect's client send any text to Orion. Otherwise one odd character loses a batch of log lines, or a state.

A lone surrogate stands for a byte that is not UTF-8, for example in the name of a file; no JSON can hold it. The
server's own door (services/orion/door.py) does the same for zero bytes, which only its database refuses.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
from prefect._internal.schemas import serializers

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""The integers that orjson writes."""


def dumps(value: Any, default: Callable[[Any], Any], option: int = 0) -> bytes:
    r"""Returns the value as JSON, as orjson does, but with lone surrogates as readable text like `\udc80`.

    Raises:
        ValueError: the value holds an integer of more than 64 bits, which Orion cannot store.
    """
    try:
        return orjson.dumps(value, default=default, option=option)
    except TypeError:
        return orjson.dumps(storable(value), default=lambda part: storable(default(part)), option=option)


def storable(value: Any) -> Any:
    """Returns the value with all lone surrogates as readable text.

    Raises:
        ValueError: the value holds an integer of more than 64 bits.
    """
    if isinstance(value, str):
        return LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {storable(key): storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(part) for part in value]
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        bits = value.bit_length()
        raise ValueError(f"an integer of {bits} bits: Orion stores at most 64; pass it as a text, and convert it there")
    return value


def install() -> None:
    """Makes the client's messages use `dumps`."""
    options = {name: getattr(orjson, name) for name in dir(orjson) if name.startswith("OPT_")}
    serializers.orjson = SimpleNamespace(dumps=dumps, **options)
