"""Which ports a platform takes, and keeps."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.runtimes import ports
from cli.settings.settings import Settings


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_instead_of_a_port_in_use_a_platform_takes_the_next_free_one(
    tmp_path: Path, used_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ports.choose({"A_PORT": used_port, "B_PORT": used_port}, tmp_path / "ports.json")
    assert used_port < chosen["A_PORT"] < chosen["B_PORT"]
    said = f"A_PORT={used_port} is in use on this machine: this platform takes {chosen['A_PORT']}\n"
    assert said in capsys.readouterr().out


def test_a_platform_keeps_its_port_when_the_preferred_one_becomes_free(
    tmp_path: Path, used_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, preferred = tmp_path / "ports.json", {"A_PORT": used_port}
    chosen = ports.choose(preferred, file)
    monkeypatch.setattr(ports, "is_free", lambda port, address: True)
    assert ports.choose(preferred, file) == ports.saved_ports(preferred, file) == chosen
    assert f"A_PORT={used_port} was in use once: this platform keeps {chosen['A_PORT']}" in capsys.readouterr().out


def test_a_different_preferred_port_is_chosen_anew(tmp_path: Path, used_port: int) -> None:
    file = tmp_path / "ports.json"
    assert ports.saved_ports({"A_PORT": used_port}, file) == {"A_PORT": used_port}
    ports.choose({"A_PORT": used_port}, file)
    assert ports.saved_ports({"A_PORT": 1}, file) == {"A_PORT": 1}


def test_each_platform_and_runtime_has_its_own_file_of_ports() -> None:
    first, second = Settings({"COMPOSE_PROJECT_NAME": "a"}), Settings({"COMPOSE_PROJECT_NAME": "b"})
    files = {ports.ports_file(settings, runtime) for settings in (first, second) for runtime in ("compose", "embedded")}
    assert len(files) == 4
