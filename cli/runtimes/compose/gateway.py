"""Whether other machines can use this platform: a BIND_ADDRESS beyond loopback puts a login in front of its pages.

The gateway is compose's profile of that name. This is the one place that knows what BIND_ADDRESS means.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from collections.abc import Mapping

from cli.runtimes.compose import key_files
from cli.runtimes.compose.optional_services import Extra
from cli.settings import env_file, rules
from orionbox.errors import BadInputError

SERVICE = "gateway"
USER = "orionbox"
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
PAGES = {"ORION_HTTPS_PORT": "Orion", "PGADMIN_HTTPS_PORT": "pgAdmin"}
"""What is behind it, by the name of its port."""
VIRTUAL = ("lo", "docker", "br-", "veth")
"""Beginnings of the names of interfaces that no other machine is connected to."""
SIOCGIFADDR = 0x8915
"""Asks Linux for an interface's address: netdevice(7)."""


def address() -> str:
    """The address in force."""
    return env_file.load()["BIND_ADDRESS"] or LOOPBACK


def is_wanted() -> bool:
    """Whether other machines shall reach the platform."""
    return not ipaddress.ip_address(address()).is_loopback


GATEWAY = Extra(
    SERVICE, (SERVICE,), tuple(PAGES), is_wanted, "the gateway is gone: this machine alone reaches the platform"
)


def require_own_address() -> None:
    """Looks whether the gateway could listen where it shall.

    Raises:
        BadInputError: the address is not one of this machine.
    """
    if not is_wanted():
        return
    with socket.socket() as server:
        try:
            server.bind((address(), 0))
        except OSError as error:
            found = ", ".join(own_addresses()) or "no other address"
            raise BadInputError(
                f"{rules.where('BIND_ADDRESS')}={address()}: not an address of this machine; use {LOOPBACK} for "
                f"this machine alone, one of its own for others too ({found}), or {EVERYWHERE} for all of them"
            ) from error


def ensure_certificate() -> bool:
    """Makes what the gateway proves itself with, where there is to be one; True if that is new."""
    return is_wanted() and key_files.ensure_gateway(reachable())


def reachable() -> list[str]:
    """The addresses under which the gateway answers, the one to tell others first."""
    return [address()] if address() != EVERYWHERE else [*own_addresses(), LOOPBACK]


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine that another machine may know, that of its default route first."""
    found = [_address_of_default_route(), *map(_address_of_interface, _interfaces())]
    return list(dict.fromkeys(filter(None, found)))


def _address_of_default_route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only looks up the way
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


def addresses(ports: Mapping[str, str]) -> str:
    """What to tell the people at other machines."""
    pages = [f"  {page:<14} https://{reachable()[0]}:{ports[port]}" for port, page in PAGES.items()]
    return "\n".join(
        [
            f"From other machines, as user {USER} with the GATEWAY_PASSWORD in .env:",
            *pages,
            "  their browsers trust it once they have secrets/authority.crt: docs/trust.md",
        ]
    )
