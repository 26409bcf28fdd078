"""Checks the health of all services in parallel, with short timeouts.

Uses aiohttp instead of the library's Orion client: the page must load within seconds even if a service hangs.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from orionbox.flow_settings import FlowSettings
from orionbox.loopback import link_host
from orionbox.runs import disk_space
from orionbox.services import LONGEST_POLL_GAP, Service, services

TIMEOUT = 3
"""Seconds for one answer. A service that takes longer counts as slow."""
RUNNING, SLOW, DOWN, UNKNOWN = "running", "slow", "down", "unknown"
"""A service's health: it answers as it should; it takes longer than that; it does not answer, or with an error; nobody
can tell, as with Google's services, or with the agent while Orion does not answer."""
LONG_TIMEOUT = 30
"""Seconds for an answer without which the page is empty."""
STARTUP_MESSAGE = b"\x00\x03\x00\x00user\x00ny_taxi\x00database\x00ny_taxi\x00\x00"
"""The first message of a client of PostgreSQL, after its length: protocol 3.0, user, database
(https://www.postgresql.org/docs/15/protocol-message-formats.html, StartupMessage)."""
AUTHENTICATION = b"R"
"""The first byte of the answer if the server takes connections. While it starts or stops, it answers with an error."""

UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)


class OrionDownError(RuntimeError):
    """Orion does not answer, or its answer is malformed."""


@dataclass(frozen=True)
class ServiceStatus:
    """A service, and its health."""

    service: Service
    health: str
    link: str
    """Its address on this machine; empty if it has none."""
    page: str
    """The page to open in a browser; empty if it has none."""


class Platform:
    """The services of this platform.

    Args:
        session: the HTTP client.
        environment: `NAME_ADDRESS` of each service inside the platform, and `NAME_PORT` outside.
    """

    def __init__(self, session: aiohttp.ClientSession, environment: Mapping[str, str]) -> None:
        self._session = session
        self._environment = environment
        settings = FlowSettings.from_environment(environment)
        self.cloud = settings.cloud_description
        self._services = services(settings.is_real_cloud, settings.project, settings.bucket)
        self.orion_link = f"http://{link_host()}:{environment.get('ORION_PORT', '')}"

    @property
    def disk(self) -> disk_space.Disk:
        """Returns the disk of the platform's data."""
        return disk_space.of_platform(self._environment)

    async def statuses(self) -> list[ServiceStatus]:
        """Returns the status of every service of this platform except this one."""
        shown = [service for service in self._services if self._is_shown(service)]
        answers = await asyncio.gather(*map(self._health, shown))
        return [
            ServiceStatus(service, health, self._link(service), self._page(service))
            for service, health in zip(shown, answers, strict=True)
        ]

    def _is_shown(self, service: Service) -> bool:
        """Returns whether the platform has this service. To look up the name of a missing one would take time."""
        if service.profile and service.profile not in self._environment.get("PROFILES", "").split(","):
            return False
        return service.name == "agent" or (bool(self._address(service)) and service.name != "start")

    async def orion(self, path: str, body: object = None, seconds: float = TIMEOUT, method: str = "") -> Any:
        """Returns Orion's answer to a GET, to a POST of `body`, or to `method`, within so many seconds.

        Raises:
            OrionDownError: Orion does not answer.
        """
        url = f"http://{self._environment['ORION_ADDRESS']}/api/{path}"
        method, timeout = method or ("GET" if body is None else "POST"), aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(method, url, json=body, timeout=timeout) as response:
                response.raise_for_status()
                return await response.json() if response.status != 204 else None
        except (*UNREACHABLE, ValueError) as error:
            raise OrionDownError(f"{path}: {error}") from error

    async def fetched_files(self) -> list[Any]:
        """Returns the taxi files that the stand-in for the internet has sent, the newest first; none if it is down."""
        address = self._environment.get("INTERNET_ADDRESS", "")
        try:
            async with self._session.get(f"http://{address}/orionbox/fetched.json") as response:
                response.raise_for_status()
                found: list[Any] = await response.json()
                return found
        except (*UNREACHABLE, ValueError):
            return []

    def _address(self, service: Service) -> str:
        return self._environment.get(f"{service.prefix}_ADDRESS", "")

    def _link(self, service: Service) -> str:
        return service.link(self._environment.get(service.port, ""))

    def _page(self, service: Service) -> str:
        link, project = self._link(service), self._environment.get("GCP_PROJECT", FlowSettings.project)
        return link + service.browse.format(project=project) if link.startswith("http") else ""

    async def _health(self, service: Service) -> str:
        if service.console and not service.health:
            return UNKNOWN
        check: Awaitable[bool]
        if service.name == "agent":
            check = self._agent_polls()
        elif service.name == "postgres":
            check = takes_connections(self._address(service))
        else:
            check = self._answers(f"http://{self._address(service)}{service.health}")
        name = asyncio.ensure_future(_has_address(self._address(service)))
        try:
            return RUNNING if await asyncio.wait_for(check, TIMEOUT) else DOWN
        except OrionDownError:
            return UNKNOWN
        except TimeoutError:
            if service.name == "agent":
                return UNKNOWN
            return SLOW if name.done() and name.result() else DOWN
        except UNREACHABLE:
            return UNKNOWN if service.name == "agent" else DOWN

    async def _answers(self, url: str) -> bool:
        async with self._session.get(url) as response:
            return response.status == 200

    async def _agent_polls(self) -> bool:
        """Returns whether the agent has polled in the last seconds. It has no port, but Orion records its polls."""
        polled = (await self.orion("work_queues/name/default"))["last_polled"]
        return polled is not None and datetime.now(UTC) - datetime.fromisoformat(polled) < LONGEST_POLL_GAP


async def _has_address(address: str) -> bool:
    """Returns whether the name in `host:port` is known.

    Docker says so of a running container at once. Of all other names it asks others, who may take seconds.
    """
    try:
        await asyncio.get_running_loop().getaddrinfo(address.rpartition(":")[0], None)
    except OSError:
        return False
    return True


async def takes_connections(address: str) -> bool:
    """Returns whether PostgreSQL at `host:port` takes connections, as pg_isready does; that needs no password."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(struct.pack(">I", len(STARTUP_MESSAGE) + 4) + STARTUP_MESSAGE)
        return await reader.readexactly(1) == AUTHENTICATION
    finally:
        writer.close()


def ago(moment: str | None, now: datetime) -> str:
    """Returns how long ago Orion's timestamp is; empty if there is none."""
    if not moment:
        return ""
    passed = now - datetime.fromisoformat(moment)
    for size, name in UNITS:
        if passed >= size:
            count = passed // size
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


UNITS: Sequence[tuple[timedelta, str]] = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)
