"""Checks of Docker: its engine and plugins, the images, and where missing ones come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cli.doctor.machine import Answer, Finding, Machine, fail, ok, warn
from cli.runtimes.compose.engine import OLDEST_COMPOSE

INFO = "{{.ServerVersion}}|{{.OperatingSystem}}|{{.MemTotal}}|{{.SecurityOptions}}"
BASE_IMAGES = ("debian:bookworm-slim", "debian:trixie-slim")
UPDATE = "Debian, Ubuntu: sudo make engine; elsewhere update Docker"


@dataclass(frozen=True)
class Engine:
    """A container engine that answers."""

    version: str
    memory_mb: int
    is_desktop: bool
    """Whether it is Docker Desktop, whose containers run in a virtual machine with its own memory."""


def check_engine(machine: Machine, runtime: str) -> tuple[Engine | None, Finding]:
    """Checks the engine.

    Args:
        machine: the machine to check.
        runtime: the runtime that the user named; empty to choose automatically.

    Returns:
        The engine, or None if the platform cannot use one; and the finding.
    """
    if runtime == "embedded":
        return None, ok("engine", "none is needed: RUNTIME=embedded")
    if not machine.has("docker"):
        fix = "Debian, Ubuntu: sudo make engine; elsewhere install Docker Desktop"
        if runtime:
            return None, fail("engine", "there is no docker command, which RUNTIME=compose needs", fix)
        text = "there is no docker command; the platform will run without Docker (docs/embedded.md)"
        return None, warn("engine", text, fix)
    address = machine.variables.get("DOCKER_HOST", "")
    if address.startswith(("tcp:", "ssh:")):
        text = f"DOCKER_HOST={address} is another machine, which does not have these files"
        return None, fail("engine", text, "unset DOCKER_HOST")
    info = machine.ask("docker", "info", "--format", INFO)
    version, *others = info.text.strip().split("|")
    if info.is_ok and version and len(others) == INFO.count("|"):
        return _describe(version, *others)
    # `docker info` of older versions does not say why it failed; `docker version` does
    return None, _no_answer(machine, info.text + machine.ask("docker", "version").text)


def _describe(version: str, system: str, memory: str, security: str) -> tuple[Engine | None, Finding]:
    if "name=rootless" in security:
        text = f"Docker {version} is rootless; the platform needs the socket /var/run/docker.sock"
        fix = "docker context use default, with an engine of the system; or make up RUNTIME=embedded"
        return None, fail("engine", text, fix)
    is_desktop = system == "Docker Desktop"
    engine = Engine(version, int(memory) // 1_000_000, is_desktop)
    return engine, ok("engine", f"Docker Desktop, Docker {version}" if is_desktop else f"Docker {version}")


def _no_answer(machine: Machine, errors: str) -> Finding:
    if "permission denied" in errors:
        fix = "sudo usermod -aG docker $USER, then log out and in"
        return fail("engine", "it is running, but you may not use it", fix)
    fix = "start Docker Desktop" if machine.is_mac else "Debian, Ubuntu: sudo make engine; elsewhere start Docker"
    return fail("engine", "docker is installed, but no engine answers", fix)


def check_plugins(machine: Machine) -> Iterator[Finding]:
    """Checks Compose and Buildx."""
    answer = machine.ask("docker", "compose", "version", "--short")
    version = answer.text.strip().lstrip("v") if answer.is_ok else ""
    needed = ".".join(map(str, OLDEST_COMPOSE))
    if not version:
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


def check_image_sources(machine: Machine) -> Iterator[Finding]:
    """Checks where missing images come from: the registry and the package index."""
    for image in BASE_IMAGES:
        yield _check_base(machine, image)
    yield _check_index(machine)


def _check_base(machine: Machine, image: str) -> Finding:
    if machine.ask("docker", "image", "inspect", image).is_ok:
        return ok("registry", f"{image} is on this machine")
    answer = machine.ask("docker", "manifest", "inspect", image, seconds=15)
    if answer.is_ok:
        return ok("registry", f"{image} can be pulled")
    text = f"{image} cannot be pulled ({reason(answer)})"
    if machine.has("debootstrap") or machine.has("apt-get"):
        fix = "none needed if you are root: make up builds it from this machine's Debian mirror"
        return warn("registry", text, fix)
    fix = (
        "connect to the internet; or on a machine that is connected: "
        f"docker save {image} | gzip > base.tar.gz, and here: docker load -i base.tar.gz"
    )
    return fail("registry", text, fix)


def _check_index(machine: Machine) -> Finding:
    if not machine.ask("python3", "-m", "pip", "--version").is_ok:
        text = "cannot be asked: python3 has no pip"
        return warn("package index", text, "nothing to do; the build reports it if the index is missing")
    answer = machine.ask("python3", "-m", "pip", "index", "versions", "--disable-pip-version-check", "uv")
    if answer.is_ok:
        return ok("package index", "answers")
    fix = "connect to the internet, or set your mirror: export PIP_INDEX_URL=https://..."
    if "certificate" in answer.text.lower():
        fix = "put the certificate of your proxy's authority into infra/certs/ as a .crt file"
    return fail("package index", reason(answer), fix)


def reason(answer: Answer) -> str:
    """Returns why a program failed, in a few words."""
    if "CERTIFICATE_VERIFY_FAILED" in answer.text or "x509" in answer.text:
        return "its certificate is not trusted"
    lines = answer.text.strip().splitlines()
    return lines[-1][:80] if lines else "no answer in time"


def container_at(machine: Machine, port: int) -> tuple[str, str]:
    """Returns the compose project and the name of the container that publishes the port; empty if none does."""
    form = '{{.Label "com.docker.compose.project"}}|{{.Names}}'
    answer = machine.ask("docker", "ps", "--filter", f"publish={port}", "--format", form)
    project, _, name = answer.text.partition("\n")[0].partition("|") if answer.is_ok else ("", "", "")
    return project, name
