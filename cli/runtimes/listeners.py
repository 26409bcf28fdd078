"""Which processes listen on a port of this machine: as /proc says on Linux, and lsof on macOS.

A server that answers on a platform's port may belong to another platform or to another program. Only its process tells.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cli.environments import inherited
from orionbox.errors import CommandError
from orionbox.loopback import ADDRESS

PROC = Path("/proc")
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp: TCP_LISTEN in include/net/tcp_states.h."""
PORT_LINE, ADDRESS_LINE = 3, 5
"""Lines of PostgreSQL's postmaster.pid, from 0: LOCK_FILE_LINE_* in src/include/utils/pidfile.h."""


class Listener(NamedTuple):
    """A listening socket."""

    address: str
    """As written in its source, without the port."""
    owner: str
    """On Linux the socket's inode, on macOS the process group."""


def is_only_listener(group: int, port: int) -> bool:
    """Returns whether this process group, and nobody else, gets the connections to 127.0.0.1 on the port.

    Raises:
        CommandError: this machine has no lsof, and needs it.
    """
    if sys.platform == "darwin":
        return _reached(_from_lsof(port)) == {str(group)}
    sockets = _reached(_from_proc(port))
    return bool(sockets) and _holds(group, sockets)


def processes_at(port: int) -> Iterator[int]:
    """Yields the processes that listen on a port, on whichever address, as far as this user may see them."""
    sockets = {f"socket:[{listener.owner}]" for listener in _from_proc(port)} if sys.platform != "darwin" else set()
    for entry in PROC.iterdir() if sockets else ():
        if entry.name.isdecimal() and not sockets.isdisjoint(_open_files(int(entry.name))):
            yield int(entry.name)


def is_postmaster(group: int, port: int, cluster: Path) -> bool:
    """Returns whether this process group is the PostgreSQL of that cluster, and listens on the port.

    PostgreSQL may run as another user, whose sockets are not for us to see. It writes down itself where it listens.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    is_listening = len(lines) > ADDRESS_LINE and bool(lines[ADDRESS_LINE])
    return is_listening and (lines[0], lines[PORT_LINE]) == (str(group), str(port))


def require() -> None:
    """Checks that this machine shows who listens.

    Raises:
        CommandError: it does not.
    """
    with socket.create_server((ADDRESS, 0)) as server:
        if is_only_listener(os.getpgrp(), server.getsockname()[1]):
            return
    raise CommandError(
        "this machine does not show which process listens on a port (/proc/net/tcp, /proc/PID/fd), so Orionbox cannot "
        "tell its services from other programs",
        "use RUNTIME=compose",
    )


def _reached(listeners: Collection[Listener]) -> set[str]:
    """Returns the owners of the sockets that get the connections to 127.0.0.1: the exact address wins."""
    exact = {listener.owner for listener in listeners if listener.address in EXACT}
    return exact or {listener.owner for listener in listeners if listener.address in WILDCARDS}


# --- Linux ---


def _from_proc(port: int) -> list[Listener]:
    found = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # there is no tcp6 without IPv6
            for line in (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state, *_, inode = line.split(maxsplit=10)[:10]
                address, _, number = local.partition(":")
                if state == LISTENING and int(number, 16) == port:
                    found.append(Listener(address, inode))
    return found


def _in_proc(address: str) -> str:
    """Returns an IPv4 or IPv6 address as /proc/net writes it: words of 32 bits, each in the machine's byte order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _holds(group: int, sockets: set[str]) -> bool:
    """Returns whether each of these sockets is open in a process of the group."""
    missing = {f"socket:[{inode}]" for inode in sockets}
    for process in _processes(group):
        missing.difference_update(_open_files(process))
        if not missing:
            return True
    return False


def _processes(group: int) -> Iterator[int]:
    """Yields the processes of the group, its leader first."""
    yield group
    for entry in PROC.iterdir():
        with suppress(ValueError, OSError):  # it is no process, or has ended
            if os.getpgid(int(entry.name)) == group:
                yield int(entry.name)


def _open_files(process: int) -> Iterator[str]:
    folder = PROC / str(process) / "fd"
    with suppress(OSError):  # it has ended, or is another user's
        for name in os.listdir(folder):
            with suppress(OSError):
                yield os.readlink(folder / name)


# --- macOS ---


def _from_lsof(port: int) -> list[Listener]:
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fgn"]
    try:
        printed = subprocess.run(command, env=inherited.for_tools(), capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise CommandError("lsof: no such program; Orionbox needs it to find its own services", "install it") from error
    return parse_lsof(printed)


def parse_lsof(printed: str) -> list[Listener]:
    """Returns the listeners in the output of `lsof -Fgn`: a line each, with the field's letter first."""
    found, group = [], ""
    for line in printed.splitlines():
        if line.startswith("g"):
            group = line[1:]
        elif line.startswith("n"):
            found.append(Listener(line[1:].rpartition(":")[0], group))
    return found


EXACT = {ADDRESS, *map(_in_proc, (ADDRESS, f"::ffff:{ADDRESS}"))}
WILDCARDS = {"*", *map(_in_proc, ("0.0.0.0", "::"))}
