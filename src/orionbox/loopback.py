"""The platform's own addresses: never behind a proxy, and `localhost` in links for people."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

ADDRESS, NAME = "127.0.0.1", "localhost"
LINK_HOST = "LINK_HOST"
"""The variable with the host of links for people. A container cannot look it up: its `localhost` is another one."""
WITHOUT_PROXY = build_opener(ProxyHandler({}))
"""A proxy of the user's environment would be asked for a service on this machine, which it cannot reach."""


def open_url(url: str | Request, timeout: float) -> Any:
    """Opens an address of the platform; returns the response, a context manager.

    Args:
        url: the address, or a request.
        timeout: seconds for one answer.

    Raises:
        OSError: no answer, or the status of an error.
    """
    return WITHOUT_PROXY.open(url, timeout=timeout)


def link_host() -> str:
    """Returns the host of links for people: `localhost`, or 127.0.0.1 where `localhost` is only another address."""
    return os.environ.get(LINK_HOST) or _resolved_host()


@lru_cache(maxsize=1)
def _resolved_host() -> str:
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(NAME, None)}
    except OSError:
        return ADDRESS
    return NAME if ADDRESS in found else ADDRESS


def link(url: str) -> str:
    """Returns the address of a service on this machine as a link for people."""
    return url.replace(f"//{ADDRESS}", f"//{link_host()}", 1)
