"""A full disk: a clear refusal, nothing half stored, and everything works again once there is space."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("httptools")

from services.gcs.app import App
from services.gcs.disk.contents import ROOM
from services.gcs.settings import Settings

UPLOAD = "/upload/storage/v1/b/taxi/o"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    found = App(Settings(tmp_path))
    yield found
    found.server.store.close()


def ask(app: App, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """Send a request to the application; return status and body."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let the disk have so many bytes free."""
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))


def test_an_upload_leaves_room_for_deletions(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(app, "POST", UPLOAD, "uploadType=media&name=a", b"first")[0] == 200
    leave(monkeypatch, ROOM + 9)
    status, answer = ask(app, "POST", UPLOAD, "uploadType=media&name=a", b"ten bytes!")
    error = json.loads(answer)["error"]
    assert (status, error["errors"][0]["reason"]) == (507, "insufficientStorage")
    assert "full" in error["message"] and "make prune" in error["message"]
    assert ask(app, "PUT", "/taxi/a", body=b"ten bytes!")[0] == 507
    assert os.listdir(tmp_path / "incoming") == [] and len(os.listdir(tmp_path / "objects")) == 1
    assert ask(app, "GET", "/taxi/a") == (200, b"first")
    assert ask(app, "POST", UPLOAD, "uploadType=media&name=b", b"9 bytes..")[0] == 200
    assert ask(app, "DELETE", "/storage/v1/b/taxi/o/a")[0] == 204
    assert ask(app, "POST", "/prune", "days=0") == (200, b'{"objects":1,"bytes":5}')
    leave(monkeypatch, ROOM - 1)
    assert ask(app, "POST", UPLOAD, "uploadType=media&name=empty")[0] == 507
    leave(monkeypatch, ROOM + 10)
    assert ask(app, "POST", UPLOAD, "uploadType=media&name=a", b"ten bytes!")[0] == 200


def test_a_part_of_an_upload_that_does_not_fit_can_be_sent_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = app.server.store.contents.create()
    upload.write(b"x" * 10)
    leave(monkeypatch, ROOM)
    with pytest.raises(OSError):
        upload.write(b"y")
    leave(monkeypatch, ROOM + 1)
    upload.write(b"z")
    assert upload.size == 11 and upload.path.read_bytes() == b"x" * 10 + b"z"
    upload.discard()


def test_a_catalogue_that_cannot_grow_refuses_and_stays_whole(app: App, tmp_path: Path) -> None:
    assert ask(app, "POST", UPLOAD, "uploadType=media&name=a", b"first")[0] == 200
    app.server.store.catalogue._writer.execute("PRAGMA max_page_count = 1")  # at least what there is already
    label = json.dumps({"website": {"mainPageSuffix": "x" * 1_000_000}}).encode()
    assert ask(app, "PATCH", "/storage/v1/b/taxi", body=label)[0] == 507
    app.server.store.catalogue._writer.execute("PRAGMA max_page_count = 1000000")
    assert ask(app, "PATCH", "/storage/v1/b/taxi", body=label)[0] == 200
    assert ask(app, "GET", "/taxi/a") == (200, b"first")
