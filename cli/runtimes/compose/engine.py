"""The container engine: whether Docker answers, why it does not, and whether its Compose is new enough."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cli.environments import inherited
from cli.waiting import waiting_for
from orionbox.errors import CommandError

TIMEOUT = 20
"""Seconds for an engine to answer."""
OLDEST_COMPOSE = (2, 20)
"""The first version with `include`."""
SOCKET = "/var/run/docker.sock"
"""Where the engine of the system listens; the platform needs that one."""
SILENT = re.compile(r"cannot connect|daemon running|connection refused|no such file|cannot find the file", re.I)
"""What docker prints if nobody listens."""
LONGEST_QUOTE = 200
"""Characters of docker's own words in a message."""


class Problem(NamedTuple):
    """Why the engine cannot be used, and a fix."""

    text: str
    fix: str


def problem() -> Problem | None:
    """Returns why no Docker engine answers; None if one does."""
    if not shutil.which("docker"):
        return Problem("there is no docker command", "Debian, Ubuntu: sudo make engine; elsewhere install Docker")
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        environment = inherited.for_tools()
        with waiting_for("an answer of the Docker engine"):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", timeout=TIMEOUT
            )
    except subprocess.TimeoutExpired:
        return Problem(f"the Docker engine has not answered for {TIMEOUT} s", "restart Docker")
    except OSError as error:
        return Problem(f"the docker command cannot be run ({error.strerror})", "install Docker again")
    return explain(done.stderr + done.stdout) if done.returncode else None


def unavailable_reason() -> str:
    """Returns why no Docker engine answers; empty if one does."""
    found = problem()
    return found.text if found else ""


def explain(errors: str, variables: Mapping[str, str] = os.environ) -> Problem:
    """Returns what the docker command's error means.

    Args:
        errors: what `docker version` or `docker info` printed.
        variables: the user's environment variables.
    """
    if "WSL" in errors:
        fix = "Docker Desktop: Settings, Resources, WSL integration; or sudo make engine"
        return Problem("Docker is not connected to this WSL distribution", fix)
    if "podman" in errors.lower():
        return Problem("docker is Podman here, on which the platform does not run", "install Docker: sudo make engine")
    if found := _explain_settings(errors, variables):
        return found
    named = variables.get("DOCKER_HOST") or errors
    address = re.search(r"(unix://|tcp://|ssh://|https?://(?!%2F))([^\s?\"]+)", named)
    kind, place = (address[1], address[2].rstrip(".:")) if address else ("unix://", SOCKET)
    if "permission denied" in errors.lower() and kind == "unix://":
        return _explain_refusal(place)
    if kind != "unix://" or place not in (SOCKET, SOCKET.replace("/var", "", 1)):
        text = f"no Docker engine answers at {kind}{place}"
        return Problem(text, f"start it; or for the one of this system: {_forget_context(variables)}")
    words = [line.strip() for line in errors.splitlines() if line.strip(" |")]
    if words and not re.search(SILENT, errors):
        reason = next((line for line in words if re.search("error|fatal|denied", line, re.I)), words[-1])
        return Problem(f"docker fails: {reason[:LONGEST_QUOTE]}", "see all that it says: docker version")
    return Problem("the engine is not running", _how_to_start())


def _explain_settings(errors: str, variables: Mapping[str, str]) -> Problem | None:
    """Returns which setting of the docker command is wrong; None if it did not say so."""
    api, host = variables.get("DOCKER_API_VERSION"), variables.get("DOCKER_HOST", "")
    if api and ("API version" in errors or "page not found" in errors):
        return Problem(f"the Docker engine refuses DOCKER_API_VERSION={api}", "unset DOCKER_API_VERSION")
    if certificate := re.search(r"open (\S+\.pem)", errors):
        misleading = _set_of(variables, "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
        text = f"Docker's certificate {certificate[1]} does not exist"
        return Problem(text, f"unset {misleading}" if misleading else _forget_context(variables))
    if re.search(r"context not found|context .* is not found", errors):
        return Problem("the Docker context in use does not exist", _forget_context(variables))
    if host and ("unable to resolve docker endpoint" in errors or "://" not in host):
        return Problem(f"no Docker engine answers at DOCKER_HOST={host}", "unset DOCKER_HOST")
    if "unable to resolve docker endpoint" in errors:
        return Problem("the Docker context in use does not exist", _forget_context(variables))
    return None


def explain_missing_plugin(errors: str, variables: Mapping[str, str] = os.environ) -> Problem | None:
    """Returns why docker finds no plugins, although they may be installed; None if it does not say.

    Args:
        errors: what docker printed on standard error.
        variables: the user's environment variables.
    """
    found = re.search(r"Error loading config file: (.+?): open .*: (permission denied|not a directory)", errors)
    if not found:
        return None
    text = f"docker finds no plugins, because it cannot read {found[1]} ({found[2]})"
    fix = f'sudo chown -R "$USER" {shlex.quote(os.path.dirname(found[1]))}'
    return Problem(text, "unset DOCKER_CONFIG" if variables.get("DOCKER_CONFIG") else fix)


def _set_of(variables: Mapping[str, str], *names: str) -> str:
    """Returns those of the variables that are set, in one text."""
    return " ".join(name for name in names if variables.get(name))


def _forget_context(variables: Mapping[str, str]) -> str:
    """Returns the command after which docker asks the engine of the system."""
    misleading = _set_of(variables, "DOCKER_HOST", "DOCKER_CONTEXT")
    return f"unset {misleading}" if misleading else "docker context use default"


def _how_to_start() -> str:
    if sys.platform == "darwin":
        return "start Docker Desktop"
    if Path("/run/systemd/system").exists():
        return "sudo systemctl start docker"
    return "Debian, Ubuntu: sudo make engine; elsewhere start Docker"


def _explain_refusal(socket: str) -> Problem:
    """Returns why this user may not use the engine's socket."""
    text, status = f"permission denied on {socket}", _status(socket)
    if not status:  # a folder above it is closed, such as another user's
        return Problem(text, "it is another user's; docker context use default")
    group, has_name = _group_name(status.st_gid)
    if not status.st_mode & 0o060 == 0o060 or status.st_gid == 0:
        return Problem(f"{text}, which only root may use", f"sudo chgrp docker {socket} && sudo chmod 660 {socket}")
    if status.st_gid in os.getgroups():
        return Problem(f"{text}, although you are in group {group}", f"look at: ls -ld {Path(socket).parent} {socket}")
    if not has_name:
        fix = f"sudo groupadd --gid {group} docker && sudo usermod -aG docker $USER, then log out and in"
        return Problem(f"{text}: its group {group} has no name here", fix)
    if _is_member(status.st_gid):
        fix = f"log out and in; for this terminal: newgrp {group}"
        return Problem(f"{text}: you are in group {group} only since this session began", fix)
    return Problem(f"{text}: add yourself to group {group}", f"sudo usermod -aG {group} $USER, then log out and in")


def _status(socket: str) -> os.stat_result | None:
    try:
        return os.stat(socket)
    except OSError:
        return None


def _group_name(gid: int) -> tuple[str, bool]:
    """Returns the group's name, or its number if it has none; and whether it has one."""
    try:
        return grp.getgrgid(gid).gr_name, True
    except KeyError:
        return str(gid), False


def _is_member(gid: int) -> bool:
    """Returns whether the user's next session will be in that group."""
    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return user.pw_gid == gid or user.pw_name in grp.getgrgid(gid).gr_mem


def require() -> None:
    """Refuses a machine on which Compose cannot work.

    Raises:
        CommandError: no engine answers, or its Compose is too old.
    """
    if found := problem():
        raise CommandError(*found)
    command, environment = ["docker", "compose", "version", "--short"], inherited.for_tools()
    with waiting_for("docker compose version"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    version = done.stdout if not done.returncode else ""
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_COMPOSE:
        if found := explain_missing_plugin(done.stderr):
            raise CommandError(*found)
        found_version = version.strip() or "is missing"
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        raise CommandError(f"Docker Compose {found_version}: {oldest} or newer is needed", "run: sudo make engine")
