"""`status` and `logs`: what is running, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from cli import messages
from cli.programs import say
from cli.runtimes import platforms, restore_note
from cli.runtimes.runtime import Runtime, orion_url
from orionbox.errors import BadInputError, printable
from orionbox.orion import obstacles
from orionbox.orion.client import ONE_TRY, Orion


def show_status(runtime: Runtime, as_json: bool) -> int:
    """Prints the state of every service, and the addresses if all are healthy."""
    runtime.prepare()
    runtime.require_own()
    states = runtime.status()
    is_up, settings_in_orion = runtime.is_up(), obstacles_in_orion(runtime)
    restoring = restore_note.explain(runtime)
    if as_json:
        others = [vars(platform) for platform in platforms.find(runtime)]
        say(
            json.dumps(
                {
                    "runtime": runtime.name,
                    "up": is_up,
                    "services": states,
                    "platforms": others,
                    "orion": settings_in_orion,
                    "restore": restoring,
                },
                indent=2,
            )
        )
        return 0
    if states:
        say("\n".join(f"{name:<16} {state}" for name, state in {"SERVICE": "STATUS", **states}.items()))
        are_healthy = set(states.values()) <= {messages.HEALTHY, "done"}
        reason = (
            "the settings or files have changed since the start" if are_healthy else "some services are not healthy"
        )
        say(f"\n{runtime.addresses()}" if is_up else f"\n{reason}; run: make up")
    else:
        has = "nothing is running of" if runtime.exists() else "this checkout has no"
        say(f"{has} platform {runtime.settings.platform}; start it: make up")
    if restoring:
        say(f"\n{restoring}")
    if settings_in_orion:
        say("\n" + "\n".join(map(printable, settings_in_orion)))
    if notes := platforms.describe(runtime):
        say(f"\n{notes}")
    return 0


def obstacles_in_orion(runtime: Runtime) -> list[str]:
    """Returns a line for each setting in Orion that stops or replaces runs; none if Orion does not answer."""
    return obstacles.find(Orion(orion_url(runtime.settings), ONE_TRY), with_replaced=True)


def show_logs(runtime: Runtime, names: Sequence[str], tail: str, follow: bool) -> int:
    """Prints the last lines of the logs; on a terminal, follows them if `follow` is set.

    Raises:
        BadInputError: a service does not exist, or `tail` is not a number.
    """
    runtime.prepare()
    runtime.require_own()
    known = runtime.service_names()
    if unknown := [name for name in names if name not in known]:
        raise BadInputError(f"unknown service {unknown[0]}", f"use one of {', '.join(sorted(known))}")
    if not tail.isdecimal():
        raise BadInputError(f"--tail {tail}: not a number of lines", "use for example --tail 200")
    return runtime.show_logs(names, int(tail), follow and sys.stdout.isatty())
