"""Checks of the platform's ports: whether they are free, and who else has them."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.machine import Finding, Machine, Owner, ok, warn
from cli.runtimes.compose import optional_services
from cli.runtimes.embedded import variables
from cli.runtimes.ports import LAST
from cli.settings.settings import Settings

PROXY = "docker-proxy"
"""The process that listens for a container."""
FORM = "|".join(
    [
        '{{.Label "com.docker.compose.project"}}',
        '{{.Label "com.docker.compose.project.working_dir"}}',
        '{{.Label "orionbox.folder"}}',
        "{{.Names}}",
    ]
)


def check_ports(settings: Settings, machine: Machine, runtime: str) -> Iterator[Finding]:
    """Checks whether something else listens on the platform's ports."""
    findings = []
    for name, port in machine.saved_ports(settings, runtime, _needed(settings, runtime)).items():
        obstacle = machine.port_obstacle(port)
        if not obstacle or (runtime == "compose" and port < 1024 and "administrator" in obstacle):
            continue
        owner = (_container_at(machine, port) if runtime == "compose" else None) or machine.port_owner(port)
        if owner.name == PROXY:
            owner = _container_at(machine, port) or owner
        if owner.platform == settings.platform and owner.folder == str(machine.root):
            continue
        fix = "nothing to do: make up takes the next free one"
        if name in settings.values:
            free = next((other for other in range(port + 1, LAST) if not machine.port_obstacle(other)), LAST)
            fix += f"; or set {name}={free} in .env"
        findings.append(warn(f"port {port}", f"{obstacle}, by {owner}" if str(owner) else obstacle, fix))
    yield from findings or [ok("ports", "all are free, or this platform's own")]


def _needed(settings: Settings, runtime: str) -> dict[str, int]:
    """Returns the ports of the services that the settings enable."""
    if runtime == "embedded":
        return variables.preferred_ports(settings)
    return optional_services.enabled_ports(settings)


def _container_at(machine: Machine, port: int) -> Owner | None:
    """Returns whose container publishes the port; None if none does."""
    answer = machine.ask("docker", "ps", "--filter", f"publish={port}", "--format", FORM)
    fields = answer.text.partition("\n")[0].split("|") if answer.is_ok else []
    if len(fields) != FORM.count("|") + 1:
        return None
    project, folder, of_orionbox, container = fields
    return Owner(f"container {container}", project, of_orionbox or folder, bool(of_orionbox))
