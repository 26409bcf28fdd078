"""A platform for one test, benchmark or fault: a copy of the checkout with its own name, ports and data."""

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

from cli.bundle.checkout_copy import copy_checkout
from cli.programs import last_lines, say
from cli.runtimes.compose import engine
from cli.settings import env_file
from orionbox.errors import CommandError
from orionbox.orion.client import Orion

MAKE_VARIABLES = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""Variables in which one make passes its arguments to another."""


@dataclass(frozen=True)
class ThrowawayPlatform:
    """A platform in a copy of the checkout."""

    root: Path
    env: dict[str, str]
    """The environment of its commands, with the settings that keep it apart from other platforms."""

    @property
    def name(self) -> str:
        """Returns the name of its Compose project, and of its network."""
        return self.env["COMPOSE_PROJECT_NAME"]

    @property
    def orion(self) -> Orion:
        """Returns the client of its Orion."""
        return Orion(f"http://127.0.0.1:{self.env['ORION_PORT']}")

    def image(self, name: str) -> str:
        """Returns the tag of one of its images, for example of `flows`."""
        tag = self.env.get("ORIONBOX_TAG") or env_file.parse(self.root / "compose/versions.env")["ORIONBOX_TAG"]
        return f"orionbox/{name}:{tag}"

    def run(self, *command: str) -> str:
        """Runs a command at the top of the copy; returns what it prints.

        Raises:
            CommandError: the command failed; the text ends with the end of its output.
        """
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)
        if done.returncode:
            lines = last_lines(done.stdout + done.stderr)
            raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{lines}")
        return done.stdout

    def make(self, *arguments: str) -> str:
        """Runs `make ARGUMENTS`; returns what it prints."""
        return self.run("make", *arguments)


@contextmanager
def running(purpose: str) -> Iterator[ThrowawayPlatform]:
    """Starts a platform, and removes it with everything in it at the end.

    Args:
        purpose: a word for its name.

    Raises:
        CommandError: no Docker engine answers, or the platform does not start.
    """
    if reason := engine.unavailable_reason():
        raise CommandError(f"{reason}, and make {purpose} needs Docker", "on Debian and Ubuntu: sudo make engine")
    root = Path(tempfile.mkdtemp(prefix=f"orionbox-{purpose}-"))
    # Compose reads PWD: the engine mounts folders of the copy
    env = {**clean_environment(), **identity(purpose), "RUNTIME": "compose", "PWD": str(root)}
    platform = ThrowawayPlatform(copy_checkout(root), env)
    # A SIGTERM ends the process by an exception, so that `finally` runs
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    say(f"platform {platform.name}: starting, in {root}")
    try:
        platform.make("up")
        yield platform
    finally:
        _remove(platform)


def _remove(platform: ThrowawayPlatform) -> None:
    say(f"platform {platform.name}: removing")
    try:
        platform.make("reset", "YES=yes")
    finally:
        shutil.rmtree(platform.root)


def clean_environment() -> dict[str, str]:
    """Returns the environment without this checkout's settings and make's own variables."""
    settings = (*env_file.parse(env_file.EXAMPLE), *env_file.OLD_NAMES, "RUNTIME")
    return {name: value for name, value in os.environ.items() if name not in (*MAKE_VARIABLES, *settings)}


def identity(purpose: str) -> dict[str, str]:
    """Returns settings that keep a platform apart from every other: its name, and free ports.

    Args:
        purpose: a word for its name.
    """
    names = [name for name in env_file.parse(env_file.EXAMPLE) if name.endswith("_PORT")]
    ports = dict(zip(names, free_ports(len(names))))
    return {**ports, "COMPOSE_PROJECT_NAME": f"orionbox-{purpose}-{uuid.uuid4().hex[:8]}"}


def free_ports(count: int) -> list[str]:
    """Returns ports on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
