"""Asking the platform's services whether they are well: all at the same time, none for long."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from orionbox.flow_settings import FlowSettings
from orionbox.services import LATE, OPTIONAL, Service, services

TIMEOUT = 3
"""Seconds for one answer. What takes longer is not well, and the page does not wait for it."""
PATIENCE = 30
"""Seconds for an answer without which there is nothing to show."""
STARTUP_MESSAGE = b"\x00\x03\x00\x00user\x00ny_taxi\x00database\x00ny_taxi\x00\x00"
"""What a client of PostgreSQL says first, after its length: protocol 3.0, who, and where
(https://www.postgresql.org/docs/15/protocol-message-formats.html, StartupMessage)."""
AUTHENTICATION = b"R"
"""How the answer begins if the server takes connections; one that is starting or stopping answers with an error."""

UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)


class OrionDownError(RuntimeError):
    """Orion does not answer, or not as it should."""


@dataclass(frozen=True)
class Standing:
    """A service, and whether it does its work."""

    service: Service
    up: bool | None
    """None where only Orion could tell, and does not answer, and of what is Google's."""
    link: str
    """Its address on this machine; empty where it has none."""
    page: str
    """What a browser is to open of it; empty where it has no pages."""


class Platform:
    """The services at the addresses in `environment`: `NAME_ADDRESS` inside the platform, `NAME_PORT` outside."""

    def __init__(self, session: aiohttp.ClientSession, environment: Mapping[str, str]) -> None:
        self._session = session
        self._environment = environment
        settings = FlowSettings.from_environment(environment)
        self.cloud = settings.cloud_in_words
        self._services = services(settings.is_real_cloud, settings.project, settings.bucket)
        self.orion_link = f"http://localhost:{environment.get('ORION_PORT', '')}"

    async def standings(self) -> list[Standing]:
        """Every service that this platform has."""
        asked = [service for service in self._services if self._has(service)]
        answers = await asyncio.gather(*map(self._is_up, asked))
        return [
            Standing(service, up, self._link(service), self._page(service))
            for service, up in zip(asked, answers, strict=True)
        ]

    def _has(self, service: Service) -> bool:
        """Whether the service is part of this platform. Others are not asked: to look up their names takes time too."""
        if service.name in OPTIONAL and service.name not in self._environment.get("PROFILES", "").split(","):
            return False
        is_this_one = service.name == "start"
        return service.name == "agent" or (bool(self._address(service)) and not is_this_one)

    async def orion(self, path: str, body: object = None, seconds: float = TIMEOUT) -> Any:
        """Orion's answer to a GET, or to a POST of `body`, within so many seconds.

        Raises:
            OrionDownError: there is none.
        """
        url = f"http://{self._environment['ORION_ADDRESS']}/api/{path}"
        method, timeout = "GET" if body is None else "POST", aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(method, url, json=body, timeout=timeout) as response:
                response.raise_for_status()
                return await response.json()
        except (*UNREACHABLE, ValueError) as error:
            raise OrionDownError(f"{path}: {error}") from error

    def _address(self, service: Service) -> str:
        return self._environment.get(f"{service.name.upper()}_ADDRESS", "")

    def _link(self, service: Service) -> str:
        return service.address.format(self._environment.get(service.port, ""))

    def _page(self, service: Service) -> str:
        link, project = self._link(service), self._environment.get("GCP_PROJECT", FlowSettings.project)
        return link + service.browse.format(project=project) if link.startswith("http") else ""

    async def _is_up(self, service: Service) -> bool | None:
        if service.console and not service.health:
            return None
        question: Awaitable[bool]
        if service.name == "agent":
            question = self._agent_polls()
        elif service.name == "postgres":
            question = takes_connections(self._address(service))
        else:
            question = self._answers(f"http://{self._address(service)}{service.health}")
        try:
            return await asyncio.wait_for(question, TIMEOUT)
        except OrionDownError:
            return None
        except UNREACHABLE:
            return None if service.name == "agent" else False

    async def _answers(self, url: str) -> bool:
        async with self._session.get(url) as response:
            return response.status == 200

    async def _agent_polls(self) -> bool:
        """Whether the agent has asked for work just now: it has no port of its own, but Orion notes each time."""
        polled = (await self.orion("work_queues/name/default"))["last_polled"]
        return polled is not None and datetime.now(UTC) - datetime.fromisoformat(polled) < LATE


async def takes_connections(address: str) -> bool:
    """Whether PostgreSQL at `host:port` lets clients in, as pg_isready asks; no password is needed for that."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(struct.pack(">I", len(STARTUP_MESSAGE) + 4) + STARTUP_MESSAGE)
        return await reader.readexactly(1) == AUTHENTICATION
    finally:
        writer.close()


def ago(moment: str | None, now: datetime) -> str:
    """How long ago Orion's timestamp is, in words; empty where there is none."""
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
