"""kill -9 while four clients write, overwrite, join and delete: nothing acknowledged is lost, nothing is left over."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest

pytest.importorskip("httptools")

from tests.conformance.storage.server import Server, running
from tests.unit.services.gcs.test_server import files_without_a_row

ROUNDS, CLIENTS, NAMES = 12, 4, 5
OPERATIONS = 40
"""Acknowledged by all clients together before the server is killed."""
Contents = dict[str, bytes | None]
"""By name; None is an object that does not exist."""


@dataclass
class Client:
    """One client, which alone knows what its objects should hold."""

    number: int
    server: Server
    acknowledged: Contents
    count: Callable[[], None]
    pending: Contents = field(default_factory=dict)
    """What the operation that had no answer would have left."""

    def name(self) -> str:
        """Return one of its names."""
        return f"{self.number}/{random.randrange(NAMES)}"

    def work(self) -> None:
        """Send operations until the server is gone."""
        try:
            while True:
                random.choice((self.write, self.write, self.join, self.delete))()
                self.acknowledged.update(self.pending)
                self.pending = {}
                self.count()
        except (OSError, HTTPException):
            return

    def write(self) -> None:
        """Write or overwrite an object."""
        name, content = self.name(), os.urandom(random.choice((0, 10, 5_000, 300_000)))
        self.pending = {name: content}
        assert self.server.upload(name, content) == 200

    def join(self) -> None:
        """Join two objects."""
        sources = [name for name, content in self.acknowledged.items() if content is not None][:2]
        if not sources:
            return
        name = self.name()
        self.pending = {name: b"".join(self.acknowledged[source] or b"" for source in sources)}
        body = json.dumps({"sourceObjects": [{"name": source} for source in sources]}).encode()
        path = f"/storage/v1/b/taxi/o/{name.replace('/', '%2F')}/compose"
        assert self.server.ask(path, body, "POST")[0] == 200

    def delete(self) -> None:
        """Delete an object, or try to."""
        name = self.name()
        self.pending = {name: None}
        wanted = 404 if self.acknowledged.get(name) is None else 204
        assert self.server.ask(f"/storage/v1/b/taxi/o/{name.replace('/', '%2F')}", method="DELETE")[0] == wanted


def work_until_killed(server: Server, acknowledged: list[Contents]) -> list[Client]:
    """Let the clients work, kill the server in the middle, and return the clients."""
    done, enough = iter(range(OPERATIONS)), threading.Event()

    def count() -> None:
        if next(done, None) is None:
            enough.set()

    clients = [Client(number, server, known, count) for number, known in enumerate(acknowledged)]
    threads = [threading.Thread(target=client.work) for client in clients]
    for thread in threads:
        thread.start()
    enough.wait(120)
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    return clients


def check(server: Server, clients: list[Client]) -> None:
    """Compare what there is with what was acknowledged; then it is what the clients know."""
    listed = json.loads(server.ask("/storage/v1/b/taxi/o")[1]).get("items", [])
    found: Contents = {}
    for item in listed:
        content = found[item["name"]] = server.content(item["name"])
        if "md5Hash" in item:
            assert item["md5Hash"] == base64.b64encode(hashlib.md5(content).digest()).decode(), item
        assert int(item["size"]) == len(content)
    for client in clients:
        for name in {*client.acknowledged, *client.pending}:
            allowed = [client.acknowledged.get(name), *([client.pending[name]] if name in client.pending else [])]
            assert found.get(name) in allowed, name
            client.acknowledged[name] = found.get(name)
    assert set(found) <= {name for client in clients for name in client.acknowledged}


def test_kills_lose_nothing_that_was_acknowledged_and_leave_nothing_over(tmp_path: Path) -> None:
    acknowledged: list[Contents] = [{} for _ in range(CLIENTS)]
    clients: list[Client] = []
    with running(tmp_path) as server:
        server.make_bucket(softDeletePolicy={"retentionDurationSeconds": "0"})
    for _ in range(ROUNDS):
        with running(tmp_path, signal.SIGKILL) as server:
            check(server, clients)
            assert files_without_a_row(tmp_path) == set()
            clients = work_until_killed(server, acknowledged)
    with running(tmp_path) as server:
        check(server, clients)
    assert files_without_a_row(tmp_path) == set()
    assert any(acknowledged)
