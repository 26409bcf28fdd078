"""Orion's pages without requests to other hosts: a browser shows them the same with and without a network.

The logos of block types come from a server of Prefect's. Orion's answers about blocks name addresses of its own
instead, at which there is nothing, and `logos.js` draws pictures in their place. The pages' policy lets a browser load
pictures from Orion alone, whoever names others.
"""

from __future__ import annotations

from pathlib import Path

from orionbox.http_guard import App, Message, Receive, Scope, Send

LOGOS, OWN_LOGOS = b"https://cdn.sanity.io/", b"http://%s/orionbox-logos/"
"""Where Prefect's logos are, and the address in its place, with Orion's host; clients accept nothing but http(s)."""
SCRIPT = Path(__file__).with_name("logos.js")
ADDRESS = "/orionbox-logos.js"
BODY = b'<div id="app">'
"""The element of Prefect's page that its own script fills."""
FROM_PAGE = b"x-prefect-ui"
"""The header of requests that Orion's pages send."""
HTML, JSON = b"text/html", b"application/json"
POLICY = (
    b"img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
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
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] == ADDRESS:
            return await _send_script(send)
        sent = dict(scope["headers"])
        is_page = scope["method"] == "GET" and not scope["path"].startswith("/api/")
        # Only for Orion's own pages: Prefect's client takes no address whose host has no dot, such as orion:4200
        is_for_page = FROM_PAGE in sent and scope["path"].startswith("/api/block_")
        if not is_page and not is_for_page:
            return await self._app(scope, receive, send)
        host = sent.get(b"host", b"localhost")
        # A compressed answer could not be changed
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        await self._app(scope, receive, _Changed(send, host))


class _Changed:
    """Sends a response on; a page or an answer about blocks is changed, once all of it is there."""

    def __init__(self, send: Send, host: bytes) -> None:
        self._send, self._host = send, host
        self._start: Message | None = None
        """The start of a response that is changed."""
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _kind(message) in (HTML, JSON):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_changed(self._start)

    async def _send_changed(self, start: Message) -> None:
        headers = [header for header in start["headers"] if header[0].lower() != b"content-length"]
        if _kind(start) == HTML:
            body = self._body.replace(BODY, b'<script src="%s"></script>%s' % (ADDRESS.encode(), BODY), 1)
            headers.append((b"content-security-policy", POLICY))
        else:
            body = self._body.replace(LOGOS, OWN_LOGOS % self._host)
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _kind(start: Message) -> bytes:
    """Returns the content type of a response, without its parameters."""
    headers = {name.lower(): value for name, value in start["headers"]}
    return bytes(headers.get(b"content-type", b"")).partition(b";")[0]


async def _send_script(send: Send) -> None:
    script = SCRIPT.read_bytes()
    headers = [(b"content-type", b"text/javascript"), (b"content-length", b"%d" % len(script))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": script})
