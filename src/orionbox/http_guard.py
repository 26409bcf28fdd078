"""Refuses what a web page elsewhere asks of a server on this machine: the same check in front of every HTTP server.

A browser lets any page send requests to localhost, and names the page in headers that the page cannot change:

- `Host` is the name in the address. With DNS rebinding, a page's own name leads here, and the browser then takes the
  server for the page's own. So a server answers to known names only.
- `Origin` is the page that sends the request (https://fetch.spec.whatwg.org/#origin-header). Programs send none.
- `Sec-Fetch-Site` says how page and server are related, also where there is no `Origin`, as for pictures
  (https://www.w3.org/TR/fetch-metadata/).
- A page can send a form's content types, and none at all, to any server without asking it first
  (https://fetch.spec.whatwg.org/#cors-safelisted-request-header). So a change whose body is JSON must say so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable["tuple[str, str]"]

ALLOWED_HOSTS = "ALLOWED_HOSTS"
"""The setting with further names of this platform, separated by commas."""
LOCALHOST = "localhost"
LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
ALWAYS = ("host.docker.internal",)
"""The name by which Docker Desktop lets containers reach this machine; nobody can register it."""
AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?")
ORIGIN = re.compile(r"https?://(.+)")
DEFAULT_PORTS = ("", "80", "443")
"""Browsers leave these out, and proxies may write them."""
SAFE = ("GET", "HEAD", "OPTIONS")
"""The methods that change nothing (RFC 9110, section 9.2.1)."""
JSON = re.compile(r"application/([\w.-]+\+)?json")
OTHERS = ("cross-site", "same-site")
"""What Sec-Fetch-Site says of pages that are not the server's own."""
NOWHERE = r"(?!)"
SHOWN = 100
"""The longest part of a request that a refusal repeats, in characters."""


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that is refused."""

    status: HTTPStatus
    text: str
    """What is wrong, and what to do."""

    def answer(self, wants_page: bool) -> tuple[list[tuple[str, str]], bytes]:
        """Returns headers and body: a text for a browser's tab, else JSON in which each service's clients find it."""
        if wants_page:
            kind, body = "text/plain; charset=utf-8", f"{self.text}\n".encode()
        else:
            # The keys of Google's clients, of FastAPI's and of Prefect's
            error = {"code": int(self.status), "message": self.text, "errors": [{"message": self.text}]}
            texts = {"error": error, "detail": self.text, "exception_message": self.text}
            kind, body = "application/json", json.dumps(texts).encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
        return [*headers, ("Connection", "close")], body


@dataclass(frozen=True)
class HttpGuard:
    """What one server refuses."""

    service: str
    """Its name on the platform's network."""
    json_paths: str = NOWHERE
    """A pattern of the paths at which a change's body must be JSON, matched at their beginning."""
    closed: str = NOWHERE
    """A pattern of the paths that nobody may use, matched at their beginning."""
    instead: str = ""
    """What to do instead of using them."""
    further_hosts: tuple[str, ...] = ()
    """Names of this machine that the user has set."""

    def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Returns why a request is refused; None if it may pass.

        Args:
            method: the request's method; GET for a websocket.
            path: the path without its query, its percent signs decoded.
            headers: names and values as they came.
        """
        sent: dict[str, list[str]] = {}
        for name, value in headers:
            sent.setdefault(name.lower(), []).append(value.strip())
        return (
            self._wrong_host(sent.get("host", []))
            or self._wrong_page(method, sent)
            or self._closed(method, path)
            or self._wrong_type(method, path, sent)
        )

    def _wrong_host(self, hosts: list[str]) -> Refusal | None:
        name, _ = _split(hosts[0]) if len(hosts) == 1 else ("", "")
        if name == LOCALHOST or name in (self.service, *ALWAYS, *self.further_hosts):
            return None
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"Refused: this platform has no host {_shown(hosts)}. Use localhost in the address. If the name is right, "
            f"add it to {ALLOWED_HOSTS} in .env and run: make up",
        )

    def _wrong_page(self, method: str, sent: Mapping[str, list[str]]) -> Refusal | None:
        origins, site = sent.get("origin", []), _first(sent, "sec-fetch-site")
        if origins:
            is_own = all(self._is_own(origin, sent["host"][0], site) for origin in origins)
            page = f"a page of {_shown(origins)}"
        else:
            is_own = site not in OTHERS or (method in SAFE and _opens_a_tab(sent))
            page = "a page of another site"
        if is_own:
            return None
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"Refused: {page} sent this request to {self.service}, and only its own pages and programs may. Open its "
            "address in a tab of its own. If the page is your own, let it ask from a program instead of the browser",
        )

    def _is_own(self, origin: str, host: str, site: str) -> bool:
        """Returns whether the page comes from this server.

        A proxy in front may speak TLS, so http and https are the same. GitHub's Codespaces write localhost into both
        headers, without promising the port in both; there the browser's own word decides.
        """
        found = ORIGIN.fullmatch(origin.lower())
        page, page_port = _split(found[1]) if found else ("", "")
        name, port = _split(host)
        if page and (page, page_port) == (name, port):
            return True
        if page in self.further_hosts and page_port in DEFAULT_PORTS:
            return True
        return page == name == LOCALHOST and site == "same-origin"

    def _closed(self, method: str, path: str) -> Refusal | None:
        if not re.match(self.closed, path, re.IGNORECASE):
            return None
        return Refusal(HTTPStatus.FORBIDDEN, f"Refused: {method} {_shown([path])} is closed. {self.instead}")

    def _wrong_type(self, method: str, path: str, sent: Mapping[str, list[str]]) -> Refusal | None:
        has_body = _first(sent, "content-length") not in ("", "0") or "transfer-encoding" in sent
        if method in SAFE or not has_body or not re.match(self.json_paths, path):
            return None
        types = sent.get("content-type", [""])
        if all(JSON.fullmatch(kind.partition(";")[0].strip().lower()) for kind in types):
            return None
        return Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Refused: the body's content type is {_shown(types)}. Send JSON with the header "
            "Content-Type: application/json",
        )


def further_hosts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Returns the names that the user has set."""
    return tuple(filter(None, (name.strip().lower() for name in environment.get(ALLOWED_HOSTS, "").split(","))))


def _split(authority: str) -> tuple[str, str]:
    """Returns host and port of `host:port`; every loopback name is localhost, and the default ports are empty."""
    found = AUTHORITY.fullmatch(authority.lower())
    if not found:
        return "", ""
    name, port = found[1] or found[2], found[3] or ""
    return LOCALHOST if LOOPBACK.fullmatch(name) else name, "" if port in DEFAULT_PORTS else port


def _first(sent: Mapping[str, list[str]], name: str) -> str:
    return sent.get(name, [""])[0].lower()


def _opens_a_tab(sent: Mapping[str, list[str]]) -> bool:
    """Returns whether somebody followed a link; a page in a frame of another one could be clicked unseen."""
    return _first(sent, "sec-fetch-mode") == "navigate" and _first(sent, "sec-fetch-dest") == "document"


def _shown(values: list[str]) -> str:
    """Returns a part of a request for a message, without control characters and not too long."""
    return ascii(", ".join(values)[:SHOWN]) if any(values) else "(none)"


class AsgiGuard:
    """An ASGI application behind the guard (https://asgi.readthedocs.io/en/latest/specs/www.html).

    Args:
        app: the server's own application.
        guard: what it refuses.
    """

    def __init__(self, app: App, guard: HttpGuard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request or a websocket; the server's own start and stop pass."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        refusal = self._guard.refusal(scope.get("method", "GET"), scope["path"], headers)
        if refusal is None:
            return await self._app(scope, receive, send)
        kind = f"{scope['type']}.response" if scope["type"] == "http" else "websocket.http.response"
        if scope["type"] == "websocket" and kind not in scope.get("extensions", {}):
            # The server answers 403 by itself
            return await send({"type": "websocket.close", "code": 1008, "reason": refusal.text[:SHOWN]})
        answer, body = refusal.answer(_wants_page(headers))
        encoded = [(name.lower().encode(), value.encode()) for name, value in answer]
        await send({"type": f"{kind}.start", "status": int(refusal.status), "headers": encoded})
        await send({"type": f"{kind}.body", "body": body})


def guarded_wsgi(app: Any, guard: HttpGuard) -> Any:
    """Returns a WSGI application behind the guard (PEP 3333)."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        headers = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
        headers += [(name.replace("_", "-"), environ.get(name, "")) for name in ("CONTENT_LENGTH", "CONTENT_TYPE")]
        refusal = guard.refusal(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers)
        if refusal is None:
            return app(environ, start_response)
        # A connection header is the server's own business
        answer, body = refusal.answer(_wants_page(headers))
        start_response(f"{int(refusal.status)} {refusal.status.phrase}", answer[:-1])
        return [body]

    return application


class GuardedHandler(BaseHTTPRequestHandler):
    """A request handler of the standard library behind the guard."""

    guard: HttpGuard

    def is_guarded(self) -> bool:
        """Returns whether the request is one to check."""
        return True

    def parse_request(self) -> bool:
        """Reads the request's head; answers a request that is refused, and closes the connection."""
        if not super().parse_request():
            return False
        if not self.is_guarded():
            return True
        headers = list(self.headers.items())
        refusal = self.guard.refusal(self.command, unquote(self.path.partition("?")[0]), headers)
        if refusal is None:
            return True
        answer, body = refusal.answer(_wants_page(headers))
        self.send_response(refusal.status)
        for name, value in answer:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True
        return False


def _wants_page(headers: Headers) -> bool:
    return any(name.lower() == "accept" and "text/html" in value for name, value in headers)
