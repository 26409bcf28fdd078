"""The start page's server while no platform is running."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port

from services.start import __main__ as server
from tests.conftest import ROOT


def ask(monkeypatch: pytest.MonkeyPatch, *paths: str) -> list[tuple[int, str, dict[str, str]]]:
    """Status, text and headers of these pages, of a server without a platform."""
    for name in ("ORION_ADDRESS", "POSTGRES_ADDRESS", "GCS_ADDRESS"):
        monkeypatch.setenv(name, f"127.0.0.1:{unused_port()}")
    monkeypatch.setenv("DOCS", str(ROOT / "docs"))
    monkeypatch.setenv("REPORTS", str(ROOT / "tests"))

    async def fetch() -> list[tuple[int, str, dict[str, str]]]:
        async with TestClient[web.Request, web.Application](TestServer(server.make_app())) as client:
            answers = [await client.get(path) for path in paths]
            return [(answer.status, await answer.text(), dict(answer.headers)) for answer in answers]

    return asyncio.run(fetch())


def test_the_page_comes_where_nothing_runs_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ((status, text, headers),) = ask(monkeypatch, "/")
    assert status == 200 and "Down: Orion, Postgres, Cloud Storage<" in " ".join(text.split()).replace(" <", "<")
    assert headers["Refresh"] == "5"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_documents_pictures_and_reports_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(monkeypatch, "/docs/week2.md", "/docs/images/week2-blocks.png.md", "/docs/none.md", "/docs/../.env.md")
    assert [status for status, _, _ in found] == [200, 404, 404, 404]
    found = ask(
        monkeypatch,
        "/reports/conftest.py",
        "/reports/..%2F.env-01234567.html",
        "/reports/none-01234567.html",
        "/healthz",
    )
    # There is no Orion that could know the third
    assert [status for status, _, _ in found] == [404, 404, 503, 200]
