"""What the commands print in the same words on both runtimes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from cli.programs import say
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.errors import BadInputError
from orionbox.flow_settings import FlowSettings
from orionbox.services import services

HEALTHY = "healthy"


def addresses(settings: Settings, ports: Mapping[str, object]) -> str:
    """Lists every service that has a port here, with its address on this machine and how to log in."""
    flow = settings.flow_settings
    placed = [each for each in services(flow.is_real_cloud, flow.project, flow.bucket) if each.address]
    shown = [each for each in placed if each.port in ports or "{}" not in each.address]
    rows = [(each.title, each.address.format(ports.get(each.port)), each.login) for each in shown]
    return "\n".join(f"  {name:<14} {url:<26} {login}" for name, url, login in rows)


def real_cloud(settings: FlowSettings) -> str:
    """Says which project and bucket of Google's are in use."""
    return f"cloud: gcp, which costs money (project {settings.project}, bucket {settings.bucket})"


def confirm_reset(settings: Settings, is_confirmed: bool) -> None:
    """Says what a reset deletes, and on a terminal asks.

    Raises:
        BadInputError: the answer is no.
    """
    say(
        f"reset deletes all data of platform {settings.platform}: Orion's runs and blocks, both databases, the bucket, "
        "BigQuery.\nIt keeps data/, workspace/, reports/, backups/ and .env."
    )
    if settings.is_real_cloud:
        say("What is stored at Google stays there, too.")
    if not is_confirmed and sys.stdin.isatty() and input("Delete it? [y/N] ").strip().lower() != "y":
        raise BadInputError("nothing was deleted")


def show_status(runtime: Runtime, as_json: bool) -> int:
    """Prints the state of every service, and the addresses where all of them are healthy."""
    runtime.prepare()
    states = runtime.status()
    is_up = runtime.is_up()
    if as_json:
        say(json.dumps({"runtime": runtime.name, "up": is_up, "services": states}, indent=2))
        return 0
    say("\n".join(f"{name:<16} {state}" for name, state in {"SERVICE": "STATUS", **states}.items()))
    say(f"\n{runtime.addresses()}" if is_up else "\nnot everything is healthy; start it with: make up")
    return 0


def show_logs(runtime: Runtime, names: Sequence[str], tail: str, follow: bool) -> int:
    """Prints the last lines of the logs; on a terminal it follows them.

    Raises:
        BadInputError: a service does not exist, or `tail` is no number.
    """
    runtime.prepare()
    known = runtime.service_names()
    if unknown := [name for name in names if name not in known]:
        raise BadInputError(f"unknown service {unknown[0]}", f"use one of {', '.join(sorted(known))}")
    if not tail.isdecimal():
        raise BadInputError(f"--tail {tail}: not a number of lines", "use for example --tail 200")
    return runtime.show_logs(names, int(tail), follow and sys.stdout.isatty())
