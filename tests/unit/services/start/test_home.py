"""The start page's parts that need no platform, and the page itself where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from markdown import markdown

from cli import messages
from cli.runtimes.embedded import variables
from orionbox.services import SERVICES
from services.start import __main__ as server
from services.start.home import counts, gather
from services.start.lesson import STEPS, Progress, next_step
from services.start.status import STARTUP_MESSAGE, Platform, ago, takes_connections
from tests.conftest import ROOT

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MONTH = {f"rows.{store}": 10 for store in ("source", "parquet", "bigquery", "postgres")}


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=3, hours=5), "3 days ago"),
    ],
)
def test_a_run_s_age_is_said_in_words(passed: timedelta, words: str) -> None:
    assert ago((NOW - passed).isoformat(), NOW) == words
    assert ago(None, NOW) == ""


def test_equal_counts_are_one_number_and_different_ones_are_all_said() -> None:
    assert counts([MONTH, MONTH]) == "20 rows, in all 4 places"
    assert counts([MONTH | {"rows.postgres": 9}]) == "source 10, parquet 10, bigquery 10, postgres 9"
    assert counts([]) == ""


def test_what_comes_next_is_the_first_step_that_is_not_done() -> None:
    done = [Progress(step, True) for step in STEPS]
    assert next_step(done) is None
    assert next_step([Progress(STEPS[0], True), Progress(STEPS[1], False), Progress(STEPS[2], False)]) == STEPS[1]
    assert next_step([Progress(step, None) for step in STEPS]) is None


def test_every_step_has_its_section_in_the_lesson() -> None:
    lesson = markdown((ROOT / "docs/week2.md").read_text(), extensions=["fenced_code", "tables", "toc"])
    assert [step.section for step in STEPS if f'id="{step.section}"' not in lesson] == []
    assert 'id="exercises"' in lesson


def test_every_command_of_a_step_is_in_the_lesson_or_the_readme() -> None:
    text = (ROOT / "docs/week2.md").read_text() + (ROOT / "README.md").read_text()
    lines = [line for step in STEPS for line in step.command.splitlines()]
    assert [line for line in lines if line not in text] == []


def test_every_service_with_a_port_is_asked_at_its_own_address() -> None:
    service = yaml.safe_load((ROOT / "compose/prefect.yaml").read_text())["services"]["start"]
    told = set(service["environment"])
    assert told >= {each.port for each in SERVICES if each.address and each.name != "start"}
    assert told >= {f"{each.name.upper()}_ADDRESS" for each in SERVICES if each.name not in ("start", "agent")}


def test_the_embedded_runtime_tells_it_of_the_services_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "port_numbers", lambda: dict.fromkeys((*variables.PORTS, "INTERNET_PORT"), 7))
    told = variables.start_settings()
    assert told["ORION_ADDRESS"] == told["INTERNET_ADDRESS"] == "127.0.0.1:7"
    assert "PGADMIN_ADDRESS" not in told and "DOCKER_PROXY_ADDRESS" not in told
    assert Path(told["DOCS"], "week2.md").is_file()


def test_the_start_page_is_the_first_address() -> None:
    lines = messages.addresses({each.port: 1 for each in SERVICES}).splitlines()
    assert "Start page" in lines[0] and "Orion" in lines[1]
    assert len(lines) == len([each for each in SERVICES if each.address])


async def answering_server(answer: bytes, check: Callable[[str], Awaitable[bool]]) -> bool:
    """What the check finds of a server that answers so to PostgreSQL's first message."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readexactly(4 + len(STARTUP_MESSAGE))
        assert message[4:] == STARTUP_MESSAGE and int.from_bytes(message[:4]) == len(message)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as listening:
        return await check(f"127.0.0.1:{listening.sockets[0].getsockname()[1]}")


@pytest.mark.parametrize(("answer", "up"), [(b"R\x00\x00\x00\x0c", True), (b"E\x00\x00\x00\x55SFATAL", False)])
def test_postgres_is_up_when_it_asks_for_a_password(answer: bytes, up: bool) -> None:
    assert asyncio.run(answering_server(answer, takes_connections)) is up


@pytest.mark.parametrize(("profiles", "asked"), [("", False), ("dask", True), ("build,dask", True)])
def test_a_cluster_is_asked_for_only_where_there_is_one(profiles: str, asked: bool) -> None:
    told = {"DASK_ADDRESS": f"127.0.0.1:{unused_port()}", "ORION_ADDRESS": "127.0.0.1:9", "PROFILES": profiles}

    async def look() -> bool:
        async with aiohttp.ClientSession() as session:
            standings = await Platform(session, told).standings()
        return any(each.service.name == "dask" and each.up is False for each in standings)

    assert asyncio.run(look()) is asked


def test_where_nothing_answers_everything_is_down_and_nothing_is_claimed() -> None:
    nowhere = f"127.0.0.1:{unused_port()}"
    # Its own among them, as in the embedded runtime: a page that asked itself would never come
    told = {f"{each.name.upper()}_ADDRESS": nowhere for each in SERVICES if each.name != "agent"}

    async def look() -> None:
        async with aiohttp.ClientSession() as session:
            overview = await gather(Platform(session, told))
        titles = [each.title for each in SERVICES if each.name not in ("start", "dask", "agent")]
        assert overview.down == titles, "a cluster that was not asked for is not missed"
        assert [each.up for each in overview.standings if each.service.name == "agent"] == [None]
        assert (overview.runs, overview.next, overview.steps_known, overview.done) == (None, None, False, 0)

    asyncio.run(look())


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
