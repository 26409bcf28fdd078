"""Copies of the checkout, for tests and benchmarks: each with its own name, ports and data."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from fnmatch import fnmatch
from pathlib import Path

from ctl import dotenv
from ctl.shell import ROOT, output

OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What make tells the makes that it calls."""
ARGUMENTS = ("COLOR", "YEAR", "MONTHS", "FROM", "SERVICE", "FILE", "SECRETS", "SPLIT", "ONLY", "ROWS")
"""What the Makefile passes on to its commands."""
SETTINGS = ("RUNTIME", "ENGINE", "WORKERS", "BIND_ADDRESS", "CLOUD", "GCP_PROJECT", "GCP_BUCKET", "GCP_KEY_FILE")
"""What a user may have set for the checkout itself."""


def copy_of_the_tree(target: Path) -> Path:
    """All files that git knows or would add, and this machine's certificates."""
    certificates = [str(path.relative_to(ROOT)) for path in ROOT.glob("infra/certs/*.crt")]
    for name in filter(lambda name: (ROOT / name).is_file(), sources() + certificates):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


def has_history() -> bool:
    """Whether the checkout is a git repository of its own, and there is git."""
    return bool(shutil.which("git")) and (ROOT / ".git").exists()


def sources() -> list[str]:
    """The checkout's own files, without what the platform and its user make; from its top on."""
    if has_history():
        return output("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] not in ("", "#")]
    found = (path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file())
    return [path.as_posix() for path in found if not _is_ignored(path, ignored)]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    """As git sees it, for what .gitignore holds: names, and paths from the top."""
    starts = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    return any(fnmatch(name, pattern) for pattern in patterns for name in (*path.parts, *starts))


def plain_environment() -> dict[str, str]:
    """The environment without what was meant for this checkout's make: a make in a copy is nobody's sub-make."""
    ours = {*OF_MAKE, *ARGUMENTS, *SETTINGS}
    return {name: value for name, value in os.environ.items() if name not in ours}


def identity(purpose: str) -> dict[str, str]:
    """Settings that keep a copy apart from every other platform: its name, and ports on which nothing listens."""
    names = [name for name in dotenv.parse(ROOT / ".env.example") if name.endswith("_PORT")]
    ports = dict(zip(names, free_ports(len(names))))
    return {**ports, "COMPOSE_PROJECT_NAME": f"orionbox-{purpose}-{uuid.uuid4().hex[:8]}"}


def free_ports(count: int) -> list[str]:
    """Ports on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
