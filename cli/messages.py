"""The messages that both runtimes share."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from cli.archive.archive import Archive
from cli.programs import say
from cli.settings.settings import Settings
from orionbox.errors import BadInputError
from orionbox.flow_settings import FlowSettings
from orionbox.services import services

HEALTHY = "healthy"


def addresses(settings: Settings, ports: Mapping[str, object]) -> str:
    """Lists every service that has a port here, with its address on this machine and how to log in."""
    flow = settings.flow_settings
    with_address = [each for each in services(flow.is_real_cloud, flow.project, flow.bucket) if each.address]
    reachable = [each for each in with_address if each.port in ports or "{}" not in each.address]
    rows = [(each.title, each.link(ports.get(each.port)), each.login) for each in reachable]
    return "\n".join(f"  {name:<14} {url:<26} {login}" for name, url, login in rows)


def real_cloud(settings: FlowSettings) -> str:
    """Returns the line that names the Google project and bucket in use."""
    return f"cloud: gcp, which costs money (project {settings.project}, bucket {settings.bucket})"


def confirm_reset(settings: Settings, is_confirmed: bool) -> None:
    """Prints what a reset deletes and, on a terminal, asks for confirmation.

    Raises:
        BadInputError: the user's answer is no.
    """
    say(
        f"reset deletes all data of platform {settings.platform}: Orion's runs and blocks, both databases, the bucket, "
        "BigQuery.\nIt keeps data/, workspace/, reports/, backups/ and .env."
    )
    if settings.is_real_cloud:
        say("Data at Google stays there.")
    if not is_confirmed and sys.stdin.isatty() and not _is_yes("Delete it? [y/N] "):
        raise BadInputError("nothing was deleted")


def confirm_stranger(archive: Archive, is_confirmed: bool, what: str, command: str) -> None:
    """Asks whether to use a backup or bundle that this checkout has not made; one of its own is used without a word.

    Args:
        archive: its signature has been checked.
        is_confirmed: whether the user has said yes already.
        what: what such a file can do, such as `brings programs that run on this machine`.
        command: the command that uses it.

    Raises:
        BadInputError: the user's answer is no, or nobody can be asked.
    """
    if archive.is_own:
        return
    text = f"{archive.shown_name} was not made by this checkout, or has been changed since: it {what}"
    if is_confirmed:
        say(text)
        return
    if not sys.stdin.isatty():
        raise BadInputError(f"{text}; nothing was changed", f"if you trust whoever made it: {command} YES=yes")
    say(text)
    if not _is_yes("Use it? [y/N] "):
        raise BadInputError("nothing was changed")


def _is_yes(question: str) -> bool:
    try:
        return input(question).strip().lower() == "y"
    except EOFError:  # Ctrl-D
        say("")
        return False
