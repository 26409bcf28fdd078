"""Whether the services were started from the settings and sources as they are."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import IO

import pytest

from cli import waiting
from cli.runtimes import ports
from cli.runtimes.embedded import bootstrap, processes, start, variables, virtual_environments
from cli.settings.settings import Settings


class Terminal:
    """Standard error; lets the other command end when it is told about the wait."""

    def __init__(self, lock: IO[str]) -> None:
        self.text, self._lock = "", lock

    def write(self, text: str) -> None:
        self.text += text
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Does nothing."""


def test_a_command_that_waits_for_another_one_says_so(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.001)
    with (virtual_environments.FOLDER / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        terminal = Terminal(lock)
        monkeypatch.setattr(sys, "stderr", terminal)
        with start.exclusive_lock():
            assert terminal.text.startswith("  waiting for another command in this checkout (0 s)")


@pytest.fixture
def source(tmp_path: Path, embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one source of services that a start has just started, as far as it knows."""
    source = tmp_path / "services/orion.py"
    source.parent.mkdir()
    source.write_text("one")
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "SOURCES", ("services",))
    monkeypatch.setattr(processes, "stop", lambda settings: None)
    monkeypatch.setattr(processes, "start", lambda settings, only_postgres, keep_open: None)
    monkeypatch.setattr(processes, "is_running", lambda settings, name: True)
    monkeypatch.setattr(bootstrap, "ensure_key", lambda settings: None)
    monkeypatch.setattr(bootstrap, "ensure_certificates", lambda settings: None)
    monkeypatch.setattr(ports, "choose", lambda preferred, file, reservations: preferred)
    return source


def test_services_with_unchanged_settings_and_sources_keep_running(embedded: Settings, source: Path) -> None:
    assert not start.is_started(embedded)
    start.start(embedded)
    assert start.is_started(embedded)


def test_another_setting_or_source_needs_another_start(embedded: Settings, source: Path) -> None:
    start.start(embedded)
    assert not start.is_started(embedded.with_values(GCP_PROJECT="other"))
    assert not start.is_started(embedded.with_values(INTERNET="real")), "flows would go on without the user's proxy"
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


def test_after_another_program_took_a_port_the_bootstrap_repeats_its_steps(embedded: Settings, source: Path) -> None:
    saved, note = variables.saved_state(embedded), variables.taken_note(embedded)
    saved.write_text("{}")
    start.stop(embedded)
    assert saved.exists()
    note.write_text("4200")
    start.start(embedded)
    assert not saved.exists() and not note.exists()


def test_the_supervisor_keeps_the_ports_reserved(
    embedded: Settings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited: list[list[int]] = []
    monkeypatch.setattr(
        ports, "choose", lambda preferred, file, reservations: [reservations.add(port) for port in (4, 5)]
    )
    monkeypatch.setattr(processes, "start", lambda settings, only_postgres, keep_open: inherited.append(keep_open))
    monkeypatch.setattr(ports.Reservations, "descriptors", lambda self: list(self._sockets))
    start.start(embedded)
    assert inherited == [[4, 5] if sys.platform == "linux" else []]
