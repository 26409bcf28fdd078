"""Flows cannot reach secrets; other machines cannot reach the platform; services reach those that they need."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.conftest import Checkout
from tests.networks import FLOW_CODE, RUN, networks_of, ports_of

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
    def ask(origin: str) -> Any:
        return urlopen(Request(f"{platform.orion.site}/api/health", headers={"Origin": origin}), timeout=10)

    own = platform.orion.site.replace("127.0.0.1", "localhost")
    with ask(own) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == own
    with pytest.raises(HTTPError, match="403") as refused:
        ask("https://elsewhere.example")
    assert refused.value.headers["Access-Control-Allow-Origin"] is None
    refused.value.close()


PROBE = """
try() { timeout 4 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null && echo "open $1:$2"; }
for place in "$@"; do try ${place%:*} ${place#*:} & done
wait
echo tried
"""
"""Tries to connect to all places at once; needs nothing but what every image has."""


@dataclass(frozen=True)
class Places:
    """Every address and port of every running service, and who should reach them."""

    platform: Checkout
    networks: Mapping[str, frozenset[str]]
    """The networks of each service."""
    containers: Mapping[str, str]
    """The container of each running service."""
    of_networks: Mapping[str, Mapping[str, str]]
    """`address:port` and its service, for each network."""

    def opened(self, source: str, places: Iterable[str]) -> set[str]:
        """Returns the places to which a program there can connect."""
        output = self.platform.run(*self._bash(source), "-c", PROBE, "probe", *places).stdout
        assert output.splitlines()[-1] == "tried", output
        return {line.removeprefix("open ") for line in output.splitlines() if line.startswith("open ")}

    def _bash(self, source: str) -> list[str]:
        """Returns the command of a shell there; runs and the student's shell have no container until then."""
        if source in self.containers:
            return ["docker", "exec", self.containers[source], "bash"]
        if source == RUN:
            image = self.platform.services()["flows"]["image"]
            network = self.platform.settings["COMPOSE_PROJECT_NAME"]
            return ["docker", "run", "--rm", f"--network={network}", "--entrypoint=bash", image]
        return ["docker", "compose", "run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=bash", source]


@pytest.fixture(scope="module")
def places(platform: Checkout) -> Places:
    config = json.loads(
        platform.run("docker", "compose", "--profile", "*", "config", "--format", "json").stdout.replace("$$", "$")
    )
    keys = {network["name"]: key for key, network in config["networks"].items()}
    running = [one for one in inspected(platform) if one["State"]["Running"]]
    services = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in running}
    found: dict[str, dict[str, str]] = {key: {} for key in config["networks"]}
    for name, container in services.items():
        for network, endpoint in container["NetworkSettings"]["Networks"].items():
            for port in ports_of(config["services"][name], name):
                found[keys[network]][f"{endpoint['IPAddress']}:{port}"] = name
    return Places(platform, networks_of(config), {name: one["Id"] for name, one in services.items()}, found)


SOURCES = (
    *(RUN, "flows", "agent", "sweeper", "orion", "postgres", "gcs", "bigquery"),
    *("pgadmin", "docker-proxy", "start", "internet", "taxi"),
)


@pytest.fixture(scope="module")
def opened(places: Places) -> dict[str, set[str]]:
    """The places that each service reaches; most of the time goes by in waiting for answers that do not come."""
    every = [place for found in places.of_networks.values() for place in found]
    with ThreadPoolExecutor(len(SOURCES)) as threads:
        return dict(zip(SOURCES, threads.map(lambda source: places.opened(source, every), SOURCES), strict=True))


@pytest.mark.parametrize("source", SOURCES)
def test_a_service_reaches_those_on_its_networks_and_no_other(
    places: Places, opened: dict[str, set[str]], source: str
) -> None:
    reachable = {place for network in places.networks[source] for place in places.of_networks[network]}
    own = {place for found in places.of_networks.values() for place, name in found.items() if name == source}
    assert opened[source] - own == reachable - own


def test_every_running_service_is_tried(places: Places) -> None:
    assert set(places.containers) >= set(SOURCES) - {RUN, "flows"}


@pytest.fixture
def on_this_machine() -> Iterator[list[str]]:
    """A server on every address of this machine, Docker's bridges included."""
    with socket.create_server(("0.0.0.0", 0)) as listening:
        addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
        port = listening.getsockname()[1]
        yield [f"{address}:{port}" for address in addresses if ":" not in address]


def test_flow_code_reaches_no_server_of_this_machine(places: Places, on_this_machine: list[str]) -> None:
    assert places.opened("orion", on_this_machine), "a service with a published port can, so the server answers"
    for source in sorted(FLOW_CODE.intersection(SOURCES)):
        assert places.opened(source, on_this_machine) == set(), source


def inspected(platform: Checkout) -> list[dict[str, Any]]:
    """Every container of the platform, as the engine describes it."""
    ids = platform.run("docker", "compose", "ps", "--all", "--quiet").stdout.split()
    found: list[dict[str, Any]] = json.loads(platform.run("docker", "inspect", *ids).stdout)
    return found
