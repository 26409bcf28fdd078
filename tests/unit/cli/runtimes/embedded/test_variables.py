"""What the processes are told: the same as in compose, with this machine's addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.runtimes.embedded import variables
from cli.settings import env_file
from cli.settings.settings import Settings
from tests.conftest import ROOT

HOST_IN_COMPOSE = re.compile(r"//(orion|gcs|bigquery|internet|postgres|start)\b")


def of_compose(file: str, service: str) -> set[str]:
    """The names of the variables that compose gives to a service."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose" / file).read_text())["services"]
    return set(services[service]["environment"])


def test_flows_get_the_same_variables_as_in_compose(embedded: Settings) -> None:
    told = variables.for_flows(embedded)
    assert {*env_file.parse(ROOT / "compose/flow.env"), *env_file.parse(ROOT / "compose/emulators.env")} <= set(told)
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert told["BIGQUERY_EMULATOR_HOST"] == "http://127.0.0.1:9050"
    assert told["GCP_PROJECT"] == "orionbox-local"


def test_no_address_is_that_of_a_container(embedded: Settings) -> None:
    told = variables.for_flows(embedded.with_ports({"ORION_PORT": 4201, "START_PORT": 4281}))
    assert [value for value in told.values() if HOST_IN_COMPOSE.search(value) or "${" in value] == []
    assert told["PREFECT_UI_URL"] == "http://localhost:4201"
    assert told["START_URL"] == "http://localhost:4281"


def test_the_bootstrap_and_the_services_get_the_same_variables_as_in_compose(embedded: Settings) -> None:
    flows, bootstrap = set(variables.for_flows(embedded)), set(variables.for_bootstrap(embedded))
    services = flows | set(variables.for_services(embedded))
    assert of_compose("flows.yaml", "bootstrap") <= flows | bootstrap
    # Its processes are those of this machine, and are seen there
    assert of_compose("flows.yaml", "agent") - {"AGENT_HOST"} <= services
    assert of_compose("flows.yaml", "sweeper") - {"AGENT_HOST"} <= services


def test_the_start_page_gets_the_services_and_the_folder_of_the_documents(embedded: Settings) -> None:
    told = variables.for_services(embedded)
    assert (told["ORION_ADDRESS"], told["INTERNET_ADDRESS"]) == ("127.0.0.1:4200", "127.0.0.1:8090")
    assert "PGADMIN_ADDRESS" not in told and "DOCKER_PROXY_ADDRESS" not in told
    assert Path(told["DOCS"], "week2.md").is_file()


def test_the_emulators_are_used_whatever_the_settings_say_for_the_real_cloud(embedded: Settings) -> None:
    told = variables.for_flows(embedded.with_values(CLOUD="gcp", GCP_BUCKET="ada-taxi-data"))
    assert told["CLOUD"] == "emulators" and told["GCP_BUCKET"] == "prefect-de-zoomcamp"


@pytest.mark.parametrize(
    "name",
    [
        "PREFECT_API_URL",
        "PYTHONPATH",
        "PYTHONHOME",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "PGHOST",
        "PGSERVICE",
        "MAKEFLAGS",
    ],
)
def test_no_process_inherits_misdirecting_variables(
    name: str, embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "elsewhere")
    assert variables.environment_of_services(embedded).get(name) != "elsewhere"
    assert name not in variables.environment(embedded, {})


def test_the_platform_is_reached_without_the_user_s_proxy(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    environment = variables.environment(embedded, {})
    assert environment["NO_PROXY"] == environment["no_proxy"] == "example.org,localhost,127.0.0.1"


def test_two_platforms_of_one_checkout_share_no_folder(embedded: Settings) -> None:
    other = embedded.with_values(COMPOSE_PROJECT_NAME="other")
    shared = {"ROOT", "BIGQUERY_PYTHON", "DOCS", "REPORTS"}
    here, there = variables.for_services(embedded), variables.for_services(other)
    paths = [name for name, value in here.items() if value.startswith("/") and name not in shared]
    assert paths and all(here[name] != there[name] for name in paths)


def test_another_terminal_is_no_reason_to_repeat_the_bootstrap(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = variables.environment_of_bootstrap(embedded)
    for name in ("TERM", "WINDOWID", "SSH_CONNECTION", "NO_PROXY"):
        monkeypatch.setenv(name, "another")
    monkeypatch.setenv("PATH", "/another", prepend=os.pathsep)
    assert variables.environment_of_bootstrap(embedded) == before
    assert {**variables.for_flows(embedded), **variables.for_bootstrap(embedded)}.items() <= before.items()
