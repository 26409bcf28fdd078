"""The user's proxies, in a form that every program understands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.environments import proxies

PROXY = "http://proxy.example:3128"


def test_both_cases_and_both_kinds_are_read_and_the_platform_is_never_behind_them() -> None:
    found = proxies.for_containers({"http_proxy": PROXY, "HTTP_PROXY": "http://other:1", "HTTPS_PROXY": "proxy:80"})
    variables = found.variables
    assert variables["HTTP_PROXY"] == variables["http_proxy"] == PROXY, "as other programs: the small letters win"
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == "http://proxy:80"
    assert {"localhost", "127.0.0.1", "orion", "gcs", "bigquery", "docker-proxy"} <= set(
        variables["NO_PROXY"].split(",")
    )
    assert variables["no_proxy"] == variables["NO_PROXY"] and found.problems == []


def test_hosts_that_prefect_s_client_cannot_read_are_left_out_and_named() -> None:
    hosts = "[::1], fd00::/8,::1 .example *.corp 10.0.0.0/8,build.corp:8080"
    found = proxies.for_processes({"https_proxy": PROXY, "NO_PROXY": hosts}, "github.com")
    kept = found.variables["NO_PROXY"].split(",")
    assert kept[-5:] == ["github.com", ".example", "*.corp", "10.0.0.0/8", "build.corp:8080"]
    assert found.problems == ["NO_PROXY: left out [::1], fd00::/8, ::1, which Prefect cannot read"]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY: a proxy of kind socks5 is not supported; not used"),
        ({"all_proxy": "socks5h://h:9"}, "all_proxy: a proxy of kind socks5h is not supported; not used"),
        ({"HTTPS_PROXY": "http://a b:9"}, "HTTPS_PROXY: is not an address; not used"),
        ({"HTTPS_PROXY": "http://ada:se/cret@h:port"}, "HTTPS_PROXY: is not an address; not used"),
        ({"HTTP_PROXY": "http://[::1"}, "HTTP_PROXY: is not an address; not used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(environment: dict[str, str], problem: str) -> None:
    found = proxies.for_processes(environment)
    assert (found.variables, found.problems) == ({}, [problem])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
def test_a_container_does_not_get_a_proxy_of_this_machine_and_a_process_does(host: str) -> None:
    environment = {"http_proxy": f"http://{host}:3128"}
    inside = proxies.for_containers(environment)
    assert inside.variables == {} and "which containers cannot reach by that name" in inside.problems[0]
    assert proxies.for_processes(environment).variables["HTTP_PROXY"] == environment["http_proxy"]


@pytest.mark.parametrize(
    "environment", [{}, {"HTTP_PROXY": "", "https_proxy": " "}, {"http_proxy": PROXY, "no_proxy": "*"}]
)
def test_no_proxy_means_no_variable(environment: dict[str, str]) -> None:
    assert proxies.for_containers(environment) == proxies.Proxies()


def test_docker_s_own_proxies_for_containers_are_read(tmp_path: Path) -> None:
    configured = {"proxies": {"default": {"httpProxy": PROXY, "noProxy": "*.corp"}}}
    (tmp_path / "config.json").write_text(json.dumps(configured))
    assert proxies.of_docker(tmp_path) == {"HTTP_PROXY": PROXY, "NO_PROXY": "*.corp"}
    of_configuration = {"DOCKER_CONFIG": str(tmp_path)}
    assert proxies.for_containers(of_configuration).variables["http_proxy"] == PROXY
    other = proxies.for_containers({**of_configuration, "http_proxy": "http://other:1"})
    assert other.variables["http_proxy"] == "http://other:1"
    assert proxies.for_processes(of_configuration) == proxies.Proxies()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"proxies": []}', '{"proxies": {"default": null}}', "\xff"])
def test_a_configuration_of_docker_without_proxies_has_none(content: str, tmp_path: Path) -> None:
    assert proxies.of_docker(tmp_path) == {}
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    assert proxies.of_docker(tmp_path) == {}
