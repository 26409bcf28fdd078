"""Orion's pages as a browser gets them: no picture from another host, and a script that draws logos."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orionbox.http_guard import Message, Receive, Scope, Send
from services.orion.pages import ADDRESS, Pages

PAGE = b'<html><body><div id="app"></div></body></html>'


def get(
    path: str, kind: bytes, body: bytes, method: str = "GET", *more: tuple[bytes, bytes]
) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body of an answer of an Orion that has this content, in two pieces, under every path."""
    sent: list[Message] = []

    async def orion(scope: Scope, receive: Receive, send: Send) -> None:
        is_changed = not path.startswith("/api/") or more
        assert not any(name == b"accept-encoding" for name, _ in scope["headers"]) or not is_changed
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", kind)]})
        await send({"type": "http.response.body", "body": body[:9], "more_body": True})
        await send({"type": "http.response.body", "body": body[9:]})

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", b"gzip"), (b"host", b"ada:4200"), *more]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(Pages(orion)(scope, receive, send))
    return dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("path", ["/", "/blocks/catalog"])
def test_a_page_loads_pictures_from_orion_alone_and_has_the_script(path: str) -> None:
    headers, body = get(path, b"text/html; charset=utf-8", PAGE)
    assert b"img-src 'self' data: blob:" in headers[b"content-security-policy"]
    assert b'<script src="/orionbox-logos.js"></script><div id="app">' in body
    assert headers[b"content-length"] == b"%d" % len(body)


def test_the_script_is_served() -> None:
    headers, body = get(ADDRESS, b"", b"")
    assert headers[b"content-type"] == b"text/javascript" and b'addEventListener("error"' in body


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/flows", b"text/html"), ("/a.js", b"text/javascript")],
)
def test_everything_else_passes_as_it_is(path: str, kind: bytes) -> None:
    assert get(path, kind, PAGE) == ({b"Content-Type": kind}, PAGE)


def test_prefects_client_gets_addresses_that_it_takes() -> None:
    """It refuses a host without a dot, as Orion's is inside the platform, and could save no block."""
    blocks = b'[{"logo_url":"https://cdn.sanity.io/images/3ugk85nk/production/a.png"}]'
    assert get("/api/block_types/filter", b"application/json", blocks, "POST")[1] == blocks


def test_logos_have_addresses_of_orion() -> None:
    blocks = b'[{"logo_url":"https://cdn.sanity.io/images/3ugk85nk/production/a.png"},{"logo_url":null}]'
    kind = b"application/json"
    headers, body = get("/api/block_types/filter", kind, blocks, "POST", (b"x-prefect-ui", b"true"))
    assert body == b'[{"logo_url":"http://ada:4200/orionbox-logos/images/3ugk85nk/production/a.png"},{"logo_url":null}]'
    assert headers[b"content-length"] == b"%d" % len(body)
