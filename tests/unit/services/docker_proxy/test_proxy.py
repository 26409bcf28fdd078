"""The docker-proxy's server, between clients on loopback and a stand-in for Docker's engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientConnectionError, ClientSession, TCPConnector, UnixConnector, web

from tests.unit.services.docker_proxy.loader import IMAGE, POLICY, load, routes

proxy = load("proxy")
NEIGHBOUR = "127.0.0.2"
"""An address of another client."""


class Platform:
    """The proxy's address, and the containers that the engine has."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.containers: list[dict[str, Any]] = []

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[ClientSession]:
        """A client with that address."""
        connector = TCPConnector(local_addr=(address, 0), limit=0)
        async with ClientSession(self.url, connector=connector) as session:
            yield session

    async def ask(self, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, str]:
        """Returns status and text of an answer."""
        async with self.client() as client, client.request(method, path, data=data, headers=headers) as answer:
            return answer.status, await answer.text()

    async def create(self, **fields: Any) -> tuple[int, str]:
        """Asks for a container."""
        return await self.ask("POST", "/containers/create", json.dumps({"Image": IMAGE, **fields}))


@asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[Platform]:
    """A proxy, and an engine that has all containers it was asked for."""
    engine, socket = web.Application(), str(folder / "engine")

    async def ping(request: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def create(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        running.containers.append({"Id": "new", "Labels": (await request.json())["Labels"]})
        return web.json_response({"Id": "new"}, status=201)

    async def listing(request: web.Request) -> web.Response:
        return web.json_response(running.containers)

    engine.router.add_get("/_ping", ping)
    engine.router.add_post("/containers/create", create)
    engine.router.add_get("/containers/json", listing)
    behind = web.AppRunner(engine)
    await behind.setup()
    await web.UnixSite(behind, socket).start()
    async with ClientSession("http://docker", connector=UnixConnector(socket, force_close=True)) as session:
        runner = web.ServerRunner(proxy.Server(proxy.Proxy(POLICY, session)), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        running = Platform(runner.addresses[0][1])
        yield running
        await runner.cleanup()
    await behind.cleanup()


def on_a_platform(folder: Path, check: Callable[[Platform], Awaitable[None]]) -> None:
    """Runs a check; a hang is a failure."""

    async def run() -> None:
        async with asyncio.timeout(60), platform(folder) as running:
            await check(running)

    asyncio.run(run())


def test_a_call_and_its_answer_pass(tmp_path: Path) -> None:
    async def check(running: Platform) -> None:
        assert await running.ask("GET", "/_ping") == (200, "OK")
        assert (await running.create(Cmd=["true"]))[0] == 201
        status, text = await running.ask("GET", "/info")
        assert status == 403 and "GET /info is not something a flow run needs" in text

    on_a_platform(tmp_path, check)


@pytest.mark.parametrize(
    ("data", "headers", "words"),
    [
        (b" " * (proxy.BODY_LIMIT + 1), {}, "the body is larger than 131072 bytes"),
        (b"{}", {"Content-Encoding": "gzip"}, "the body is compressed"),
    ],
    ids=["large", "compressed"],
)
def test_a_body_that_would_take_much_memory_is_refused(
    tmp_path: Path, data: bytes, headers: dict[str, str], words: str
) -> None:
    async def check(running: Platform) -> None:
        status, text = await running.ask("POST", "/containers/create", data, **headers)
        assert status == 403 and words in text

    on_a_platform(tmp_path, check)


def test_a_slow_body_is_given_up_and_blocks_no_other_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "BODY_SECONDS", 0.1)
    request = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"

    async def check(running: Platform) -> None:
        slow = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(proxy.BODIES + 2)]
        for _, writer in slow:
            writer.write(request)
        async with running.client(NEIGHBOUR) as client:
            data = json.dumps({"Image": IMAGE})
            assert (await client.post("/containers/create", data=data)).status == 201
        assert b"403" in await slow[0][0].readline()
        for _, writer in slow:
            writer.close()

    on_a_platform(tmp_path, check)


def test_an_address_has_so_many_connections_and_takes_them_from_no_other(tmp_path: Path) -> None:
    async def check(running: Platform) -> None:
        places = range(proxy.CONNECTIONS)
        held = [await asyncio.open_connection("127.0.0.1", running.port) for _ in places]
        for _, writer in held:
            writer.write(b"GET /_ping HTTP/1.1\r\n")  # half a request
        with pytest.raises(ClientConnectionError):
            await running.ask("GET", "/_ping")
        async with running.client(NEIGHBOUR) as client:
            assert (await client.get("/_ping")).status == 200
        for _, writer in held:
            writer.write(b"Host: x\r\nConnection: close\r\n\r\n")
        for reader, writer in held:
            assert (await reader.readline()).endswith(b"200 OK\r\n")
            await reader.read()
            writer.close()
        assert await running.ask("GET", "/_ping") == (200, "OK")

    on_a_platform(tmp_path, check)


def test_of_containers_asked_for_at_once_none_is_one_too_many(tmp_path: Path) -> None:
    async def check(running: Platform) -> None:
        running.containers += [{"Id": "x", "Labels": {routes.RUN_LABEL: f"{n}"}} for n in range(routes.MOST_RUNS - 2)]
        answers = await asyncio.gather(*(running.create(Labels={routes.RUN_LABEL: str(uuid4())}) for n in range(8)))
        assert sorted(status for status, _ in answers) == [201] * 2 + [403] * 6
        assert len(running.containers) == routes.MOST_RUNS

    on_a_platform(tmp_path, check)
