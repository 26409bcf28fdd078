"""The health of services, checked by the start page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import yaml
from aiohttp.test_utils import unused_port

from orionbox.services import SERVICES
from services.start import status
from services.start.status import DOWN, RUNNING, SLOW, STARTUP_MESSAGE, Platform, ago, takes_connections
from tests.conftest import ROOT
from tests.unit.fake_api import FakeApi

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=3, hours=5), "3 days ago"),
    ],
)
def test_a_run_s_age_is_in_words(passed: timedelta, words: str) -> None:
    assert ago((NOW - passed).isoformat(), NOW) == words
    assert ago(None, NOW) == ""


def test_compose_gives_it_the_address_of_every_service_that_it_can_ask() -> None:
    (service,) = [
        services["start"]
        for file in (ROOT / "compose").glob("*.yaml")
        if "start" in (services := yaml.safe_load(file.read_text()).get("services") or {})
    ]
    variables = set(service["environment"])
    assert variables >= {each.port for each in SERVICES if each.address and each.name != "start"}
    asked_elsewhere = ("start", "agent", "sweeper", "dask-worker", "gateway", "docker-proxy")
    assert variables >= {f"{each.prefix}_ADDRESS" for each in SERVICES if each.name not in asked_elsewhere}


async def answering_server(answer: bytes, check: Callable[[str], Awaitable[bool]]) -> bool:
    """What the check finds of a server that answers so to PostgreSQL's first message."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readexactly(4 + len(STARTUP_MESSAGE))
        assert message[4:] == STARTUP_MESSAGE and int.from_bytes(message[:4]) == len(message)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as listening:
        return await check(f"127.0.0.1:{listening.sockets[0].getsockname()[1]}")


@pytest.mark.parametrize(("answer", "up"), [(b"R\x00\x00\x00\x0c", True), (b"E\x00\x00\x00\x55SFATAL", False)])
def test_postgres_is_up_when_it_asks_for_a_password(answer: bytes, up: bool) -> None:
    assert asyncio.run(answering_server(answer, takes_connections)) is up


@pytest.mark.parametrize(("profiles", "asked"), [("", False), ("dask", True), ("build,dask", True)])
def test_a_cluster_is_asked_for_only_where_there_is_one(profiles: str, asked: bool) -> None:
    environment = {"DASK_ADDRESS": f"127.0.0.1:{unused_port()}", "ORION_ADDRESS": "127.0.0.1:9", "PROFILES": profiles}

    async def look() -> bool:
        async with aiohttp.ClientSession() as session:
            statuses = await Platform(session, environment).statuses()
        return any(each.service.name == "dask-scheduler" and each.health == DOWN for each in statuses)

    assert asyncio.run(look()) is asked


@pytest.mark.parametrize(
    ("seconds", "health"),
    [(1, RUNNING), (60, DOWN), (None, DOWN)],
    ids=["polls", "has stopped polling", "never polled"],
)
def test_the_agent_is_up_while_it_polls(seconds: float | None, health: str) -> None:
    polled = None if seconds is None else (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()

    async def look(address: str) -> dict[str, str]:
        async with aiohttp.ClientSession() as session:
            statuses = await Platform(session, {"ORION_ADDRESS": address}).statuses()
        return {each.service.name: each.health for each in statuses}

    with FakeApi(route=lambda path, body: {"last_polled": polled}).serving() as api:
        assert asyncio.run(look(api.url.removeprefix("http://"))) == {"orion": RUNNING, "agent": health}


async def nobody_knows(address: str) -> bool:
    """A name server that others ask in turn."""
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize(("is_known", "health"), [(True, SLOW), (False, DOWN)])
def test_a_service_that_takes_its_time_is_slow_and_one_without_an_address_is_down(
    is_known: bool, health: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "TIMEOUT", 0.5)
    if not is_known:
        monkeypatch.setattr(status, "_has_address", nobody_knows)

    async def look(address: str) -> list[str]:
        async with aiohttp.ClientSession() as session:
            statuses = await Platform(session, {"GCS_ADDRESS": address, "ORION_ADDRESS": address}).statuses()
        return [each.health for each in statuses if each.service.name == "gcs"]

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> list[str]:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            return await look(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert asyncio.run(run()) == [health]
