"""The start page's server while no platform is running."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port

from services.start import __main__ as server
from services.start.documents import MERMAID, list_pages, picture_name
from tests.conftest import ROOT
from tests.unit.fake_api import FakeApi


def ask(
    monkeypatch: pytest.MonkeyPatch,
    *paths: str,
    reports: Path = ROOT / "tests",
    orion: str = "",
    headers: dict[str, str] | None = None,
) -> list[tuple[int, str, dict[str, str]]]:
    """Status, text and headers of these pages, of a server without a platform."""
    for name in ("ORION_ADDRESS", "POSTGRES_ADDRESS", "GCS_ADDRESS"):
        monkeypatch.setenv(name, f"127.0.0.1:{unused_port()}")
    monkeypatch.setenv("DOCS", str(ROOT / "docs"))
    monkeypatch.setenv("REPORTS", str(reports))
    if orion:
        monkeypatch.setenv("ORION_ADDRESS", orion)

    async def fetch() -> list[tuple[int, str, dict[str, str]]]:
        async with TestClient[web.Request, web.Application](TestServer(server.make_app())) as client:
            answers = [await client.get(path, headers=headers) for path in paths]
            return [
                (answer.status, (await answer.read()).decode(errors="replace"), dict(answer.headers))
                for answer in answers
            ]

    return asyncio.run(fetch())


def test_the_page_comes_where_nothing_runs_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ((status, text, headers),) = ask(monkeypatch, "/")
    assert status == 200 and "Down: Orion, Postgres, Cloud Storage<" in " ".join(text.split()).replace(" <", "<")
    assert headers["Refresh"] == "5"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_documents_pictures_and_reports_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(
        monkeypatch,
        "/docs/week2.md",
        "/docs/images/week2-blocks.png.md",
        "/docs/none.md",
        "/docs/../.env.md",
        "/docs/LICENSE.md",
    )
    assert [status for status, _, _ in found] == [200, 404, 404, 404, 404]
    found = ask(
        monkeypatch,
        "/reports/conftest.py",
        "/reports/..%2F.env-01234567.html",
        "/reports/none-01234567.html",
        "/healthz",
    )
    # There is no Orion that could know the third
    assert [status for status, _, _ in found] == [404, 404, 503, 200]


def test_an_error_is_a_page_that_leads_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for status, text, headers in ask(monkeypatch, "/docs/none.md", "/nowhere", "/reports/none-01234567.html"):
        assert status in (404, 503) and '<a href="/">Home</a>' in text
        assert headers["Content-Type"].startswith("text/html"), headers


def test_every_page_of_the_documentation_is_served_and_has_no_dead_link(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [page.name for page in list_pages(ROOT / "docs")]
    assert {"README", "week2", "CONTRIBUTING"} <= {*names} and len(names) == len({*names})
    answers = ask(monkeypatch, *(f"/docs/{name}.md" for name in names))
    texts = {f"/docs/{name}.md": text for name, (_, text, _) in zip(names, answers, strict=True)}
    anchors = {page: {*re.findall(r'id="([^"]+)"', text)} for page, text in texts.items()}
    assert {status for status, _, _ in answers} == {200}
    for name, text in texts.items():
        for target in re.findall(r'<a [^>]*href="([^"]+)"', text):
            page, _, anchor = target.partition("#")
            if page in ("/", "/reports/", "/docs/") or "://" in page or page.startswith("mailto:"):
                continue
            here = page or name
            assert here in anchors and (not anchor or anchor in anchors[here]), f"{name}: {target}"


def test_a_page_has_its_headings_and_the_pages_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, text, _),) = ask(monkeypatch, "/docs/week2.md")
    first, second, third = list_pages(ROOT / "docs")[:3]
    assert second.name == "week2" and f'<a rel="prev" href="/docs/{first.name}.md">' in text
    assert f'<a rel="next" href="/docs/{third.name}.md">' in text
    assert '<li><a href="#exercises">Exercises</a></li>' in text


def test_every_diagram_has_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    diagrams = [each for path in (ROOT / "docs").glob("*.md") for each in MERMAID.finditer(path.read_text())]
    pictures = {picture_name(diagram["source"]) for diagram in diagrams}
    assert pictures == {path.name for path in (ROOT / "docs/images").glob("diagram-*")}, "run `make drawings`"
    answers = ask(monkeypatch, *(f"/docs/images/{name}" for name in pictures))
    assert pictures and all(status == 200 for status, _, _ in answers)


def test_reports_are_listed_with_those_that_were_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("big-dog-01234567.html", "none.html", ".secret-01234567.html"):
        (tmp_path / name).write_text("a page")
    ((status, text, _),) = ask(monkeypatch, "/reports/", reports=tmp_path)
    assert status == 200 and '<a class="text" href="/reports/big-dog-01234567.html">big-dog</a>' in text
    assert "none.html" not in text and "secret" not in text and "Orion does not answer" in text


def test_all_runs_are_reached_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    run = {"name": "Big Dog", "flow_id": "f", "total_run_time": 4.04, "state_name": "Completed"}
    run |= {"state_type": "COMPLETED", "start_time": "2021-01-01T00:00:00+00:00"}
    runs = [run | {"id": f"{number:08}-x"} for number in range(30)]

    def orion(path: str, body: Any) -> Any:
        if path == "/api/flow_runs/filter":
            return runs[body["offset"] : body["offset"] + body["limit"]]
        return [{"id": "f", "name": "etl"}] if path == "/api/flows/filter" else []

    with FakeApi(route=orion).serving() as api:
        address = api.url.removeprefix("http://")
        (_, first, _), (_, second, _), (_, odd, _) = ask(
            monkeypatch, "/runs/", "/runs/?page=2", "/runs/?page=-1", orion=address
        )
    assert first.count("etl · Big Dog") == 25 and 'href="/runs/?page=2"' in first
    assert second.count("etl · Big Dog") == 5 and 'rel="prev"' in second and 'rel="next"' not in second
    assert odd.count("etl · Big Dog") == 25


def test_an_error_of_the_page_s_own_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(server, "gather_overview", fail)
    ((status, text, _),) = ask(monkeypatch, "/")
    assert status == 500 and "make logs SERVICE=start" in text and "a defect" not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:4280"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
    ],
)
def test_a_web_page_elsewhere_gets_no_page(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int
) -> None:
    for found, text, _ in ask(monkeypatch, "/lesson.json", "/style.css", "/healthz", "/nowhere/..", headers=headers)[
        :3
    ]:
        assert found == status and (status == 200 or "<h1>Refused</h1>" in text)


def test_the_lesson_comes_where_nothing_runs_and_says_that_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(monkeypatch, "/lesson", "/lesson.json", "/page.js")
    assert [status for status, _, _ in found] == [200, 200, 200]
    assert "cannot be checked yet" in found[0][1] and 'id="live"' in found[0][1]
    checks = json.loads(found[1][1])["checks"]
    assert checks[0]["name"] == "pipeline" and checks[0]["passed"] is None
    assert checks[0]["cause"]["rationale"].startswith("Orion does not answer")
