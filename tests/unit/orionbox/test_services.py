"""The list of services, compared with compose's files, which repeat it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cli.settings import env_file
from orionbox.services import BY_NAME, SERVICES, Service, services
from tests.conftest import ROOT

COMPOSE: dict[str, dict[str, Any]] = {
    name: service
    for file in sorted((ROOT / "compose").glob("*.yaml"))
    for name, service in (yaml.safe_load(file.read_text()).get("services") or {}).items()
    if "test" in service.get("healthcheck", {})
}
"""The services of compose's files that have a health check, by name."""
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def test_the_list_has_every_service_that_keeps_running() -> None:
    assert set(COMPOSE) == set(BY_NAME)


@each_service
def test_compose_checks_a_service_s_health_as_the_list_says(service: Service) -> None:
    command, program, *arguments = COMPOSE[service.name]["healthcheck"]["test"]
    assert (command, program) == ("CMD", "healthy")
    if service.health:
        assert [urlsplit(url).path for url in arguments] == [service.health]
    else:
        without_python = arguments[2:] if arguments[:2] == ["python", "-m"] else arguments[:1]
        assert tuple(without_python) == service.health_program


@each_service
def test_compose_publishes_the_port_that_the_setting_names(service: Service) -> None:
    published = re.findall(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}", " ".join(COMPOSE[service.name].get("ports", [])))
    defaults = env_file.parse(ROOT / ".env.example")
    assert all(defaults[name] == default for name, default in published)
    assert (service.port in dict(published)) is bool(service.address)


@each_service
def test_a_service_of_a_profile_is_in_the_list_with_it(service: Service) -> None:
    assert COMPOSE[service.name].get("profiles", []) == [service.profile] * bool(service.profile)


def test_google_s_services_are_found_in_its_console_and_not_asked_for_their_health() -> None:
    changed = [each for each in services(True, "my-project", "my-bucket") if each not in SERVICES]
    assert [each.name for each in changed] == ["gcs", "bigquery"]
    assert all("my-project" in each.address and not each.health for each in changed)
    assert services(False, "my-project", "my-bucket") == SERVICES


def test_a_variable_begins_with_the_service_s_name_or_its_own_prefix() -> None:
    assert BY_NAME["docker-proxy"].port == "DOCKER_PROXY_PORT"
    assert BY_NAME["dask-scheduler"].port == "DASK_PORT"
