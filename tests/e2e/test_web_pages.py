"""A web page elsewhere, open in a browser on this machine, reads and changes nothing."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page

from tests import web_pages
from tests.conftest import Checkout
from tests.web_pages import ask

JSON = {"Content-Type": "application/json"}
HALF_REQUESTS = 300
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
}


def test_a_web_page_elsewhere_reads_and_changes_nothing(platform: Checkout) -> None:
    assert web_pages.let_through(platform.settings) == []
    assert web_pages.not_answered(platform.settings) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_chromium_sends_nothing_for_another_site_or_port_that_orion_takes(
    platform: Checkout, page: Page, host: str
) -> None:
    with web_pages.another_site() as port:
        page.goto(f"http://{host}:{port}/")
        answers = page.evaluate(web_pages.SCRIPT, f"http://localhost:{platform.settings['ORION_PORT']}")
    assert answers == dict.fromkeys(("reads", "changes", "shows a picture"), "refused")
    orion = int(platform.settings["ORION_PORT"])
    assert "forged" not in ask(orion, "POST", "/api/flows/filter", JSON, {})[1]
    assert "zoom-gcs" in ask(orion, "POST", "/api/block_documents/filter", JSON, {})[1], "the database is as it was"


def test_a_link_of_another_site_opens_orion(platform: Checkout, page: Page) -> None:
    with web_pages.another_site() as port:
        page.goto(f"http://127.0.0.1:{port}/")
        target = f"http://localhost:{platform.settings['ORION_PORT']}/flows"
        page.evaluate("url => { document.body.innerHTML = `<a href='${url}'>Orion</a>` }", target)
        page.get_by_text("Orion").click()
        page.get_by_text("etl-parent-flow").first.wait_for()


def test_pgadmin_takes_neither_requests_nor_websockets_of_another_site(platform: Checkout) -> None:
    port = int(platform.settings["PGADMIN_PORT"])
    websocket = "/socket.io/?EIO=4&transport=websocket"
    for headers in ({"Host": "evil.example"}, {"Origin": web_pages.EVIL}, {**WEBSOCKET, "Origin": web_pages.EVIL}):
        status, text = ask(port, "GET", websocket, headers)
        assert status == 403 and "Refused" in text


@pytest.mark.parametrize(
    "half", ["GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"]
)
def test_pgadmin_answers_while_others_send_half_requests(platform: Checkout, half: str) -> None:
    port = int(platform.settings["PGADMIN_PORT"])
    with ExitStack() as open_connections:
        for _ in range(HALF_REQUESTS):
            connection = open_connections.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            connection.sendall(half.encode())
        assert ask(port, "GET", "/misc/ping") == (200, "PING")
