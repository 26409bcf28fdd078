"""Findings, and the queries about this machine."""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cli.doctor import cgroups
from cli.doctor.cgroups import Share
from cli.environments import inherited, package_index
from cli.programs import ROOT, without_options
from cli.runtimes import choose, listeners, ownership, ports
from cli.runtimes.embedded import virtual_environments
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.errors import BadInputError


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

    @property
    def reason(self) -> str:
        """Why the program failed, in a few words."""
        if "CERTIFICATE_VERIFY_FAILED" in self.text or "x509" in self.text:
            return "its certificate is not trusted"
        lines = self.text.strip().splitlines()
        return lines[-1][:80] if lines else "no answer in time"


class Disk(NamedTuple):
    """A file system."""

    number: int
    """The same for all folders of one file system."""
    free_mb: int
    free_files: int | None
    """How many more files it can hold; None if it has no limit, or does not say."""


class Owner(NamedTuple):
    """Who listens on a port."""

    name: str
    """The program or the container; empty if it is unknown."""
    platform: str = ""
    """The Compose project, or the platform without Docker; empty if it is neither."""
    folder: str = ""
    """The folder that it was started in."""
    is_orionbox: bool = False

    def __str__(self) -> str:
        return f"platform {self.platform} of Orionbox in {self.folder}" if self.is_orionbox else self.name


@dataclass(frozen=True)
class Machine:
    """Answers what the checks ask about this machine. Tests use a fake one."""

    root: Path = ROOT
    proc: Path = Path("/proc")
    site_certificates: Path = Path("/usr/local/share/ca-certificates")
    media: tuple[Path, ...] = (Path("/media"), Path("/run/media"), Path("/mnt"), Path("/Volumes"))
    """Where sticks and other disks are mounted."""
    shared_memory: Path = Path("/dev/shm")
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def python_version(self) -> str:
        """The version of the Python that runs the commands."""
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    @property
    def is_mac(self) -> bool:
        """Whether this is macOS."""
        return sys.platform == "darwin"

    @property
    def user(self) -> int:
        """The id of the user who runs the commands; 0 is root."""
        return os.geteuid()

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return Path(self.variables.get("HOME") or os.path.expanduser("~"))

    def has(self, program: str) -> bool:
        """Returns whether the program is on PATH."""
        return bool(shutil.which(program))

    def which(self, program: str) -> str | None:
        """Returns the path of a program on PATH."""
        return shutil.which(program)

    @property
    def is_container(self) -> bool:
        """Whether this is inside a container of Docker or Podman."""
        return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()

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
                    command,
                    cwd=self.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=seconds,
                )
        except (OSError, subprocess.TimeoutExpired):
            return Answer(False, "")
        return Answer(not done.returncode, done.stdout if not done.returncode else done.stderr or done.stdout)

    def choose_runtime(self, name: str, settings: Settings) -> tuple[str, str]:
        """Returns the name of the runtime that a command would use, and why.

        Args:
            name: as the user typed it; empty to choose automatically.
            settings: the user's.

        Raises:
            OrionboxError: commands refuse to choose, and say why.
        """
        runtime, reason = choose.choose(name, settings)
        return runtime.name, reason

    def now(self) -> float:
        """Returns the seconds since 1970 by the system clock."""
        return time.time()

    def disk(self, folder: Path) -> Disk:
        """Returns the file system of a folder; of the next folder above that exists.

        Raises:
            OSError: the system does not say.
        """
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        found = os.statvfs(folder)
        free = found.f_bavail * found.f_frsize // 1_000_000
        return Disk(folder.stat().st_dev, free, found.f_favail if found.f_files else None)

    def free_memory(self, engine: int = 0) -> Share | None:
        """Returns the memory that programs can get; None if this system does not say.

        Args:
            engine: the process id of the container engine if its containers are meant.
        """
        return cgroups.free_memory(self.proc, engine)

    def cpus(self) -> float:
        """Returns how many CPUs the platform can keep busy."""
        return cgroups.cpus(self.proc)

    def free_processes(self) -> int | None:
        """Returns how many more processes and threads the cgroups allow; None if they set no limit."""
        return cgroups.free_processes(self.proc)

    def limit(self, name: str) -> tuple[float, float]:
        """Returns the soft and the hard limit of a process, by its name in the module `resource`."""
        number = getattr(resource, name, None)
        if number is None:
            return math.inf, math.inf
        soft, hard = (math.inf if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number))
        return soft, hard

    @cached_property
    def pip_options(self) -> Mapping[str, str]:
        """Pip's configuration: the package index and the way to it."""
        return package_index.configured(("python3", "-m", "pip"))

    def can_connect(self, host: str, port: int) -> bool:
        """Returns whether something accepts connections there."""
        try:
            with socket.create_connection((host, port), timeout=2):
                return True
        except OSError:
            return False

    @property
    def are_environments_built(self) -> bool:
        """Whether the virtual environments of the embedded runtime are there; they may be outdated."""
        return virtual_environments.are_complete()

    @property
    def python(self) -> str:
        """The path of the Python that the embedded runtime needs; empty if there is none."""
        if self.user == 0:  # root starts nothing that flows can change
            return virtual_environments.python_of_this_machine()
        return virtual_environments.python_that_fits()

    def process_named(self, name: str) -> int:
        """Returns the id of a process with that name; 0 if this one sees none."""
        for file in self.proc.glob("[0-9]*/comm"):
            try:
                if file.read_text(errors="replace").strip() == name:
                    return int(file.parent.name)
            except OSError:  # it has ended
                continue
        return 0

    @property
    def shows_processes(self) -> bool:
        """Whether the system shows this user the processes of others, such as the first one."""
        return os.access(self.proc / "1/comm", os.R_OK)

    def refuse_platform(self, settings: Settings) -> BadInputError | None:
        """Returns why the commands refuse the platform on Docker: it is another checkout's; None if it is not."""
        try:
            ownership.require(settings)
        except BadInputError as error:
            return error
        return None

    def cannot_write(self, folder: Path) -> str:
        """Returns why no file can be made in that folder; empty if one can."""
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"test")
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def can_use(self, path: Path, to_write: bool) -> bool:
        """Returns whether this user can read a file, or enter a folder, or also write in it."""
        mode = os.R_OK | (os.X_OK if path.is_dir() else 0) | (os.W_OK if to_write else 0)
        return os.access(path, mode)

    def file_system(self, folder: Path) -> str:
        """Returns the kind of file system that a folder is on; empty if this system does not say."""
        try:
            mounts = cgroups.MOUNT.findall((self.proc / "self/mountinfo").read_text(errors="replace"))
        except OSError:
            return ""
        kinds = {cgroups.unescape(mount): kind for _, mount, kind, _ in mounts}
        above = [path for path in (str(folder), *map(str, folder.parents)) if path in kinds]
        return kinds[above[0]] if above else ""

    def saved_ports(self, settings: Settings, runtime: str, preferred: Mapping[str, int]) -> dict[str, int]:
        """Returns the ports that the platform has taken, or would try first."""
        return ports.saved_ports(preferred, ports.ports_file(settings, runtime))

    def port_obstacle(self, port: int) -> str:
        """Returns why the platform cannot have a port now; empty if it can."""
        return ports.find_obstacle(port)

    def port_owner(self, port: int) -> Owner:
        """Returns who listens there; one without a name if that is not shown to this user."""
        for process in listeners.processes_at(port):
            variables = self._variables_of(process)
            data = Path(variables.get("DATA", ""))
            if variables.get("ROOT") and data.parent.parent.name == virtual_environments.FOLDER.name:
                return Owner(self._name_of(process), data.parent.name, variables["ROOT"], True)
            return Owner(self._name_of(process))
        return Owner(self._name_by_tools(port))

    def _variables_of(self, process: int) -> dict[str, str]:
        """Returns the environment variables of a process; none if it is another user's."""
        try:
            text = (self.proc / str(process) / "environ").read_bytes().decode("utf-8", "replace")
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)

    def _name_of(self, process: int) -> str:
        try:
            return (self.proc / str(process) / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def _name_by_tools(self, port: int) -> str:
        """Returns the name of the program that listens there, as ss or lsof show it; empty if it is unknown."""
        if self.has("ss"):
            match = re.search(rf':{port}\s.*?\("([^"]+)"', self.ask("ss", "-ltnpH").text)
        else:
            found = self.ask("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN").text
            match = re.search(rf"^(\S+) .*:{port} ", found, re.MULTILINE)
        return match[1] if match else ""

    def certificates(self) -> list[Path]:
        """Returns the certificates that go into the images besides Debian's own."""
        folders = (self.root / "infra/certs", self.site_certificates)
        return [file for folder in folders for file in sorted(folder.glob("*.crt"))]


def _environment(command: tuple[str, ...]) -> dict[str, str]:
    """Returns the environment that the command line itself uses for such a program."""
    return package_index.environment() if "pip" in command else inherited.for_tools()
