"""What all requests share: settings, the store, keys, threads, and the uploads that are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.gcs.disk.catalogue import secret_of
from services.gcs.disk.contents import Incoming
from services.gcs.rules.access import ACCOUNT
from services.gcs.rules.signatures import Keys
from services.gcs.settings import Settings
from services.gcs.store import Store

THREADS = 16
"""Requests that work on the catalogue or on files at the same time."""
MOST_LOCKS = 10_000
MOST_OPEN = 200
"""Files of uploads that stay open between two requests."""


class Server:
    """The parts of one running server.

    Args:
        settings: of the server.
        respond: answers a request, for those that contain others.
    """

    def __init__(self, settings: Settings, respond: Callable[[Request], Awaitable[Response]]) -> None:
        self.settings, self.respond = settings, respond
        self.store = Store(settings.folder, settings.creates_buckets)
        self.keys = Keys(settings.key_file, partial(secret_of, self.store.catalogue))
        self.account = self.keys.first_account() or ACCOUNT
        self._threads = ThreadPoolExecutor(THREADS, "gcs")
        self._locks: dict[str, asyncio.Lock] = {}
        self._open: dict[str, Incoming] = {}

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function that waits for the disk in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments))

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of an upload: one request at a time adds to it."""
        if len(self._locks) > MOST_LOCKS:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(name, asyncio.Lock())

    def open_upload(self, name: str) -> Incoming:
        """Return what has arrived of an upload; after a restart it is read again, for its checksums."""
        found = self._open.get(name)
        if found is None:
            idle = [other for other in self._open if not self.lock(other).locked()]
            for other in idle[: max(len(self._open) + 1 - MOST_OPEN, 0)]:
                self._open.pop(other).close()
            found = self._open[name] = Incoming(self.store.contents.part(name), append=True)
        return found

    def close_upload(self, name: str) -> Incoming:
        """Return what has arrived of an upload that has ended."""
        return self._open.pop(name, None) or Incoming(self.store.contents.part(name))
