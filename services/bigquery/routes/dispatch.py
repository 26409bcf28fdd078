"""The ASGI application: finds a request's route by its raw path, runs it, and turns every error into an answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orionbox.http_server import raw_path
from services.bigquery import bodies
from services.bigquery.errors import BigQueryError, failed
from services.bigquery.routes import datasets, jobs, platform, queries, routines, rows, tables, unbuilt, uploads
from services.bigquery.routes.call import Api, Call, Route, decode, error_response, json_response, read_query

ROUTES: tuple[Route, ...] = tuple(
    one
    for module in (platform, datasets, tables, rows, queries, jobs, uploads, routines, unbuilt)
    for one in module.ROUTES
)
"""All routes; the first one that fits answers."""
THREADS = 100
"""Requests that work on the catalogue at the same time; some may wait for a table that a job changes."""
CLEAN_UP_SECONDS = 600
PRUNE_SECONDS, PRUNE_DAYS = 86_400, 7
_log = logging.getLogger("bigquery")


class App:
    """The application.

    Args:
        api: Store and jobs.
        close: What is to be done at the end.
        end_old: Ends old sessions.
    """

    def __init__(
        self, api: Api, close: Callable[[], None] = lambda: None, end_old: Callable[[], None] = lambda: None
    ) -> None:
        self.api, self._close, self._end_old = api, close, end_old
        self._threads = ThreadPoolExecutor(THREADS, "bigquery")
        self._room = bodies.Room()

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
        call = Call(self.api, request.method, decode(params), query, request.headers)
        if found.streams(call):
            call.stream = request.stream()
            return await self._answer(found, call)
        most = bodies.MOST_UPLOAD if found.is_upload else bodies.MOST_JSON
        async with self._room.taken(bodies.size_of(request, most)):
            call.body = await bodies.read(request, most)
            return await self._answer(found, call)

    async def _answer(self, found: Route, call: Call) -> Response:
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
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "waiting"))
        cleaning = asyncio.create_task(self._clean_up())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        cleaning.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _clean_up(self) -> None:
        """Removes what has expired, every ten minutes, and once a day what `make prune` would."""
        pruned = time.monotonic()
        while True:
            await asyncio.sleep(CLEAN_UP_SECONDS)
            steps: list[Callable[[], Any]] = [self.api.jobs.forget_expired, self._end_old]
            if time.monotonic() - pruned > PRUNE_SECONDS:
                pruned = time.monotonic()
                steps.append(partial(self.api.store.prune, PRUNE_DAYS, False))
            for step in steps:
                try:
                    await self.in_thread(step)
                except Exception:
                    _log.exception("cleaning up failed")


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
