"""Clones of this checkout on one machine: each a platform on the default ports, whose commands run at the same time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.bundle.checkout_copy import copy_checkout
from cli.programs import last_lines, say
from dev.throwaway_platform import ThrowawayPlatform, clean_environment
from orionbox.errors import CommandError
from orionbox.services import SERVICES

LIMITS = {"build": 1800, "up": 900, "run-etl": 600, "psql": 120, "down": 300, "reset": 300}
"""Seconds in which a command must end; those of a start are for a machine that is busy with five of them."""
RESET = ("reset", "YES=yes")
END_WITHIN = 30
"""Seconds in which a command must end after a SIGTERM."""


@dataclass(frozen=True)
class Clone(ThrowawayPlatform):
    """A clone of this checkout; its platform has the default ports, or the next free ones."""

    number: int
    """From 1."""

    def __str__(self) -> str:
        return f"clone {self.number} ({self.runtime})"

    @property
    def runtime(self) -> str:
        """Returns the runtime of its platform."""
        return self.env["RUNTIME"]

    @property
    def output(self) -> Path:
        """Returns the file with the output of its last command."""
        return self.root.with_suffix(".log")

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts `make ARGUMENTS`, in a process group of its own."""
        with self.output.open("wb") as file:
            return subprocess.Popen(
                ["make", *arguments],
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def with_printed_ports(self) -> Clone:
        """Returns the clone with the ports that its last command, `make up`, has printed."""
        return Clone(self.root, {**self.env, **printed_ports(self.output.read_text())}, self.number)


def printed_ports(text: str) -> dict[str, str]:
    """Returns the port by the name of its setting, from the addresses that `make up` prints."""
    titles = {service.title: service.port for service in SERVICES if service.address}
    found = re.findall(r"^  (\S.*?)  +(?:http://)?localhost:(\d+)", text, re.MULTILINE)
    return {titles[title]: port for title, port in found if title in titles}


def make_together(commands: Sequence[tuple[Clone, Sequence[str]]]) -> list[str]:
    """Starts a command of make in each clone at the same moment, and waits for all; returns a text for each failure."""
    started = list[tuple[Clone, Sequence[str], subprocess.Popen[bytes]]]()
    try:
        for clone, arguments in commands:
            started.append((clone, arguments, clone.begin(*arguments)))
        begin = time.monotonic()
        return [failure for each in started if (failure := _wait(*each, begin))]
    finally:
        for _, _, process in started:
            _end(process)


def _wait(clone: Clone, arguments: Sequence[str], process: subprocess.Popen[bytes], begin: float) -> str:
    """Returns why the command failed; empty if it did not."""
    limit = LIMITS[arguments[0]]
    try:
        code = process.wait(max(0.0, begin + limit - time.monotonic()))
    except subprocess.TimeoutExpired:
        why = f"not within {limit} s"
    else:
        why = f"exit {code}" if code else ""
    return f"{clone}: make {arguments[0]}: {why}\n{last_lines(clone.output.read_text())}" if why else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command and the programs that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(END_WITHIN)


@contextmanager
def prepared(purpose: str, runtimes: Sequence[str]) -> Iterator[list[Clone]]:
    """Creates clones and builds their images and virtual environments; removes them with all their data at the end.

    Args:
        purpose: a word for the names of their platforms.
        runtimes: the runtime of each.

    Raises:
        CommandError: something could not be built, or not be removed.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"orionbox-{purpose}-"))
    # A SIGTERM ends the process by an exception, so that `finally` runs
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    clones = [_create(folder, purpose, number, runtime) for number, runtime in enumerate(runtimes, 1)]
    try:
        for clone in clones:
            say(f"{clone}: building, in {clone.root}")
            if failures := make_together([(clone, ["build"])]):
                raise CommandError(failures[0])
        yield clones
    finally:
        _remove(folder, clones)


def _create(folder: Path, purpose: str, number: int, runtime: str) -> Clone:
    root = copy_checkout(folder / f"clone-{number}")
    # Compose reads PWD. Platforms without Docker all keep the default name, as they do for users
    env = {**clean_environment(), "RUNTIME": runtime, "PWD": str(root)}
    if runtime == "compose":
        env["COMPOSE_PROJECT_NAME"] = f"{folder.name}-{number}"
    return Clone(root, env, number)


def _remove(folder: Path, clones: Sequence[Clone]) -> None:
    say("removing the clones")
    failures = make_together([(clone, RESET) for clone in clones])
    left = [f"{clone}: {line}" for clone in clones for line in leftovers(clone)]
    if failures or left:
        raise CommandError("\n".join([*failures, *left]), f"end what is left, then remove {folder}")
    shutil.rmtree(folder)


def leftovers(clone: Clone) -> list[str]:
    """Returns what is left of a platform that has been reset: processes, containers, volumes, networks."""
    if clone.runtime == "compose":
        return [
            f"{kind}: {name}"
            for kind, listed in LISTED.items()
            for name in clone.run("docker", *listed, f"name={clone.name}").split()
        ]
    return [f"process {number}: {command}" for number, command in processes_in(clone.root)]


LISTED = {
    "container": ("ps", "--all", "--format", "{{.Names}}", "--filter"),
    "volume": ("volume", "ls", "--quiet", "--filter"),
    "network": ("network", "ls", "--format", "{{.Name}}", "--filter"),
}


def processes_in(root: Path) -> Iterator[tuple[str, str]]:
    """Yields id and command of the processes whose program or working directory is in that folder (Linux)."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command and f"{root}/" in f"{command} {os.readlink(process / 'cwd')}/":
                yield process.name, command
