"""Flows cannot reach secrets; other machines cannot reach the platform."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.conftest import Checkout

CONNECT = """
import sys, psycopg2
from sqlalchemy import make_url
from orionbox.stores.clients import postgres_uri
for arguments in sys.argv[1:]:
    url = make_url(postgres_uri()).set(**dict(word.split("=") for word in arguments.split()))
    try:
        psycopg2.connect(url.render_as_string(hide_password=False)).close()
        print("answer: connected")
    except psycopg2.OperationalError as error:
        print("answer: refused:", error)
"""
SOUGHT = (
    ".env",
    "emulator-key.json",
    "service-account.json",
    "authority.key",
    "internet.key",
    "gateway.key",
    "orion-*.key",
    "pgadmin4.db",
    "*.dump",
)
SEARCH = f"""
find / -path /proc -prune -o \\( -name {" -o -name ".join(f"'{name}'" for name in SOUGHT)} \\) -print 2>/dev/null
echo searched
"""


DATABASES = {
    "its own": "",
    "Orion's": "database=orion",
    "its own, as Orion": "username=orion",
    "Orion's, as Orion": "username=orion database=orion",
    "the administrator's": "database=postgres",
}
"""What a flow may try, as arguments of CONNECT."""


@pytest.fixture(scope="module")
def connections(platform: Checkout) -> dict[str, str]:
    """What Postgres says to each try."""
    (platform.root / "workspace" / "connect.py").write_text(CONNECT)
    (answer,) = platform.shell(shlex.join(["python", "connect.py", *DATABASES.values()]))
    return dict(zip(DATABASES, answer.output.split("answer: ")[1:], strict=True))


def test_a_flow_reaches_the_warehouse(connections: dict[str, str]) -> None:
    assert "connected" in connections["its own"]


@pytest.mark.parametrize("database", list(DATABASES)[1:])
def test_a_flow_cannot_read_orion_s_database(connections: dict[str, str], database: str) -> None:
    assert "refused:" in connections[database] and "connected" not in connections[database]


def test_a_flow_finds_no_settings_no_keys_and_nothing_of_pgadmin(platform: Checkout) -> None:
    output = platform.make("shell", stdin=SEARCH)
    assert "searched" in output
    assert [line for line in output.splitlines() if line.startswith("/")] == []


def test_the_passwords_are_in_no_environment_but_their_service_s(platform: Checkout) -> None:
    secrets = {name: value for name, value in platform.settings.items() if name.endswith("_PASSWORD")}
    allowed = {
        "GATEWAY_PASSWORD": {"gateway"},
        "ORION_DB_PASSWORD": {"postgres", "orion"},
        "WAREHOUSE_DB_PASSWORD": {"postgres", "pgadmin", "bootstrap"},
    }
    for container in inspected(platform):
        service, environment = container["Config"]["Labels"]["com.docker.compose.service"], container["Config"]["Env"]
        for name, secret in secrets.items():
            assert (secret in "\n".join(environment)) == (service in allowed[name]), (service, name)


def test_every_published_port_listens_on_loopback_alone(platform: Checkout) -> None:
    bindings = [
        binding["HostIp"]
        for container in inspected(platform)
        for published in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in published or []
    ]
    assert bindings and set(bindings) == {"127.0.0.1"}


def test_no_port_answers_on_another_address_of_this_machine(platform: Checkout) -> None:
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    foreign = [address for address in addresses if ":" not in address]
    assert foreign, "this machine has no address but loopback, so nothing can be tried"
    ports = [port for name, port in platform.settings.items() if name.endswith("_PORT")]
    program = """
import json, socket, sys
for address in sys.argv[1].split(","):
    for port in map(int, sys.argv[2].split(",")):
        with socket.socket() as s:
            s.settimeout(2)
            print(address, port, "open" if s.connect_ex((address, port)) == 0 else "closed")
"""
    output = platform.run("python3", "-c", program, ",".join(foreign), ",".join(ports)).stdout
    assert len(output.splitlines()) == len(foreign) * len(ports)
    assert "open" not in output


def test_the_page_of_another_site_may_not_read_what_orion_answers(platform: Checkout) -> None:
    def allowed(origin: str) -> str | None:
        request = Request(f"{platform.orion.site}/api/health", headers={"Origin": origin})
        with urlopen(request, timeout=10) as answer:
            found: str | None = answer.headers["Access-Control-Allow-Origin"]
            return found

    own = platform.orion.site.replace("127.0.0.1", "localhost")
    assert allowed(own) == own
    assert allowed("https://elsewhere.example") is None


def inspected(platform: Checkout) -> list[dict[str, Any]]:
    """Every container of the platform, as the engine describes it."""
    ids = platform.run("docker", "compose", "ps", "--all", "--quiet").stdout.split()
    found: list[dict[str, Any]] = json.loads(platform.run("docker", "inspect", *ids).stdout)
    return found
