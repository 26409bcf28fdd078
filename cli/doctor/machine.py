"""Findings, and the queries about this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cli.environments import inherited, package_index
from cli.programs import ROOT, without_options
from cli.runtimes import ports
from cli.waiting import waiting_for


@dataclass(frozen=True)
class Finding:
    """One line of `./orionbox doctor`."""

    state: str
    """`ok`, `warn` or `fail`."""
    subject: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<5} {self.subject:<15} {self.text}"
        return f"{line}; fix: {self.fix}" if self.fix else line


def ok(subject: str, text: str) -> Finding:
    """Returns the finding that nothing is wrong."""
    return Finding("ok", subject, text)


def warn(subject: str, text: str, fix: str) -> Finding:
    """Returns a problem that does not stop the platform."""
    return Finding("warn", subject, text, fix)


def fail(subject: str, text: str, fix: str) -> Finding:
    """Returns a problem that stops the platform."""
    return Finding("fail", subject, text, fix)


class Answer(NamedTuple):
    """A program's output (its errors if it failed), and whether it succeeded."""

    is_ok: bool
    text: str


@dataclass(frozen=True)
class Machine:
    """Answers what the checks ask about this machine. Tests use a fake one."""

    root: Path = ROOT
    proc: Path = Path("/proc")
    site_certificates: Path = Path("/usr/local/share/ca-certificates")
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def python_version(self) -> str:
        """The version of the Python that runs the commands."""
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    @property
    def is_mac(self) -> bool:
        """Whether this is macOS."""
        return sys.platform == "darwin"

    def has(self, program: str) -> bool:
        """Returns whether the program is on PATH."""
        return bool(shutil.which(program))

    def ask(self, *command: str, seconds: float = 20) -> Answer:
        """Runs a program; a missing or too slow program counts as failed, with empty output.

        Args:
            command: the program and its arguments.
            seconds: how long it may take.
        """
        try:
            environment = _environment(command)
            with waiting_for(without_options(command)):
                done = subprocess.run(
                    command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=seconds
                )
        except (OSError, subprocess.TimeoutExpired):
            return Answer(False, "")
        return Answer(not done.returncode, done.stdout if not done.returncode else done.stderr or done.stdout)

    def now(self) -> float:
        """Returns the seconds since 1970 by the system clock."""
        return time.time()

    def free_disk_mb(self) -> int:
        """Returns the megabytes that are free on the checkout's disk."""
        return shutil.disk_usage(self.root).free // 1_000_000

    def free_memory_mb(self) -> int | None:
        """Returns the megabytes of memory that programs can get; None if there is no /proc."""
        file = self.proc / "meminfo"
        match = re.search(r"^MemAvailable:\s+(\d+)", file.read_text() if file.exists() else "", re.MULTILINE)
        return int(match[1]) // 1000 if match else None

    def is_port_free(self, port: int) -> bool:
        """Returns whether a server could listen there now."""
        return ports.is_free(port)

    def port_owner(self, port: int) -> str:
        """Returns the name of the program that listens there; empty if it is unknown."""
        if self.has("ss"):
            match = re.search(rf':{port}\s.*?\("([^"]+)"', self.ask("ss", "-ltnpH").text)
        else:
            listeners = self.ask("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN").text
            match = re.search(rf"^(\S+) .*:{port} ", listeners, re.MULTILINE)
        return match[1] if match else ""

    def certificates(self) -> list[Path]:
        """Returns the certificates that go into the images besides Debian's own."""
        folders = (self.root / "infra/certs", self.site_certificates)
        return [file for folder in folders for file in sorted(folder.glob("*.crt"))]


def _environment(command: tuple[str, ...]) -> dict[str, str]:
    """Returns the environment that the command line itself uses for such a program."""
    return package_index.environment() if "pip" in command else inherited.for_tools()
