"""The platform's own addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from orionbox import loopback
from tests.unit.fake_api import FakeApi


@pytest.fixture(autouse=True)
def looked_up_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets what `localhost` is, before and after the test."""
    monkeypatch.delenv(loopback.LINK_HOST, raising=False)
    loopback._resolved_host.cache_clear()
    yield
    loopback._resolved_host.cache_clear()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def look_up(host: str, port: object, *rest: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("addresses", "host"),
    [(["127.0.0.1"], "localhost"), (["::1", "127.0.0.1"], "localhost"), (["::1"], "127.0.0.1"), ([], "127.0.0.1")],
)
def test_links_say_localhost_where_a_browser_finds_the_platform_by_that_name(
    addresses: list[str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, *addresses)
    assert loopback.link("http://127.0.0.1:4200/runs?of=//127.0.0.1") == f"http://{host}:4200/runs?of=//127.0.0.1"
    assert loopback.link("http://orion:4200") == "http://orion:4200"


def test_a_container_is_told_the_host_of_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loopback.LINK_HOST, "127.0.0.1")
    assert loopback.link_host() == "127.0.0.1"


def test_the_platform_is_asked_without_the_user_s_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FakeApi(route=lambda path, body: {"is": path}).serving() as api:
        with loopback.open_url(f"{api.url}/health", 5) as response:
            assert response.read() == b'{"is": "/health"}'
