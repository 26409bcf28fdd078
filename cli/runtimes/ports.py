"""Ports on this machine: the wanted ones, or where they are taken, the next free ones."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from cli.programs import ROOT, say
from cli.settings import env_file
from orionbox.files import write

FOLDER = ROOT / ".ports"
"""Which ports each platform has, until it is reset."""
LOOPBACK = "127.0.0.1"


def file_of(runtime: str) -> Path:
    """Where this checkout's platform on that runtime has its ports noted."""
    return FOLDER / f"{env_file.load()['COMPOSE_PROJECT_NAME']}-{runtime}.json"


def settle(wanted: Mapping[str, int], file: Path, addresses: Mapping[str, str] | None = None) -> dict[str, int]:
    """A free port for each name: the one noted in `file`, else the wanted one, else the next free one after it.

    What was chosen is noted in `file`, by name and wanted port: another wish later on gets another port.

    Args:
        wanted: by name.
        file: the note.
        addresses: by name, where a port is not for loopback.
    """
    kept, chosen = _read(file), dict[str, int]()
    for name, port in wanted.items():
        candidates = [kept.get(f"{name}={port}", port), *range(port, 65_536)]
        address = (addresses or {}).get(name, LOOPBACK)
        chosen[name] = next(found for found in candidates if found not in chosen.values() and is_free(found, address))
    file.parent.mkdir(parents=True, exist_ok=True)
    kept |= {f"{name}={port}": chosen[name] for name, port in wanted.items()}
    write(file, json.dumps(kept, indent=2) + "\n")
    for name, port in wanted.items():
        if chosen[name] == port:
            continue
        if is_free(port, (addresses or {}).get(name, LOOPBACK)):
            say(f"{name}={port} was taken once: this platform has kept {chosen[name]}, until make reset")
        else:
            say(f"{name}={port} is taken on this machine: this platform has {chosen[name]}")
    return chosen


def kept(wanted: Mapping[str, int], file: Path) -> dict[str, int]:
    """The ports as they were settled, or as they will probably be."""
    noted = _read(file)
    return {name: noted.get(f"{name}={port}", port) for name, port in wanted.items()}


def _read(file: Path) -> dict[str, int]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def is_free(port: int, address: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as server:
        # As servers do: a port whose last connections still fade away is free
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address, port))
        except OSError:
            return False
    return True
