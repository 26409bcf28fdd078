"""The platform from other machines, with a BIND_ADDRESS beyond loopback: without the login, nothing is reachable."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, HttpCredentials, Page, expect

from cli.runtimes.compose import gateway
from cli.runtimes.ports import LOOPBACK
from tests.browser import open_table
from tests.conftest import Checkout, wait_for

ORION_PATHS = ("/", "/api/health", "/api/flows/filter", "/api/admin/version", "/ui-settings", "/docs", "/no-such-page")
PGADMIN_PATHS = ("/", "/browser/", "/misc/ping", "/static/favicon.ico", "/socket.io/?EIO=4&transport=polling")
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
}
# What nginx takes for the client's own trying again, or for another client's
AGAIN = 60
"""Seconds for one answer."""


@dataclass
class Outside:
    """The platform from an address of this machine that is not loopback."""

    platform: Checkout
    address: str
    said: str
    """What `make up` printed."""

    def url(self, port: str, path: str = "") -> str:
        return f"https://{self.address}:{self.platform.settings[port]}{path}"

    @property
    def password(self) -> str:
        return self.platform.settings["GATEWAY_PASSWORD"]

    @property
    def credentials(self) -> HttpCredentials:
        """What a user types into the browser's question."""
        return {"username": gateway.USER, "password": self.password}

    def login(self, password: str = "") -> dict[str, str]:
        """The header of somebody who knows the password, or thinks so."""
        pair = f"{gateway.USER}:{password or self.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def trusting(self) -> ssl.SSLContext:
        """What a machine does that trusts the local authority and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.platform.root / "secrets" / "authority.crt")
        return context

    def ask(self, url: str, headers: dict[str, str], data: bytes | None = None) -> tuple[int, str]:
        """Status and text of the answer."""
        try:
            with urlopen(Request(url, data, headers), timeout=20, context=self.trusting()) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def shake_hands(self, port: str, path: str, headers: dict[str, str]) -> str:
        """The first line of the answer to a websocket's request."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {self.url(port).removeprefix('https://')}",
            *(f"{key}: {value}" for key, value in headers.items()),
        ]
        with socket.create_connection((self.address, int(self.platform.settings[port])), 20) as plain:
            with self.trusting().wrap_socket(plain, server_hostname=self.address) as connection:
                connection.sendall("\r\n".join([*lines, "", ""]).encode())
                with connection.makefile("r", encoding="latin-1") as answer:
                    return answer.readline()


@pytest.fixture(scope="module")
def outside(platform: Checkout) -> Iterator[Outside]:
    """The platform with a way in from outside; afterwards without."""
    addresses = gateway.own_addresses()
    assert addresses, "this machine has no address but loopback, so nothing can be tried"
    try:
        yield Outside(platform, addresses[0], platform.make("up", f"BIND_ADDRESS={addresses[0]}"))
    finally:
        if open_ports(platform, addresses[0]):  # a test has failed
            platform.make("up")


def open_ports(platform: Checkout, address: str) -> set[str]:
    """The names of the platform's ports that answer there."""
    names = {name: int(port) for name, port in platform.settings.items() if name.endswith("_PORT")}
    return {name for name, port in names.items() if answers(address, port)}


def answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def test_up_prints_address_user_and_password_file_but_not_the_password(outside: Outside) -> None:
    for port in gateway.PAGES:
        assert outside.url(port) in outside.said
    assert "user orionbox with the GATEWAY_PASSWORD in .env" in outside.said
    assert re.fullmatch("[0-9a-f]{32}", outside.password) and outside.password not in outside.said


def test_only_the_gateway_s_ports_answer(outside: Outside) -> None:
    assert open_ports(outside.platform, outside.address) == set(gateway.PAGES)


def test_every_published_port_beyond_loopback_is_the_gateway_s(outside: Outside) -> None:
    ids = outside.platform.run("docker", "compose", "--profile", "*", "ps", "--quiet").stdout.split()
    found = json.loads(outside.platform.run("docker", "inspect", *ids).stdout)
    published = {
        (container["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"])
        for container in found
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or []
    }
    assert {service for service, address in published if address != "127.0.0.1"} == {"gateway"}
    assert len({service for service, _ in published}) >= 5


@pytest.mark.parametrize("port", gateway.PAGES)
def test_without_the_login_every_path_is_refused(outside: Outside, port: str) -> None:
    paths = ORION_PATHS if port == "ORION_HTTPS_PORT" else PGADMIN_PATHS
    assert {path: outside.ask(outside.url(port, path), {})[0] for path in paths} == dict.fromkeys(paths, 401)
    assert outside.ask(outside.url(port, "/api/flows/filter"), {"Content-Type": "application/json"}, b"{}")[0] == 401
    assert " 401 " in outside.shake_hands(port, "/socket.io/?EIO=4&transport=websocket", WEBSOCKET)


def test_with_the_login_orion_answers(outside: Outside) -> None:
    headers = {**outside.login(), "Content-Type": "application/json"}
    status, text = outside.ask(outside.url("ORION_HTTPS_PORT", "/api/deployments/filter"), headers, b"{}")
    assert status == 200 and "Parameterized ETL" in text
    assert outside.ask(outside.url("ORION_HTTPS_PORT"), outside.login())[0] == 200


def test_with_the_login_pgadmin_answers_and_opens_its_websocket(outside: Outside) -> None:
    assert outside.ask(outside.url("PGADMIN_HTTPS_PORT"), outside.login())[0] == 200
    headers = {**WEBSOCKET, **outside.login(), "Origin": outside.url("PGADMIN_HTTPS_PORT")}
    assert " 101 " in outside.shake_hands("PGADMIN_HTTPS_PORT", "/socket.io/?EIO=4&transport=websocket", headers)


def test_wrong_passwords_are_refused_and_rate_limited_after_ten(outside: Outside) -> None:
    url = outside.url("ORION_HTTPS_PORT", "/api/health")
    statuses = [outside.ask(url, outside.login("wrong" * 4))[0] for _ in range(30)]
    assert statuses[0] == 401 and set(statuses) == {401, 429}
    assert outside.ask(url, outside.login())[0] == 200, "who knows the password is not kept out by who guesses"


@pytest.mark.parametrize("port", gateway.PAGES)
def test_the_page_of_another_site_can_do_nothing_in_a_logged_in_browser(outside: Outside, port: str) -> None:
    headers = {**outside.login(), "Origin": "https://elsewhere.example"}
    assert outside.ask(outside.url(port, "/api/flows/filter"), headers, b"{}")[0] == 403
    assert " 403 " in outside.shake_hands(port, "/socket.io/?EIO=4&transport=websocket", {**WEBSOCKET, **headers})


def test_the_certificate_is_the_local_authority_s_and_for_this_address(outside: Outside) -> None:
    for port in gateway.PAGES:
        assert outside.ask(outside.url(port), outside.login())[0] == 200  # verified by `trusting`
        with pytest.raises(ssl.SSLCertVerificationError):
            with socket.create_connection((outside.address, int(outside.platform.settings[port])), 20) as plain:
                ssl.create_default_context().wrap_socket(plain, server_hostname=outside.address)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"])
def test_the_gateway_takes_no_suite_in_cbc_mode(outside: Outside, suite: str) -> None:
    context = outside.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    address = (outside.address, int(outside.platform.settings["ORION_HTTPS_PORT"]))
    with nullcontext() if "GCM" in suite else pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        with socket.create_connection(address, 20) as plain:
            context.wrap_socket(plain, server_hostname=outside.address).close()


def test_http_is_redirected_to_https(outside: Outside) -> None:
    url = outside.url("ORION_HTTPS_PORT", "/deployments").replace("https:", "http:")
    assert outside.ask(url, {})[0] == 401, "asked again by TLS"


@pytest.fixture
def page(browser: Browser, outside: Outside) -> Iterator[Page]:
    """A tab of somebody who knows the login."""
    page = browser.new_page(http_credentials=outside.credentials, ignore_https_errors=True)
    yield page
    page.close()


def test_orion_s_pages_work_and_ask_their_own_address_only(outside: Outside, page: Page) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    page.goto(outside.url("ORION_HTTPS_PORT", "/deployments"))
    expect(page.get_by_text("Parameterized ETL").first).to_be_visible(timeout=30_000)
    page.screenshot(path=outside.platform.root / "reports" / "gateway-orion.png")
    assert asked == {outside.url("ORION_HTTPS_PORT")}


def test_pgadmin_opens_the_warehouse_after_one_login(outside: Outside, page: Page) -> None:
    page.goto(outside.url("PGADMIN_HTTPS_PORT"))
    open_table(page, "green_tripdata")
    page.screenshot(path=outside.platform.root / "reports" / "gateway-pgadmin.png")


def test_a_recreated_orion_is_found_again(outside: Outside) -> None:
    """It then has another address on the platform's network."""
    outside.platform.run("docker", "compose", "up", "--detach", "--wait", "--force-recreate", "--no-deps", "orion")
    url = outside.url("ORION_HTTPS_PORT", "/api/health")
    wait_for(lambda: outside.ask(url, outside.login())[0] == 200, "Orion through the gateway", AGAIN)


NEW_PASSWORD = "a-new-one-for-the-next-class"


@pytest.fixture(scope="module")
def everywhere(outside: Outside) -> Outside:
    """The platform with a way in by all addresses, and another password."""
    settings = (f"BIND_ADDRESS={gateway.EVERYWHERE}", f"GATEWAY_PASSWORD={NEW_PASSWORD}")
    return Outside(outside.platform, outside.address, outside.platform.make("up", *settings))


def test_all_addresses_open_the_gateway_and_nothing_else(everywhere: Outside) -> None:
    platform = everywhere.platform
    assert everywhere.url("ORION_HTTPS_PORT") in everywhere.said
    assert open_ports(platform, everywhere.address) == set(gateway.PAGES)
    for address in (everywhere.address, LOOPBACK):
        there = Outside(platform, address, "")
        assert there.ask(there.url("ORION_HTTPS_PORT"), {})[0] == 401
        assert there.ask(there.url("ORION_HTTPS_PORT"), there.login(NEW_PASSWORD))[0] == 200


def test_a_new_password_replaces_the_old_one(everywhere: Outside) -> None:
    url = everywhere.url("ORION_HTTPS_PORT", "/api/health")
    assert everywhere.ask(url, everywhere.login(NEW_PASSWORD))[0] == 200
    assert everywhere.ask(url, everywhere.login())[0] == 401


def test_with_loopback_again_the_gateway_is_gone(outside: Outside) -> None:
    said = outside.platform.make("up")
    assert "removed the gateway; only this machine reaches the platform now" in said
    assert outside.url("ORION_HTTPS_PORT") not in said
    assert open_ports(outside.platform, outside.address) == set()


def test_an_address_of_another_machine_is_refused_before_anything_changes(platform: Checkout) -> None:
    done = platform.run("make", "up", "BIND_ADDRESS=203.0.113.77")
    assert done.returncode == 2
    assert "BIND_ADDRESS=203.0.113.77: not an address of this machine\nuse 127.0.0.1" in done.stdout
    assert "Orionbox is up" not in done.stdout


def test_the_runtime_without_docker_refuses(platform: Checkout) -> None:
    done = platform.run("make", "up", "RUNTIME=embedded", "BIND_ADDRESS=0.0.0.0")
    assert done.returncode == 2
    assert "needs Docker, which the embedded runtime does not use\nuse BIND_ADDRESS=127.0.0.1" in done.stdout
