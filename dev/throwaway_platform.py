"""A platform of one's own, for benchmarks and faults: a copy of the checkout with its own name, ports and data."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.bundle import checkout_copy
from cli.programs import ROOT, last_lines, say
from cli.runtimes.compose import engine
from cli.settings import env_file
from dev import throwaway_platform
from orionbox.errors import CommandError
from orionbox.orion.client import Orion


@dataclass(frozen=True)
class OwnPlatform:
    """A platform in the checkout `root`, with the environment that tells it from others."""

    root: Path
    env: dict[str, str]

    @property
    def name(self) -> str:
        """The project's name, and its network's."""
        return self.env["COMPOSE_PROJECT_NAME"]

    @property
    def orion(self) -> Orion:
        """Its Orion."""
        return Orion(f"http://localhost:{self.env['ORION_PORT']}")

    def image(self, name: str) -> str:
        """One of its images, by the name of the service that it is built for."""
        tag = self.env.get("ORIONBOX_TAG") or env_file.parse(self.root / "compose/versions.env")["ORIONBOX_TAG"]
        return f"orionbox/{name}:{tag}"

    def run(self, *command: str) -> str:
        """What a command prints, run at the checkout's top.

        Raises:
            CommandError: it failed; the text ends with what it said.
        """
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)
        if done.returncode:
            said = last_lines(done.stdout + done.stderr)
            raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{said}")
        return done.stdout

    def make(self, *arguments: str) -> str:
        """What `make ARGUMENTS` prints."""
        return self.run("make", *arguments)


@contextmanager
def started(purpose: str, whose: str) -> Iterator[OwnPlatform]:
    """Starts one; when this ends, nothing of it is left.

    Args:
        purpose: a word for its name.
        whose: who needs it, in the message where there is no engine.

    Raises:
        CommandError: no Docker engine answers, or the platform does not start.
    """
    if fault := engine.fault():
        raise CommandError(f"{fault}, and {whose} need one: make engine starts it on Debian and Ubuntu")
    root = Path(tempfile.mkdtemp(prefix=f"orionbox-{purpose}-"))
    # Compose asks for PWD, as ctl sets it
    env = {
        **throwaway_platform.plain_environment(),
        **throwaway_platform.identity(purpose),
        "RUNTIME": "compose",
        "PWD": str(root),
    }
    platform = OwnPlatform(checkout_copy.copy_of_the_tree(root), env)
    # So that an end from outside takes the way through `finally` too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    say(f"platform {platform.name}: starting, in {root}")
    try:
        platform.make("up")
        yield platform
    finally:
        _remove(platform)


def _remove(platform: OwnPlatform) -> None:
    say(f"platform {platform.name}: removing")
    try:
        platform.make("reset")
    finally:
        shutil.rmtree(platform.root)


OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What make tells the makes that it calls."""
ARGUMENTS = ("COLOR", "YEAR", "MONTHS", "FROM", "SERVICE", "FILE", "SECRETS", "SPLIT", "ONLY", "ROWS")
"""What the Makefile passes on to its commands."""
SETTINGS = ("RUNTIME", "ENGINE", "WORKERS", "BIND_ADDRESS", "CLOUD", "GCP_PROJECT", "GCP_BUCKET", "GCP_KEY_FILE")
"""What a user may have set for the checkout itself."""


def plain_environment() -> dict[str, str]:
    """The environment without what was meant for this checkout's make: a make in a copy is nobody's sub-make."""
    ours = {*OF_MAKE, *ARGUMENTS, *SETTINGS}
    return {name: value for name, value in os.environ.items() if name not in ours}


def identity(purpose: str) -> dict[str, str]:
    """Settings that keep a copy apart from every other platform: its name, and ports on which nothing listens."""
    names = [name for name in env_file.parse(ROOT / ".env.example") if name.endswith("_PORT")]
    ports = dict(zip(names, free_ports(len(names))))
    return {**ports, "COMPOSE_PROJECT_NAME": f"orionbox-{purpose}-{uuid.uuid4().hex[:8]}"}


def free_ports(count: int) -> list[str]:
    """Ports on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
