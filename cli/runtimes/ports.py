"""Ports on this machine: those that the settings name, or the next free ones if those are in use."""

from __future__ import annotations

import errno
import fcntl
import json
import socket
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.programs import ROOT, say
from cli.runtimes import checkout
from cli.settings.settings import Settings
from orionbox import loopback
from orionbox.errors import CommandError
from orionbox.files import write

FOLDER = ROOT / checkout.FOLDER
"""Stores the ports of each platform until it is reset."""
LOCK = Path(__file__)
"""Carries a lock that lasts a whole start. Nothing else locks it; the folders are locked for each write."""
LOOPBACK, LOOPBACK_6 = loopback.ADDRESS, "::1"
LAST = 65_535
"""The highest port."""
START_TRIES = 5
"""How often a start is tried if another program takes a port each time."""
IN_USE, FORBIDDEN = "is in use on this machine", "is for the administrator of this machine only"
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
"""The errors of a machine without IPv6."""


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
    return {name: saved.get(_key(name, preferred), port) for name, port in preferred.items()}


def choose(
    preferred: Mapping[str, int],
    file: Path,
    reservations: Reservations,
    addresses: Mapping[str, str] | None = None,
    taken: Collection[int] = (),
    privileged: bool = False,
    names: Collection[str] | None = None,
) -> dict[str, int]:
    """Chooses and reserves a free port for each name: the saved one, else the preferred one, else the next free one.

    Saves the choice by name and preferred port: a different preferred port is chosen anew. So does a setting that makes
    way for another one with the same port, which may have been typed for one start: it comes back afterwards.

    Args:
        preferred: the ports of all settings by their names.
        file: the file that stores the ports.
        reservations: where to reserve the chosen ports.
        addresses: where each name will listen; those not named listen on loopback.
        taken: ports that are not free, even if they look so from here.
        privileged: whether the server may listen on ports that are closed to this user, as a container engine may.
        names: those that need a port; all by default.

    Raises:
        CommandError: no port is free.
    """
    saved, search = _read(file), _Search(reservations, taken, privileged)
    chosen = {name: port for name, port in preferred.items() if names is None or name in names}
    for name, port in chosen.items():
        # The next free port may be the one that another setting prefers, which would have to go on, too
        others = (other for other in range(port, LAST + 1) if other == port or other not in preferred.values())
        candidates = [saved.get(_key(name, preferred), port), *others]
        search.find(name, candidates, (addresses or {}).get(name, LOOPBACK))
    file.parent.mkdir(parents=True, exist_ok=True)
    saved |= {_key(name, preferred): search.chosen[name] for name in chosen}
    write(file, json.dumps(saved, indent=2) + "\n")
    for name, port in chosen.items():
        if search.chosen[name] != port:
            say(_explain(name, port, search.chosen[name], search.obstacles.get((name, port), "")))
    return search.chosen


class _Search:
    """The search for a free port for each of several names."""

    def __init__(self, reservations: Reservations, taken: Collection[int], privileged: bool) -> None:
        self._reservations, self._taken, self._privileged = reservations, taken, privileged
        self.chosen: dict[str, int] = {}
        self.obstacles: dict[tuple[str, int], str] = {}
        """Why a name cannot have a port."""

    def find(self, name: str, candidates: Sequence[int], address: str) -> None:
        """Chooses the first port that is free, and reserves it."""
        for port in candidates:
            obstacle = self._obstacle(port, address)
            if not obstacle:
                self.chosen[name] = port
                return
            self.obstacles[name, port] = obstacle
        first = candidates[-1] if len(candidates) == 1 else candidates[1]
        raise CommandError(
            f"{name}={first}: no port from {first} to {LAST} is free on this machine",
            f"set {name} in .env to a smaller number",
        )

    def _obstacle(self, port: int, address: str) -> str:
        if port in self.chosen.values():
            return f"is {next(name for name, other in self.chosen.items() if other == port)}, too"
        if port in self._taken:
            return IN_USE
        if not self._reservations.add(port):
            return "belongs to another Orionbox on this machine"
        obstacle = find_obstacle(port, address)
        if obstacle == FORBIDDEN and self._privileged:
            return ""
        if obstacle:
            self._reservations.remove(port)
        return obstacle


def _explain(name: str, port: int, chosen: int, obstacle: str) -> str:
    if not obstacle:
        return f"{name}={port} was in use once: this platform keeps {chosen} until make reset"
    return f"{name}={port} {obstacle}: this platform takes {chosen}"


def _key(name: str, preferred: Mapping[str, int]) -> str:
    """Returns what a choice depends on: the preferred port, and the setting before this one that has it, too."""
    port = preferred[name]
    first = next(other for other, its_port in preferred.items() if its_port == port)
    return f"{name}={port}" if first == name else f"{name}={port} beside {first}"


def _read(file: Path) -> dict[str, int]:
    """Returns what the file stores; a damaged file, which somebody else has written, stores nothing."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    found = content.items() if isinstance(content, dict) else ()
    return {key: port for key, port in found if type(port) is int and 0 < port <= LAST}


def is_free(port: int, address: str = LOOPBACK) -> bool:
    """Returns whether a server could listen there now, and no other program answers to `localhost`."""
    return not find_obstacle(port, address)


def find_obstacle(port: int, address: str = LOOPBACK) -> str:
    """Returns why no server of the platform can have that port; empty if it is free."""
    try:
        if not can_listen(port, address):
            return IN_USE
        # Browsers and other programs may try this address first for `localhost`
        return "" if address != LOOPBACK or can_listen(port, LOOPBACK_6) else f"is in use on [{LOOPBACK_6}]"
    except PermissionError:
        return FORBIDDEN


def can_listen(port: int, address: str) -> bool:
    """Returns whether a server could listen on that address now, or the machine does not have it.

    Raises:
        PermissionError: this user may not listen on that port.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as server:
            # As servers do: a port in TIME_WAIT counts as free
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, port))
    except PermissionError:
        raise
    except OSError as error:
        return error.errno in NO_SUCH_ADDRESS and address == LOOPBACK_6
    return True


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Waits for every other command of this checkout that chooses ports to start containers on."""
    with LOCK.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command that starts a platform of this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Reservations:
    """Ports that no other Orionbox on this machine chooses, until they are bound.

    Each is an abstract Unix socket, which Linux has beside the file system: all users of a network namespace share
    their names, and the kernel frees a name when the last process that has it open ends. macOS has no such sockets.
    """

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}

    def add(self, port: int) -> bool:
        """Reserves a port; returns whether nobody else has."""
        if sys.platform != "linux" or port in self._sockets:
            return True
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0orionbox-port-{port}")
        except OSError as error:
            reservation.close()
            return error.errno != errno.EADDRINUSE  # a sandbox without such sockets has no reservations
        self._sockets[port] = reservation
        return True

    def remove(self, port: int) -> None:
        """Gives a port up."""
        if reservation := self._sockets.pop(port, None):
            reservation.close()

    def descriptors(self) -> list[int]:
        """Returns the file descriptors with which another process can keep the reservations."""
        return [reservation.fileno() for reservation in self._sockets.values()]

    def __enter__(self) -> Reservations:
        return self

    def __exit__(self, *error: object) -> None:
        for port in list(self._sockets):
            self.remove(port)
