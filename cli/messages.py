"""What the runtimes tell the user in the same words."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from cli import messages
from cli.programs import say
from cli.settings import env_file
from cli.settings import settings as cloud
from cli.settings.settings import settings
from orionbox.errors import BadInputError
from orionbox.services import Service, services


def addresses(ports: Mapping[str, object]) -> str:
    """Every service that has a port here, with its address on this machine and how to log in."""
    placed = [each for each in messages.present() if each.address]
    shown = [each for each in placed if each.port in ports or "{}" not in each.address]
    rows = [(each.title, each.address.format(ports.get(each.port)), each.login) for each in shown]
    return "\n".join(f"  {name:<14} {url:<26} {login}" for name, url, login in rows)


def confirm_reset() -> None:
    """Says what a reset deletes, and on a terminal asks.

    Raises:
        BadInputError: the answer is no.
    """
    name = env_file.load()["COMPOSE_PROJECT_NAME"]
    say(f"reset deletes all that platform {name} holds: Orion's runs and blocks, both databases, the bucket, BigQuery.")
    say("It keeps data/, workspace/, reports/, backups/ and .env.")
    if cloud.is_real():
        say("What is stored at Google stays there, too.")
    if sys.stdin.isatty() and input("Delete it? [y/N] ").strip().lower() != "y":
        raise BadInputError("nothing was deleted")


def present() -> tuple[Service, ...]:
    """The services of this platform and its cloud."""
    chosen = settings()
    return services(chosen.is_real_cloud, chosen.project, chosen.bucket)
