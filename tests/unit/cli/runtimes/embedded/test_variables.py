"""What the processes are told: the same as in compose, with this machine's addresses."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.environments import proxies
from cli.runtimes.embedded import variables, virtual_environments
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
    # Here only what reaches the internet gets proxies
    assert of_compose("flows.yaml", "bootstrap") - set(proxies.NAMES) <= flows | bootstrap
    # Its processes are those of this machine, and are seen there; it has no containers of runs
    of_containers = {"AGENT_HOST", "RUN_IMAGE", "RUN_NETWORK", "RUN_VOLUMES", *proxies.NAMES}
    assert of_compose("flows.yaml", "agent") - of_containers <= services
    assert of_compose("flows.yaml", "sweeper") - {"AGENT_HOST", *proxies.NAMES} <= services


def test_the_start_page_gets_the_services_and_the_folder_of_the_documents(embedded: Settings) -> None:
    told = variables.for_services(embedded)
    assert (told["ORION_ADDRESS"], told["INTERNET_ADDRESS"]) == ("127.0.0.1:4200", "127.0.0.1:8090")
    assert "PGADMIN_ADDRESS" not in told
    assert Path(told["DOCS"], "week2.md").is_file()


def test_the_emulators_are_used_whatever_the_settings_say_for_the_real_cloud(embedded: Settings) -> None:
    told = variables.for_flows(embedded.with_values(CLOUD="gcp", GCP_BUCKET="ada-taxi-data"))
    assert told["CLOUD"] == "emulators" and told["GCP_BUCKET"] == "prefect-de-zoomcamp"


FOREIGN = {
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
    **dict.fromkeys(("PYTHONPATH", "PYTHONHOME"), "/nowhere"),
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere",
    "CLOUDSDK_CONFIG": "/nowhere",
    "PGHOST": "db.example",
    "PGSSLMODE": "require",
    "PGSERVICE": "work",
    "PGOPTIONS": "-c search_path=mine",
    "DASK_CONFIG": "/nowhere",
    "MAKEFLAGS": "-j8",
    "BASH_ENV": "/nowhere",
    "LD_PRELOAD": "/nowhere.so",
    "TZ": "Mars/Olympus",
    "SSL_CERT_FILE": "/nowhere.pem",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "NO_PROXY": "[::1],fd00::/8",
    "XDG_CONFIG_HOME": "/nowhere",
    "VIRTUAL_ENV": "/nowhere",
    "CONDA_PREFIX": "/nowhere",
}


def test_no_process_inherits_the_user_s_variables(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    environments = {
        "services": variables.environment_of_services(embedded),
        "bootstrap": variables.environment_of_bootstrap(embedded),
        "shell": variables.environment_of_shell(embedded),
        "psql": variables.environment_of_terminal(embedded, {}),
        "a program of the platform": variables.environment(embedded, {}),
    }
    leaked = [
        (who, name)
        for who, environment in environments.items()
        for name, value in FOREIGN.items()
        if environment.get(name) == value
    ]
    assert leaked == []


def test_a_shell_keeps_what_the_user_types_with(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "EDITOR", "PAGER", "COLORTERM"):
        monkeypatch.setenv(name, "mine")
    shell, services = variables.environment_of_shell(embedded), variables.environment_of_services(embedded)
    assert [shell[name] for name in ("TERM", "EDITOR", "PAGER", "COLORTERM")] == ["mine"] * 4
    assert "TERM" not in services and "EDITOR" not in services


def test_only_what_reaches_the_internet_gets_the_user_s_proxy_and_authorities(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setattr(virtual_environments, "CERTIFICATES", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "fd00::/8,.example")
    real = embedded.with_values(INTERNET="real")
    shell, services = variables.environment_of_shell(real), variables.environment_of_services(real)
    assert shell["HTTPS_PROXY"] == shell["https_proxy"] == "http://proxy.example:3128"
    assert shell["SSL_CERT_FILE"] == shell["REQUESTS_CA_BUNDLE"] == str(authorities)
    assert {"127.0.0.1", "localhost", ".example"} <= set(shell["NO_PROXY"].split(","))
    assert not {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE"} & services.keys()
    assert "HTTPS_PROXY" not in variables.environment_of_bootstrap(real)
    # outside.sh makes them Orion's and the agent's
    show = ["sh", str(ROOT / "cli/runtimes/embedded/outside.sh"), "env"]
    given = subprocess.run(show, env=services, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"https_proxy={shell['https_proxy']}" in given and f"SSL_CERT_FILE={authorities}" in given
    configuration = (ROOT / "cli/runtimes/embedded/supervisord.conf").read_text()
    outside = re.findall(r"service_lock %\(program_name\)s '(?:sh \S+outside\.sh\S* )(.*)'", configuration)
    assert [command.split()[-1] for command in outside] == ["--no-access-log", "services.agent.agent"]
    offline = variables.environment_of_shell(embedded)
    assert not [value for value in offline.values() if "proxy.example" in value or value == str(authorities)]
    # Instead, the stand-in for the internet, and what it is trusted by
    assert offline["HTTPS_PROXY"] == offline["https_proxy"] == f"http://127.0.0.1:{embedded['INTERNET_PORT']}"
    bundle = str(variables.certificates(embedded) / "ca-bundle.crt")
    assert {offline[name] for name in variables.TRUST} == {bundle}
    assert not set(variables.TRUST) & variables.for_flows(real).keys()


def test_google_s_clients_find_the_platform_s_key_without_being_told(embedded: Settings) -> None:
    for environment in (variables.environment_of_shell(embedded), variables.environment_of_services(embedded)):
        assert environment["GOOGLE_APPLICATION_CREDENTIALS"] == str(variables.key_file(embedded))
        assert environment["GOOGLE_CLOUD_PROJECT"] == embedded["GCP_PROJECT"]


def test_two_platforms_of_one_checkout_share_no_folder(embedded: Settings) -> None:
    other = embedded.with_values(COMPOSE_PROJECT_NAME="other")
    shared = {"ROOT", "SQL_MODULE", "DOCS", "REPORTS"}
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
