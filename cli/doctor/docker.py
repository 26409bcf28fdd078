"""Checks of Docker: its engine and plugins, the images, and where missing ones come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cli.doctor import bundles
from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.doctor.network import check_index
from cli.runtimes.compose import engine as container_engine
from cli.runtimes.compose.engine import OLDEST_COMPOSE, Problem
from cli.settings.settings import Settings

INFO = "|".join(
    f"{{{{.{field}}}}}"
    for field in ("ServerVersion", "OperatingSystem", "MemTotal", "SecurityOptions", "DockerRootDir", "SystemTime")
)
BASE_IMAGES = ("debian:bookworm-slim",)
INSTALL = "Debian, Ubuntu: sudo make engine; elsewhere install Docker"
UPDATE = "Debian, Ubuntu: sudo make engine; elsewhere update Docker"


@dataclass(frozen=True)
class Engine:
    """A container engine that answers."""

    version: str
    memory_mb: int
    is_desktop: bool
    """Whether it is Docker Desktop, whose containers run in a virtual machine with its own memory."""
    folder: str = ""
    """Where it keeps images and volumes, on its own machine."""
    clock: float = 0
    """Its time, in seconds since 1970; 0 if it does not say."""


def problem(machine: Machine) -> Problem | None:
    """Returns why the engine cannot be used; None if it answers."""
    if not machine.has("docker"):
        return Problem("there is no docker command", INSTALL)
    answer = machine.ask("docker", "version")
    return None if answer.is_ok else container_engine.explain(answer.text, machine.variables)


def check_engine(machine: Machine) -> tuple[Engine | None, Finding]:
    """Checks the engine.

    Returns:
        The engine, or None if the platform cannot use one; and the finding.
    """
    if not machine.has("docker"):
        return None, fail("engine", "there is no docker command, which RUNTIME=compose needs", INSTALL)
    if address := _other_machine(machine):
        text = f"{address} is another machine, which does not have these files"
        fix = "unset DOCKER_HOST" if machine.variables.get("DOCKER_HOST") else "docker context use default"
        return None, fail("engine", text, fix)
    info = machine.ask("docker", "info", "--format", INFO)
    version, *others = info.text.strip().split("|")
    if info.is_ok and version and len(others) == INFO.count("|"):
        return _describe(machine, version, *others)
    # `docker info` of older versions does not say why it failed; `docker version` does
    answer = machine.ask("docker", "version")
    errors = info.text + ("" if answer.is_ok else answer.text)
    return None, fail("engine", *container_engine.explain(errors, machine.variables))


def _other_machine(machine: Machine) -> str:
    """Returns the address of an engine on another machine; empty if it is on this one."""
    address = machine.variables.get("DOCKER_HOST", "")
    if not address:
        answer = machine.ask("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        address = answer.text.strip() if answer.is_ok else ""
    is_here = re.match(r"tcp://(127\.|localhost\b|\[::1\])", address)
    return address if address.startswith(("tcp:", "ssh:")) and not is_here else ""


def _describe(
    machine: Machine, version: str, system: str, memory: str, security: str, folder: str, time: str
) -> tuple[Engine | None, Finding]:
    if "name=rootless" in security:
        text = f"Docker {version} is rootless; the platform needs the socket /var/run/docker.sock"
        fix = "docker context use default, with an engine of the system; or make up RUNTIME=embedded"
        return None, fail("engine", text, fix)
    is_desktop = system == "Docker Desktop"
    engine = Engine(version, int(memory) // 1_000_000, is_desktop, folder, _seconds(time))
    if machine.is_container and machine.shows_processes and not machine.process_named("dockerd"):
        text = f"Docker {version} runs outside this container, and sees the folder {machine.root} of its own machine"
        fix = "mount this folder there under the same path; or RUNTIME=embedded; or an engine in here: sudo make engine"
        return engine, warn("engine", text, fix)
    if (machine.which("docker") or "").startswith("/snap/") and machine.home not in machine.root.parents:
        fix = f"move this folder below {machine.home}, or install Docker from a package: sudo make engine"
        return engine, fail("engine", f"Docker's snap cannot see {machine.root}", fix)
    return engine, ok("engine", f"Docker Desktop, Docker {version}" if is_desktop else f"Docker {version}")


def _seconds(time: str) -> float:
    """Returns Docker's time, like 2026-11-26T17:34:13.421723392Z, in seconds since 1970; 0 if it is another text."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[.\d]*(Z|[+-]\d\d:\d\d)$", time)
    return datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).timestamp() if match else 0


def check_name(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Checks whose platform of that name the engine has; the commands refuse another checkout's."""
    refusal = machine.refuse_platform(settings)
    if refusal:
        yield fail("name", refusal.text, refusal.fix)
    else:
        yield ok("name", f"{settings.platform} is not another checkout's")


def check_plugins(machine: Machine) -> Iterator[Finding]:
    """Checks Compose and Buildx."""
    answer = machine.ask("docker", "compose", "version", "--short")
    version = answer.text.strip().lstrip("v") if answer.is_ok else ""
    needed = ".".join(map(str, OLDEST_COMPOSE))
    if found := None if version else container_engine.explain_missing_plugin(answer.text, machine.variables):
        yield fail("compose", *found)
    elif not version:
        yield fail("compose", f"is missing; {needed} or newer is needed", UPDATE)
    elif _numbers(version) < OLDEST_COMPOSE:
        yield fail("compose", f"{version}; {needed} or newer is needed", UPDATE)
    else:
        yield ok("compose", version)
    answer = machine.ask("docker", "buildx", "version")
    if answer.is_ok and len(answer.text.split()) > 1:
        yield ok("buildx", answer.text.split()[1])
    else:
        yield warn("buildx", "is missing; Docker 23 and newer build with it", UPDATE)


def _numbers(version: str) -> tuple[int, ...]:
    """Returns the first two numbers of a version like `2.26.1-4`."""
    return tuple(int(number) if number.isdecimal() else 0 for number in version.split(".")[:2])


def are_images_built(machine: Machine, tag: str) -> bool:
    """Returns whether the flows image, one of the last to be built, exists."""
    return machine.ask("docker", "image", "inspect", f"orionbox/flows:{tag}").is_ok


def check_images(machine: Machine, are_built: bool) -> Iterator[Finding]:
    """Checks the images; if they are missing, where they can come from: a bundle, or registry and package index."""
    if are_built:
        yield ok("images", "built; neither registry nor package index is needed until their sources change")
    elif bundle := bundles.find_bundle(machine):
        text = f"are not built yet; {bundle.name} has them, and no network is needed"
        yield warn("images", text, bundles.command(machine, bundle))
    else:
        for image in BASE_IMAGES:
            yield _check_base(machine, image)
        yield check_index(machine)


def _check_base(machine: Machine, image: str) -> Finding:
    if machine.ask("docker", "image", "inspect", image).is_ok:
        return ok("registry", f"{image} is on this machine")
    answer = machine.ask("docker", "manifest", "inspect", image, seconds=15)
    if answer.is_ok:
        return ok("registry", f"{image} can be pulled")
    text = f"{image} cannot be pulled ({answer.reason})"
    if machine.has("debootstrap") or machine.has("apt-get"):
        fix = "none needed if you are root: make up builds it from this machine's Debian mirror"
        return warn("registry", text, fix)
    fix = (
        "connect to the internet; or load a bundle (docs/classroom.md); or on a machine that is connected: "
        f"docker save {image} | gzip > base.tar.gz, and here: docker load -i base.tar.gz"
    )
    return fail("registry", text, fix)
