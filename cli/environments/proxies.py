"""The user's HTTP proxies, in a form that every program of the platform understands.

They go to what reaches the internet, and to nothing else: docs/classroom.md. Python's httpx, which Prefect uses, fails
at a SOCKS proxy and at IPv6 addresses in NO_PROXY, even if it never leaves this machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from orionbox.loopback import ADDRESS, NAME
from orionbox.services import SERVICES

KINDS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")
NAMES = (*KINDS, *(name.lower() for name in KINDS))
"""Programs read these in either case."""
OWN_HOSTS = (NAME, ADDRESS, *(service.name for service in SERVICES))
"""Hosts that are never behind a proxy: this machine, and the platform's services."""
TLC_HOSTS = ("d37ci6vzurychx.cloudfront.net", "nyc-tlc.s3.amazonaws.com", "s3.amazonaws.com")
"""Hosts from which the TLC publishes taxi trips, today and until 2022."""
SLACK_HOST = "hooks.slack.com"
"""The host of Slack's incoming webhooks (https://api.slack.com/messaging/webhooks)."""
OFFLINE_HOSTS = ("github.com", SLACK_HOST, "raw.githubusercontent.com", *TLC_HOSTS)
"""Hosts for which the platform answers itself with INTERNET=offline."""
GOOGLE_HOSTS = ("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com", "iamcredentials.googleapis.com")
"""Hosts that hand out tokens for a key of one's own, for which it answers only with CLOUD=emulators as well."""
PLAIN_HOST = re.compile(r"\*?[\w.-]+(:\d+)?(/\d+)?", re.ASCII)
"""The entries of NO_PROXY that every program understands: names, IPv4 addresses and their ranges."""
ON_THIS_MACHINE = re.compile(r"localhost|127\..*|::1|0\.0\.0\.0")


@dataclass
class Proxies:
    """Proxies that can be used, and why others cannot."""

    variables: dict[str, str] = field(default_factory=dict)
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY in both cases; empty without a proxy."""
    problems: list[str] = field(default_factory=list)
    """A line for each variable that is left out."""


def for_processes(environment: Mapping[str, str], *direct: str) -> Proxies:
    """Returns the proxies for processes on this machine.

    Args:
        environment: the user's.
        direct: more hosts that are not behind a proxy.
    """
    return _read(environment, direct, in_container=False)


def for_containers(environment: Mapping[str, str], *direct: str) -> Proxies:
    """Returns the proxies for containers and image builds, which cannot reach a proxy on this machine's loopback.

    If the user's environment has none, those of Docker's config.json count, which has them for this purpose.
    """
    found = _read(environment, direct, in_container=True)
    if found.variables or found.problems:
        return found
    folder = environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "/", ".docker")
    return _read(of_docker(Path(folder)), direct, in_container=True)


def _read(environment: Mapping[str, str], direct: tuple[str, ...], in_container: bool) -> Proxies:
    found = Proxies()
    chosen = {}
    for kind in ("HTTP_PROXY", "HTTPS_PROXY"):
        name, url = _first(environment, kind) or _first(environment, "ALL_PROXY") or ("", "")
        if problem := _problem(url, in_container):
            found.problems.append(f"{name}: {problem}; not used")
        elif url:
            chosen[kind] = url if "://" in url else f"http://{url}"
    excluded = _split((_first(environment, "NO_PROXY") or ("", ""))[1])
    if not chosen or "*" in excluded:
        found.problems = list(dict.fromkeys(found.problems))
        return found
    if strange := [host for host in excluded if not PLAIN_HOST.fullmatch(host)]:
        found.problems.append(f"NO_PROXY: left out {', '.join(strange)}, which Prefect cannot read")
    plain = [host for host in excluded if host not in strange]
    chosen["NO_PROXY"] = ",".join(dict.fromkeys([*OWN_HOSTS, *direct, *plain]))
    found.variables = {**chosen, **{name.lower(): value for name, value in chosen.items()}}
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _first(environment: Mapping[str, str], kind: str) -> tuple[str, str] | None:
    """Returns the variable that is set, and its value: programs prefer the one in small letters."""
    names = (kind.lower(), kind)
    return next(((name, value) for name in names if (value := environment.get(name, "").strip())), None)


def _split(hosts: str) -> list[str]:
    return [host for host in re.split(r"[,\s]+", hosts) if host]


def _problem(url: str, in_container: bool) -> str:
    """Returns why a proxy cannot be used; empty if it can. The text has no password."""
    if not url:
        return ""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or re.search(r"\s", url):
        return "is not an address"
    if parts.scheme not in ("http", "https"):
        return f"a proxy of kind {parts.scheme} is not supported"
    if in_container and ON_THIS_MACHINE.fullmatch(host):
        return f"{host} is this machine, which containers cannot reach by that name"
    return ""


def of_docker(folder: Path) -> dict[str, str]:
    """Returns the proxies that Docker's config.json has for containers, by the names of variables.

    Args:
        folder: of config.json (https://docs.docker.com/engine/cli/proxy/).
    """
    try:
        configured = json.loads((folder / "config.json").read_text(encoding="utf-8"))["proxies"]["default"]
        keys = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "ALL_PROXY": "allProxy", "NO_PROXY": "noProxy"}
        return {name: str(configured[key]) for name, key in keys.items() if configured.get(key)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
