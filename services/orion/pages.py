"""Orion's pages without requests to other hosts: a browser shows them the same with and without a network.

The logos of block types come from a server of Prefect's. The pages' policy lets a browser load pictures from Orion
alone, and `logos.js` draws others in their place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCRIPT = Path(__file__).with_name("logos.js")
ADDRESS = "/orionbox-logos.js"
BODY = b'<div id="app">'
"""The element of Prefect's page that its own script fills."""
POLICY = b"img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
"""Content-Security-Policy. Scripts and connections are not in it: the browser may reach Orion's API by another name."""


class Pages:
    """Orion's application, with the policy and the script in its pages.

    Args:
        app: Orion's own ASGI application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the script's address, and changes pages on their way; all else passes as it is."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith("/api/"):
            return await self._app(scope, receive, send)
        if scope["path"] == ADDRESS:
            return await _send_script(send)
        # A compressed page could not be changed
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        await self._app(scope, receive, _Changed(send))


class _Changed:
    """Sends a response on; a page with policy and script, once all of it is there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._page: Message | None = None
        """The start of a response that is a page."""
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._page = message
        elif self._page is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_page(self._page)

    async def _send_page(self, start: Message) -> None:
        body = self._body.replace(BODY, b'<script src="%s"></script>%s' % (ADDRESS.encode(), BODY), 1)
        changed = (b"content-length", b"content-security-policy")
        headers = [header for header in start["headers"] if header[0].lower() not in changed]
        headers += [(b"content-length", b"%d" % len(body)), (b"content-security-policy", POLICY)]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    headers = {name.lower(): value for name, value in start["headers"]}
    return bool(start["status"] == 200 and headers.get(b"content-type", b"").startswith(b"text/html"))


async def _send_script(send: Send) -> None:
    script = SCRIPT.read_bytes()
    headers = [(b"content-type", b"text/javascript"), (b"content-length", b"%d" % len(script))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": script})
