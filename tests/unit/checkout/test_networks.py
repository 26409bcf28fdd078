"""The networks in compose's files, compared with who needs whom; needs Compose, but no engine."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes import ownership
from cli.runtimes.compose.compose import LEADS_OUTSIDE
from tests.networks import FLOW_CODE, LISTEN_NOWHERE, NEEDS, networks_of, ports_of, together
from tests.unit.checkout.test_compose import new_env_file, read_by_compose

MASQUERADE, NO_ADDRESS = (f"com.docker.network.bridge.{name}" for name in ("enable_ip_masquerade", "inhibit_ipv4"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that Compose reads in a new checkout."""
    if not shutil.which("docker"):
        pytest.skip("Docker Compose is not installed")
    return read_by_compose(new_env_file(tmp_path_factory.mktemp("compose")))


@pytest.fixture(scope="module")
def networks(config: dict[str, Any]) -> dict[str, frozenset[str]]:
    return networks_of(config)


def is_needed(one: str, other: str) -> bool:
    return other in NEEDS[one] or one in NEEDS[other]


def test_the_table_has_every_service(networks: dict[str, frozenset[str]]) -> None:
    assert networks.keys() == NEEDS.keys()


def test_a_service_reaches_all_that_it_needs(networks: dict[str, frozenset[str]]) -> None:
    needed = {(one, other) for one, others in NEEDS.items() for other in others if one != other}
    assert {pair for pair in needed if not together(networks, *pair)} == set()


@pytest.mark.parametrize("kept", ["pgadmin", "docker-proxy"])
def test_what_asks_for_no_password_is_reached_by_those_who_need_it_alone(
    networks: dict[str, frozenset[str]], kept: str
) -> None:
    beside = {other for other in networks if other != kept and together(networks, kept, other)}
    assert beside == {other for other in networks if other != kept and is_needed(kept, other)}


def test_flow_code_reaches_nothing_that_it_does_not_need(networks: dict[str, frozenset[str]]) -> None:
    """Dask's scheduler is on the start page's network, because its port is published."""
    for one in FLOW_CODE - {"dask-scheduler"}:
        beside = {other for other in networks if other != one and together(networks, one, other)}
        assert {other for other in beside if not is_needed(one, other)} <= FLOW_CODE | LISTEN_NOWHERE, one


def test_no_service_is_on_a_network_without_a_reason(networks: dict[str, frozenset[str]]) -> None:
    names = frozenset().union(*networks.values())
    members = {name: {one for one in networks if name in networks[one]} for name in names}
    for name, ones in members.items():
        needed = {one for pair in combinations(sorted(ones), 2) if is_needed(*pair) for one in pair}
        assert needed == ones, name


def test_offline_no_network_leads_outside_and_every_published_port_has_a_way_in(config: dict[str, Any]) -> None:
    found = config["networks"]
    for name in ("default", "docker"):
        assert found[name]["internal"] and found[name]["driver_opts"] == {NO_ADDRESS: "true"}
    for name in ("pages", "pgadmin"):
        assert not found[name].get("internal") and found[name]["driver_opts"] == {MASQUERADE: "false"}
    for name, service in config["services"].items():
        if service.get("ports"):
            assert any(not found[network].get("internal") for network in service["networks"]), name
    services = [service for service in config["services"].values() if service.get("profiles") != ["build"]]
    assert all(one["dns"] == ["127.0.0.1"] and "timeout:1" in one["dns_opt"] for one in services)
    proxy = config["services"]["docker-proxy"]["environment"]
    assert (proxy["RUN_DNS"], proxy["RUN_DNS_OPTIONS"]) == ("127.0.0.1", "timeout:1,attempts:2")


def test_with_the_outside_all_that_reaches_it_has_a_way_out(tmp_path: Path) -> None:
    config = read_by_compose(new_env_file(tmp_path), INTERNET="real", GOOGLE="real", **LEADS_OUTSIDE)
    found = config["networks"]
    assert not found["default"].get("internal") and found["default"]["driver_opts"] == {NO_ADDRESS: "false"}
    assert found["pages"]["driver_opts"] == found["pgadmin"]["driver_opts"] == {MASQUERADE: "true"}
    assert found["docker"]["internal"], "nobody asks the outside for containers"
    assert not any(service.get("dns") for service in config["services"].values())
    proxy = config["services"]["docker-proxy"]["environment"]
    assert (proxy["RUN_DNS"], proxy["RUN_DNS_OPTIONS"]) == ("", "timeout:5,attempts:2")


def test_the_command_line_knows_every_network(config: dict[str, Any]) -> None:
    assert set(config["networks"]) == {"default", *ownership.NETWORKS}


def test_the_ports_are_those_of_the_services(config: dict[str, Any]) -> None:
    ports = {name: ports_of(service, name) for name, service in config["services"].items() if "networks" in service}
    assert ports["internet"] == {80, 443} and ports["docker-proxy"] == {2375} and ports["bigquery"] == {9050, 9060}
    listening = {name for name, found in ports.items() if found}
    assert listening == NEEDS.keys() - LISTEN_NOWHERE
