"""What a route is: its methods, the pattern of its raw path, and the function that answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Route:
    """A route; `is_specific` unless its pattern fits what other APIs' paths look like."""

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    handler: Callable[..., Any]
    is_specific: bool = True


def json_route(methods: str, path: str, handler: Callable[..., Any], prefix: str = "(?:/storage/v1)?") -> Route:
    """Return a route of the JSON API.

    Args:
        methods: separated by blanks; HEAD comes with GET.
        path: below /storage/v1; `{name}` is one part of it.
        handler: the function that answers; one that is not async is called after the body has been read, in a thread
            if it changes something.
        prefix: what the path begins with.
    """
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    all_methods = methods.replace("GET", "GET HEAD").split()
    return Route(tuple(all_methods), re.compile(prefix + pattern), handler)


def route(methods: str, pattern: str, handler: Callable[..., Any], is_specific: bool = True) -> Route:
    """Return a route whose path is a regular expression."""
    return Route(tuple(methods.split()), re.compile(pattern), handler, is_specific)
