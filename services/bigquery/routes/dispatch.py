"""The ASGI application: finds a request's route by its raw path, runs it, and turns every error into an answer."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import logging
import re
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.bigquery.errors import BigQueryError, failed
from services.bigquery.routes import datasets, jobs, platform, queries, routines, rows, tables, unbuilt, uploads
from services.bigquery.routes.call import Api, Call, Route, decode, error_response, json_response, read_query

ROUTES: tuple[Route, ...] = tuple(
    one
    for module in (platform, datasets, tables, rows, queries, jobs, uploads, routines, unbuilt)
    for one in module.ROUTES
)
"""All routes; the first one that fits answers."""
THREADS = 40
"""Requests that work on the catalogue or wait for a job at the same time."""
MOST_BODY = 100 * 2**20
"""Bytes of a request's body; Google's limit for JSON is 10 MB, for uploads larger."""
CLEAN_UP_SECONDS = 600
_log = logging.getLogger("bigquery")


class App:
    """The application.

    Args:
        api: Store and jobs.
        close: What is to be done at the end.
    """

    def __init__(self, api: Api, close: Callable[[], None] = lambda: None) -> None:
        self.api, self._close = api, close
        self._threads = ThreadPoolExecutor(THREADS, "bigquery")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or takes part in the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self.respond(Request(scope, receive))
            with suppress(ClientDisconnect):
                await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """The answer to a request; never an exception."""
        path = raw_path(request.scope)
        try:
            return await self._dispatch(request, path)
        except ClientDisconnect:
            return Response(status_code=400)
        except BigQueryError as error:
            return error_response(error)
        except Exception as error:
            _log.exception("%s %s failed", request.method, path[:200])
            return error_response(failed(error))

    async def _dispatch(self, request: Request, path: str) -> Response:
        found, params = find_route(request.method, path)
        query = read_query(request.scope["query_string"])
        call = Call(self.api, request.method, decode(params), query, request.headers, await read_body(request))
        if inspect.iscoroutinefunction(found.handler):
            answer = await found.handler(call)
        else:
            answer = await self.in_thread(found.handler, call)
        return answer if isinstance(answer, Response) else json_response(answer)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a function that may wait in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        cleaning = asyncio.create_task(self._clean_up())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        cleaning.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _clean_up(self) -> None:
        while True:
            await self.in_thread(self.api.jobs.forget_expired)
            await asyncio.sleep(CLEAN_UP_SECONDS)


async def read_body(request: Request) -> bytes:
    """The request's body, unpacked.

    Raises:
        BigQueryError: It is too large, or not the gzip that it says it is.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BODY:
            raise BigQueryError("uploadTooLarge", f"Request body is larger than {MOST_BODY} bytes", status=413)
        pieces.append(piece)
    body = b"".join(pieces)
    if request.headers.get("content-encoding", "").strip().lower() == "gzip":
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            raise BigQueryError("parseError", "The request's body is not valid gzip") from None
    return body


def raw_path(scope: Scope) -> str:
    """The path as the client has encoded it, without the query."""
    raw = scope.get("raw_path") or scope["path"].encode()
    return str(raw.partition(b"?")[0].decode("latin-1"))


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """A request's route, and the parts of its path as they were sent.

    Raises:
        BigQueryError: There is none.
    """
    path = re.sub(r"^/+", "/", path)
    known = False
    for one in ROUTES:
        if found := one.pattern.fullmatch(path):
            if method in one.methods:
                return one, found.groupdict()
            known = True
    if known:
        raise BigQueryError("methodNotAllowed", "Method Not Allowed", status=405)
    raise BigQueryError("notFound", "Not Found", status=404)
