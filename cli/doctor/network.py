"""Checks of the way to the network: proxies, certificate authorities and the package index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.environments import package_index, proxies
from cli.settings.settings import Settings

PORTS = {"http": 80, "https": 443}
"""The ports of a proxy's address without one."""


def check_proxies(settings: Settings, machine: Machine, runtime: str, needs_build: bool) -> Iterator[Finding]:
    """Checks the proxies, which only programs get that reach the internet.

    Args:
        settings: the user's.
        machine: the machine to check.
        runtime: the runtime in use.
        needs_build: whether images or virtual environments must be built.
    """
    read = proxies.for_processes if runtime == "embedded" else proxies.for_containers
    found = read(machine.variables)
    for problem in found.problems:
        yield warn("proxy", problem, "nothing to do; docs/classroom.md says which proxies are used, and for what")
    sources = {url: "environment" for name, url in found.variables.items() if name.upper() != "NO_PROXY"}
    sources.update(dict.fromkeys(_configured(machine, runtime), "pip.conf" if runtime == "embedded" else "config.json"))
    if not (sources or found.problems):
        yield ok("proxy", "none is set")
    is_used = needs_build or settings.has_internet
    for url, source in sources.items():
        yield _check_proxy(machine, url, source, is_used)


def _configured(machine: Machine, runtime: str) -> list[str]:
    """Returns the proxies in pip's or Docker's configuration."""
    if runtime == "embedded":
        return list(filter(None, [machine.pip_options.get("proxy")]))
    folder = Path(machine.variables.get("DOCKER_CONFIG") or machine.home / ".docker")
    return [url for name, url in proxies.of_docker(folder).items() if name != "NO_PROXY"]


def _check_proxy(machine: Machine, url: str, source: str, is_used: bool) -> Finding:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    address = f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 1080)}"  # no password
    if is_used and not machine.can_connect(str(parts.hostname), parts.port or PORTS.get(parts.scheme, 1080)):
        fix = "connect to the network in which it is, or unset the variables that name it: env | grep -i proxy"
        return warn("proxy", f"{address} ({source}) does not answer; downloads will fail", fix)
    return ok("proxy", f"{address} ({source}), for downloads only; the services do not use it among themselves")


def check_certificates(machine: Machine) -> Iterator[Finding]:
    """Checks the certificates of this site's own authorities."""
    files = machine.certificates()
    findings = [finding for file in files if (finding := _check_certificate(machine, file))]
    yield from findings
    if not findings:
        count = len({file.name for file in files})
        yield ok("ca", f"{count} certificates of this site's authorities go into the images")


def _check_certificate(machine: Machine, file: Path) -> Finding | None:
    name = file.relative_to(machine.root) if machine.root in file.parents else file
    if b"BEGIN CERTIFICATE" not in file.read_bytes():
        fix = f"openssl x509 -inform der -in '{name}' -out '{name}'"
        return fail("ca", f"{name} is not a PEM certificate", fix)
    expiry = ("openssl", "x509", "-checkend", "0", "-noout", "-in", str(file))
    if machine.has("openssl") and not machine.ask(*expiry).is_ok:
        return fail("ca", f"{name} has expired", "get a new one from your network's administrators")
    return None


def check_index(machine: Machine) -> Finding:
    """Checks the package index, which every build needs."""
    if not machine.ask("python3", "-m", "pip", "--version").is_ok:
        text = "cannot be asked: python3 has no pip"
        return warn("package index", text, "nothing to do; the build reports it if the index is missing")
    index = package_index.shown(machine.pip_options.get("index-url", ""))
    options = ("--disable-pip-version-check", "--retries", "1", "--timeout", "10")
    answer = machine.ask("python3", "-m", "pip", "index", "versions", *options, "uv", seconds=40)
    if answer.is_ok:
        return ok("package index", f"{index} answers")
    reason, fix = package_index.explain(answer.text) or (answer.reason, package_index.FIX)
    return fail("package index", f"{index}: {reason}", fix)
