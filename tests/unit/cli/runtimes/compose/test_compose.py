"""How Compose is called: on this checkout's files, whatever the user's environment names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.environments import proxies
from cli.environments.inherited import MISLEADING
from cli.programs import ROOT
from cli.runtimes.compose import compose
from cli.runtimes.compose.compose import Compose, agent_memory
from cli.settings.settings import Settings

PROXY = "http://proxy.example:3128"


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Forgets the proxies of this machine; returns the folder of Docker's configuration."""
    for name in proxies.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def outside(settings: Settings) -> dict[str, str]:
    """The user's proxies, as Compose's files read them."""
    environment = Compose(settings).environment()
    return {name: value for name, value in environment.items() if name.startswith(compose.OUTSIDE)}


def test_its_files_folder_project_and_variables_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MISLEADING:
        monkeypatch.setenv(name, "/tmp/other")
    called = Compose(settings.with_values(COMPOSE_PROJECT_NAME="ours"))
    assert called.command("down") == [
        *("docker", "compose", "--file", str(ROOT / "compose.yaml"), "--project-directory", str(ROOT)),
        *("--project-name", "ours", "--env-file", str(ROOT / "compose/versions.env"), "down"),
    ]
    environment = called.environment()
    assert "/tmp/other" not in environment.values()
    assert environment["COMPOSE_PROJECT_NAME"] == "ours" and environment["PWD"] == str(ROOT)


def test_the_user_s_changes_of_services_count(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    override = tmp_path / "compose.override.yaml"
    monkeypatch.setattr(compose, "OVERRIDE", override)
    assert str(override) not in Compose(settings).command("up")
    override.touch()
    command = Compose(settings).command("up")
    assert command[command.index("--project-directory") - 2 :][:2] == ["--file", str(override)]


def test_without_the_internet_no_service_gets_a_proxy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, no_proxies: Path
) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    assert outside(settings) == {}
    given = outside(settings.with_values(INTERNET="real"))
    assert given["OUTSIDE_HTTPS_PROXY"] == PROXY
    assert "orion" in given["OUTSIDE_NO_PROXY"].split(",") and "github.com" not in given["OUTSIDE_NO_PROXY"]
    cloud = outside(settings.with_values(CLOUD="gcp"))
    assert cloud["OUTSIDE_HTTPS_PROXY"] == PROXY
    assert {"github.com", "hooks.slack.com"} <= set(cloud["OUTSIDE_NO_PROXY"].split(",")), "the platform's own"


def test_without_a_proxy_of_the_shell_docker_s_for_containers_counts(settings: Settings, no_proxies: Path) -> None:
    configured = {"proxies": {"default": {"httpsProxy": PROXY, "noProxy": "*.corp,[::1]"}}}
    (no_proxies / "config.json").write_text(json.dumps(configured))
    assert outside(settings) == {}
    given = outside(settings.with_values(INTERNET="real"))
    assert given["OUTSIDE_HTTPS_PROXY"] == PROXY and given["OUTSIDE_NO_PROXY"].endswith(",*.corp")


def test_networks_lead_outside_only_where_something_reaches_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETWORK_INTERNAL", "false")
    assert Compose(settings).environment().items() >= compose.LEADS_NOWHERE.items()
    for name, value in (("INTERNET", "real"), ("CLOUD", "gcp"), ("DASK_SCHEDULER_ADDRESS", "tcp://10.0.0.5:8786")):
        outside = settings.with_values(**{name: value})
        assert Compose(outside).environment().items() >= compose.LEADS_OUTSIDE.items()


@pytest.mark.parametrize(
    ("run", "agent"), [("", "3072m"), ("512m", "3072m"), ("2g", "3072m"), ("6g", "7168m"), ("5000m", "6024m")]
)
def test_a_run_without_a_container_has_its_memory_too(run: str, agent: str) -> None:
    assert agent_memory(run) == agent
