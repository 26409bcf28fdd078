"""The gateway: a login for other machines, if BIND_ADDRESS is not loopback."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys

from cli.runtimes.compose import key_files
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.optional_services import opens_to_other_machines
from cli.runtimes.ports import LOOPBACK
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

USER = "orionbox"
EVERYWHERE = "0.0.0.0"
PAGES = {"ORION_HTTPS_PORT": "Orion", "PGADMIN_HTTPS_PORT": "pgAdmin"}
"""The pages behind it, by the setting of their port."""
VIRTUAL = ("lo", "docker", "br-", "veth")
"""Prefixes of the names of interfaces that no other machine is connected to."""
SIOCGIFADDR = 0x8915
"""Asks Linux for an interface's address: netdevice(7)."""


def require_own_address(settings: Settings) -> None:
    """Refuses a BIND_ADDRESS on which the gateway could not listen.

    Raises:
        BadInputError: the address is not one of this machine.
    """
    if not opens_to_other_machines(settings):
        return
    address = settings["BIND_ADDRESS"]
    with socket.socket() as server:
        try:
            server.bind((address, 0))
        except OSError as error:
            others = ", ".join(own_addresses()) or "no other address"
            raise BadInputError(
                f"{settings.where('BIND_ADDRESS')}={address}: not an address of this machine",
                f"use {LOOPBACK} for this machine alone, one of its own addresses for others too ({others}), or "
                f"{EVERYWHERE} for all of them",
            ) from error


def ensure_certificate(compose: Compose) -> bool:
    """Creates the gateway's certificate if there is a gateway; returns whether it is new."""
    if not opens_to_other_machines(compose.settings):
        return False
    return key_files.ensure_gateway(compose, listening_addresses(compose.settings))


def listening_addresses(settings: Settings) -> list[str]:
    """Returns the addresses on which the gateway answers, the one to share first."""
    address = settings["BIND_ADDRESS"]
    return [address] if address != EVERYWHERE else [*own_addresses(), LOOPBACK]


def own_addresses() -> list[str]:
    """Returns the IPv4 addresses of this machine that other machines can reach, that of its default route first."""
    found = [_address_of_default_route(), *map(_address_of_interface, _interfaces())]
    return list(dict.fromkeys(filter(None, found)))


def _address_of_default_route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only looks up the route
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _interfaces() -> list[str]:
    names = [name for _, name in socket.if_nameindex()] if sys.platform == "linux" else []
    return [name for name in names if not name.startswith(VIRTUAL)]


def _address_of_interface(name: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:  # it has no IPv4 address
            return ""
        return socket.inet_ntoa(answer[20:24])


def addresses(settings: Settings) -> str:
    """Lists the pages' addresses for the people at other machines."""
    pages = [
        f"  {page:<14} https://{listening_addresses(settings)[0]}:{settings[port]}" for port, page in PAGES.items()
    ]
    return "\n".join(
        [
            f"From other machines, as user {USER} with the GATEWAY_PASSWORD in .env:",
            *pages,
            "  to avoid the browser warning, import secrets/authority.crt there: docs/trust.md",
        ]
    )
