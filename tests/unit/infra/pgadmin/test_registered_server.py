"""pgAdmin's application is behind the guard; pgAdmin itself is in an image of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from infra.pgadmin import registered_server


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ({"HTTP_HOST": "localhost:8080", "HTTP_ORIGIN": "http://localhost:8080"}, True),
        ({"HTTP_HOST": "pgadmin:8080"}, True),
        ({"HTTP_HOST": "evil.example"}, False),
        ({"HTTP_HOST": "localhost:8080", "HTTP_ORIGIN": "https://evil.example", "HTTP_UPGRADE": "websocket"}, False),
    ],
)
def test_pages_elsewhere_reach_neither_pgadmin_nor_its_websockets(
    headers: dict[str, str], is_answered: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = ModuleType("pgadmin4.pgAdmin4")
    module.__dict__["app"] = SimpleNamespace(wsgi_app=lambda environ, start_response: [b"pgAdmin"])
    monkeypatch.setitem(sys.modules, "pgadmin4", ModuleType("pgadmin4"))
    monkeypatch.setitem(sys.modules, "pgadmin4.pgAdmin4", module)
    monkeypatch.setattr(registered_server, "write_password_file", lambda *_: None)
    monkeypatch.setattr(registered_server, "register", lambda *_: None)
    monkeypatch.setenv("WAREHOUSE_DB_PASSWORD", "x")
    started: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/socket.io/", **headers}
    body = registered_server.create_app().wsgi_app(environ, lambda *answer: started.append(answer))
    assert (body == [b"pgAdmin"]) == is_answered
    assert is_answered or started[0][0] == "403 Forbidden"
