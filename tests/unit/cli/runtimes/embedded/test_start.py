"""Whether the services were started from the settings and sources as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runtimes import ports
from cli.runtimes.embedded import bootstrap, processes, start, variables
from cli.settings.settings import Settings


@pytest.fixture
def source(tmp_path: Path, embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one source of services that a start has just started, as far as it knows."""
    source = tmp_path / "services/orion.py"
    source.parent.mkdir()
    source.write_text("one")
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "SOURCES", ("services",))
    monkeypatch.setattr(processes, "stop", lambda settings: None)
    monkeypatch.setattr(processes, "start", lambda settings, only_postgres: None)
    monkeypatch.setattr(processes, "is_running", lambda settings, name: True)
    monkeypatch.setattr(bootstrap, "ensure_key", lambda settings: None)
    monkeypatch.setattr(ports, "choose", lambda preferred, file: preferred)
    return source


def test_services_with_unchanged_settings_and_sources_keep_running(embedded: Settings, source: Path) -> None:
    assert not start.is_started(embedded)
    start.start(embedded)
    assert start.is_started(embedded)


def test_another_setting_or_source_needs_another_start(embedded: Settings, source: Path) -> None:
    start.start(embedded)
    assert not start.is_started(embedded.with_values(GCP_PROJECT="other"))
    source.write_text("two")
    assert not start.is_started(embedded)


def test_services_without_a_supervisor_need_another_start(
    embedded: Settings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(embedded)
    monkeypatch.setattr(processes, "is_running", lambda settings, name: name != processes.SUPERVISOR)
    assert not start.is_started(embedded)


def test_postgres_alone_is_no_platform(embedded: Settings, source: Path) -> None:
    start.start(embedded, only_postgres=True)
    assert not start.is_started(embedded)


def test_the_agent_waits_for_the_bootstrap_of_this_start(embedded: Settings, source: Path) -> None:
    variables.bootstrapped_mark(embedded).touch()
    start.start(embedded)
    assert not variables.bootstrapped_mark(embedded).exists()
