"""A platform of one's own, for benchmarks and faults: a copy of the checkout with its own name, ports and data."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctl import copies, dotenv
from ctl.orion import Orion
from ctl.runtime import engine_fault
from ctl.shell import CommandError, last_lines, say


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
        tag = self.env.get("ORIONBOX_TAG") or dotenv.parse(self.root / "compose/versions.env")["ORIONBOX_TAG"]
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
    if fault := engine_fault():
        raise CommandError(f"{fault}, and {whose} need one: make engine starts it on Debian and Ubuntu")
    root = Path(tempfile.mkdtemp(prefix=f"orionbox-{purpose}-"))
    # Compose asks for PWD, as ctl sets it
    env = {**copies.plain_environment(), **copies.identity(purpose), "RUNTIME": "compose", "PWD": str(root)}
    platform = OwnPlatform(copies.copy_of_the_tree(root), env)
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
