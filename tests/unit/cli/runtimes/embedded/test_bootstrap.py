"""The service-account key survives a start that was interrupted."""

from __future__ import annotations

import json
import subprocess

import pytest

from cli.runtimes.embedded import bootstrap, variables
from cli.settings.settings import Settings
from orionbox.errors import CommandError

KEY = json.dumps({"token_uri": "http://127.0.0.1:4443/token", "private_key": "…"})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The token addresses for which a key was made."""
    made = []

    def output(*command: str, **options: object) -> str:
        made.append(command[4])
        return json.dumps({"emulator-key.json": json.dumps({"token_uri": command[4]})})

    monkeypatch.setattr(bootstrap, "output", output)
    return made


@pytest.mark.parametrize("left", ["", "{", "[]", "null", '{"private_key": "…"}', "\x00\x00"])
def test_an_incomplete_key_file_is_replaced(left: str, embedded: Settings, made: list[str]) -> None:
    file = variables.key_file(embedded)
    file.write_text(left)
    bootstrap.ensure_key(embedded)
    assert json.loads(file.read_text()) == {"token_uri": "http://127.0.0.1:4443/token"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_interruption_leaves_no_key_at_all(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*command: str, **options: object) -> str:
        raise CommandError("interrupted")

    monkeypatch.setattr(bootstrap, "output", fail)
    with pytest.raises(CommandError):
        bootstrap.ensure_key(embedded)
    assert not variables.key_file(embedded).exists()


def test_a_key_is_kept_as_long_as_its_tokens_come_from_this_platform(embedded: Settings, made: list[str]) -> None:
    variables.key_file(embedded).write_text(KEY)
    bootstrap.ensure_key(embedded)
    assert made == []
    bootstrap.ensure_key(embedded.with_ports({"GCS_PORT": 4444}))
    assert made == ["http://127.0.0.1:4444/token"]


def test_the_bootstrap_starts_once_when_all_that_it_needs_is_proved(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Process:
        def __init__(self, command: list[str], **options: object) -> None:
            started.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Process)
    bootstrap_process = bootstrap.Bootstrap(embedded)
    for name in sorted(bootstrap.NEEDED):
        bootstrap_process.start_unless([name, "agent", "bootstrap"])
    assert not started and not bootstrap_process.has_succeeded and not bootstrap_process.has_failed
    bootstrap_process.end()
    for _ in range(2):
        bootstrap_process.start_unless(["agent", "start", "bootstrap"])
    assert len(started) == 1 and bootstrap_process.has_succeeded
