"""The ASGI application: finds the route of a request by its raw path, runs it, and turns every error into an answer.

The raw path counts, because `x%2Facl` is an object and `x/acl` is the list of access of `x`.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import re
import sqlite3
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orionbox.http_guard import AsgiGuard, HttpGuard, further_hosts
from orionbox.http_server import raw_path
from services.gcs import backup, signing, takeover
from services.gcs.call import Call, decode, json_response
from services.gcs.errors import NotModifiedError, StorageError, disk_full, not_found
from services.gcs.faults import Faults
from services.gcs.router import Route
from services.gcs.routes import access, batch, buckets, downloads, hmac_keys, objects, platform, unbuilt, uploads
from services.gcs.rules import fields
from services.gcs.server import Server
from services.gcs.settings import Settings
from services.gcs.xml_api import objects as xml_objects

ROUTES: tuple[Route, ...] = tuple(
    route
    for module in (platform, buckets, objects, downloads, uploads, access, hmac_keys, batch, unbuilt, xml_objects)
    for route in module.ROUTES
)
"""All routes; the first one that fits answers."""
READS = ("GET", "HEAD")
OVERRIDES = ("GET", "PUT", "PATCH", "DELETE")
CLEAN_UP_SECONDS = 3600
JSON_PATHS = re.compile(r"/(storage|upload|download|batch|b|resumable)(/|$)")

_log = logging.getLogger("gcs")


class App:
    """The application.

    Args:
        settings: of the server.
    """

    def __init__(self, settings: Settings) -> None:
        backup.remove_old(settings.folder)
        takeover.take_over(settings.folder)
        self.server = Server(settings, self.respond)
        self.server.store.clean_up()
        self.faults = Faults(settings.injects_faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            response = await self.faults.respond(request, self.respond)
            with suppress(ClientDisconnect):
                await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Return the answer to a request; never an exception."""
        path = raw_path(request.scope)
        try:
            return await self._dispatch(request, path)
        except NotModifiedError:
            return Response(status_code=304)
        except ClientDisconnect as ended:
            return Response(status_code=getattr(ended, "status", 400))
        except StorageError as error:
            return error_response(error, path, request.method)
        except Exception as error:
            if is_disk_full(error):
                _log.error("%s %s: the disk is full", request.method, path[:200])
                return error_response(disk_full(), path, request.method)
            _log.exception("%s %s failed", request.method, path[:200])
            return error_response(_unexpected(error), path, request.method)

    async def _dispatch(self, request: Request, path: str) -> Response:
        override_method(request)
        route, params = find_route(request.method, path)
        signing.check(self.server, request, path)
        call = Call(self.server, request, {name: decode(text) for name, text in params.items()})
        fields.check(request.method, path, call.query)
        if inspect.iscoroutinefunction(route.handler):
            answer: Response = await route.handler(call)
            return answer
        await call.read_body()
        if request.method in READS:
            # It asks the catalogue alone, which takes less time than to wake a thread
            found: Response = route.handler(call)
            return found
        answered: Response = await self.server.in_thread(route.handler, call)
        return answered

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        cleaning = asyncio.create_task(self._clean_up())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        cleaning.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _clean_up(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_UP_SECONDS)
            await self.server.in_thread(self.server.store.forget_expired)


def create_app(settings: Settings) -> ASGIApp:
    """Return the application as it is served, behind the guard."""
    # Uploads and tokens have other types, in requests that a program may send without asking, too
    guard = HttpGuard("gcs", json_paths=r"/(storage/v1/)?b(/|$)|/prune$", further_hosts=further_hosts())
    return AsgiGuard(App(settings), guard)


def override_method(request: Request) -> None:
    """Give a request the method that it wants to have.

    Java's own HTTP library knows no PATCH, so Google's clients for Java send POST and this header
    (`MethodOverride` in google-http-java-client).
    """
    wanted = request.headers.get("x-http-method-override", "").upper()
    if request.method == "POST" and wanted in OVERRIDES:
        request.scope["method"] = wanted


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a request, and the parts of its path as they were sent."""
    known = False
    for route in ROUTES:
        if found := route.pattern.fullmatch(path):
            if method in route.methods:
                return route, found.groupdict()
            known = known or route.is_specific
    if known:
        raise StorageError(405, "methodNotAllowed", "Method Not Allowed")
    raise not_found()


def error_response(error: StorageError, path: str, method: str) -> Response:
    """Return an error in the form of the API that was asked."""
    if method == "HEAD":
        return Response(status_code=error.status)
    if JSON_PATHS.match(path):
        return json_response(error.as_json(), error.status)
    return Response(error.as_xml(), error.status, media_type="application/xml; charset=UTF-8")


def is_disk_full(error: Exception) -> bool:
    """Return whether an error says that the disk, or what the user may use of it, is full."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _unexpected(error: Exception) -> StorageError:
    if isinstance(error, OSError | sqlite3.OperationalError):
        return StorageError(503, "backendError", "The disk does not take or give the data at the moment. Try again.")
    return StorageError(500, "backendError", "We encountered an internal error. Please try again.")
