"""Ports on this machine: those that the settings name, or the next free ones if those are in use."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from cli.programs import ROOT, say
from cli.settings.settings import Settings
from orionbox.files import write

FOLDER = ROOT / ".ports"
"""Stores the ports of each platform until it is reset."""
LOOPBACK = "127.0.0.1"


def ports_file(settings: Settings, runtime: str) -> Path:
    """Returns the file that stores the ports of this checkout's platform on that runtime."""
    return FOLDER / f"{settings.platform}-{runtime}.json"


def saved_ports(preferred: Mapping[str, int], file: Path) -> dict[str, int]:
    """Returns the saved ports; for a name without one, the preferred port.

    Args:
        preferred: ports by the name of their setting.
        file: the file that stores the ports.
    """
    saved = _read(file)
    return {name: saved.get(_key(name, port), port) for name, port in preferred.items()}


def choose(preferred: Mapping[str, int], file: Path, addresses: Mapping[str, str] | None = None) -> dict[str, int]:
    """Chooses a free port for each name: the saved one, else the preferred one, else the next free one after it.

    Saves the choice by name and preferred port: a different preferred port is chosen anew.

    Args:
        preferred: ports by the name of their setting.
        file: the file that stores the ports.
        addresses: where each name will listen; those not named listen on loopback.
    """
    saved, chosen = _read(file), dict[str, int]()
    for name, port in preferred.items():
        candidates = [saved.get(_key(name, port), port), *range(port, 65_536)]
        address = (addresses or {}).get(name, LOOPBACK)
        chosen[name] = next(free for free in candidates if free not in chosen.values() and is_free(free, address))
    file.parent.mkdir(parents=True, exist_ok=True)
    saved |= {_key(name, port): chosen[name] for name, port in preferred.items()}
    write(file, json.dumps(saved, indent=2) + "\n")
    for name, port in preferred.items():
        if chosen[name] != port:
            say(_explain(name, port, chosen[name], is_free(port, (addresses or {}).get(name, LOOPBACK))))
    return chosen


def _explain(name: str, port: int, chosen: int, is_free_now: bool) -> str:
    if is_free_now:
        return f"{name}={port} was in use once: this platform keeps {chosen} until make reset"
    return f"{name}={port} is in use on this machine: this platform takes {chosen}"


def _key(name: str, port: int) -> str:
    return f"{name}={port}"


def _read(file: Path) -> dict[str, int]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def is_free(port: int, address: str = LOOPBACK) -> bool:
    """Returns whether a server could listen there now."""
    with socket.socket() as server:
        # As servers do: a port in TIME_WAIT counts as free
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address, port))
        except OSError:
            return False
    return True
