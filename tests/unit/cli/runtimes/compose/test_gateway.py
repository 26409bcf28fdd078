"""Who reaches the platform, as BIND_ADDRESS says."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cli.runtimes import ports
from cli.runtimes.compose import containers, gateway, images, key_files, optional_services, runtime
from cli.runtimes.embedded import unsupported
from cli.settings import env_file
from orionbox.errors import BadInputError


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", ""])
def test_on_loopback_there_is_no_gateway(settings: dict[str, str], address: str) -> None:
    settings["BIND_ADDRESS"] = address
    optional_services.choose_profiles([gateway.GATEWAY])
    assert os.environ["COMPOSE_PROFILES"] == ""
    assert gateway.ensure_certificate() is False
    gateway.require_own_address()
    unsupported.refuse_other_machines("embedded")


@pytest.mark.parametrize("address", ["192.0.2.7", "0.0.0.0"])
def test_beyond_loopback_there_is_one_beside_whatever_else_is_wanted(settings: dict[str, str], address: str) -> None:
    settings |= {"BIND_ADDRESS": address, "ENGINE": "dask"}
    optional_services.choose_profiles(runtime.EXTRAS)
    assert os.environ["COMPOSE_PROFILES"] == "dask,gateway"


def test_an_address_of_another_machine_is_refused_with_those_of_this_one(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "own_addresses", lambda: ["192.168.1.5", "10.0.0.3"])
    monkeypatch.delenv("BIND_ADDRESS", raising=False)
    settings["BIND_ADDRESS"] = "203.0.113.77"  # for documentation: nobody has it
    with pytest.raises(BadInputError) as error:
        gateway.require_own_address()
    assert str(error.value) == (
        ".env: BIND_ADDRESS=203.0.113.77: not an address of this machine; use 127.0.0.1 for this machine alone, one of "
        "its own for others too (192.168.1.5, 10.0.0.3), or 0.0.0.0 for all of them"
    )


def test_without_docker_other_machines_are_refused(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIND_ADDRESS", raising=False)
    settings["BIND_ADDRESS"] = "0.0.0.0"
    with pytest.raises(
        BadInputError, match=r"needs Docker, and this is RUNTIME=embedded; use BIND_ADDRESS=127\.0\.0\.1"
    ):
        unsupported.refuse_other_machines("embedded")


def test_this_machine_s_own_addresses_are_not_loopback_and_can_be_listened_on() -> None:
    for address in gateway.own_addresses():
        assert not address.startswith("127.")
        with socket.create_server((address, 0)):
            pass


def test_all_addresses_means_each_by_its_name(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "own_addresses", lambda: ["192.168.1.5"])
    settings["BIND_ADDRESS"] = "0.0.0.0"
    assert gateway.reachable() == ["192.168.1.5", "127.0.0.1"]


def test_users_are_told_the_addresses_the_user_and_where_the_password_stands(settings: dict[str, str]) -> None:
    settings |= {"BIND_ADDRESS": "192.168.1.5", "GATEWAY_PASSWORD": "not-to-be-shown-here"}
    told = gateway.addresses(settings)
    assert "https://192.168.1.5:8443" in told and "https://192.168.1.5:8444" in told
    assert "user orionbox with the GATEWAY_PASSWORD in .env" in told
    assert "not-to-be-shown-here" not in told


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A secrets/, where keys are made without Docker."""

    def run(*command: str) -> str:
        made.append(command)
        names = ("gateway.crt", "gateway.key") if "gateway" in command else key_files.FILES
        return json.dumps({name: f"{name} {len(made)}" for name in names})

    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(key_files, "FOLDER", tmp_path)
    monkeypatch.setattr(key_files, "output", run)
    monkeypatch.setattr(key_files, "output_with_input", lambda text, *command: run(*command))
    monkeypatch.setattr(images, "flows_command", lambda *command, options=(): command)
    return tmp_path


def test_a_checkout_without_the_authority_s_key_gets_new_certificates_and_keeps_the_rest(folder: Path) -> None:
    assert key_files.ensure() and not key_files.ensure()
    (folder / key_files.LAST).unlink()  # as in a checkout of an older version
    assert key_files.ensure()
    assert (folder / "gcp-key.json").read_text() == "gcp-key.json 1"
    assert {(folder / name).read_text() for name in key_files.FILES[1:]} == {
        f"{name} 2" for name in key_files.FILES[1:]
    }


def test_the_gateway_s_certificate_is_made_anew_for_other_addresses_and_by_another_authority(folder: Path) -> None:
    key_files.ensure()
    assert key_files.ensure_gateway(["192.0.2.7"]) and not key_files.ensure_gateway(["192.0.2.7"])
    assert key_files.ensure_gateway(["192.0.2.8"]) and not key_files.ensure_gateway(["192.0.2.8"])
    (folder / key_files.LAST).unlink()
    key_files.ensure()
    assert key_files.ensure_gateway(["192.0.2.8"])


def test_its_ports_are_looked_for_on_its_own_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        taken = other.getsockname()[1]
        here = ports.choose({"A_PORT": taken}, tmp_path / "here.json")
        there = ports.choose({"A_PORT": taken}, tmp_path / "there.json", {"A_PORT": "127.0.0.2"})
    assert here == {"A_PORT": taken}
    assert there["A_PORT"] > taken


def test_only_what_is_asked_for_gets_a_port(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(monkeypatch, running=set()).isdisjoint({*gateway.PAGES, "DASK_PORT"})
    settings["BIND_ADDRESS"] = "0.0.0.0"
    assert {"ORION_PORT", *gateway.PAGES} <= settled(monkeypatch, running=set())
    assert settled(monkeypatch, running={"orion", "gcs"}) == set(gateway.PAGES)
    assert settled(monkeypatch, running={"orion", "gcs", "gateway"}) == set()


def settled(monkeypatch: pytest.MonkeyPatch, running: set[str]) -> set[str]:
    """The ports that are looked for when these services run."""
    asked: set[str] = set()

    def settle(wanted: dict[str, int], file: Path, addresses: dict[str, str]) -> dict[str, int]:
        assert addresses == dict.fromkeys(gateway.PAGES, gateway.address())
        asked.update(wanted)
        return {}

    monkeypatch.setattr(ports, "settle", settle)
    monkeypatch.setattr(containers, "running", lambda: running)
    numbers = {name: int(value) for name, value in env_file.load().items() if name.endswith("_PORT")}
    monkeypatch.setattr(runtime, "_wanted_ports", lambda: numbers)
    runtime.settle_ports()
    return asked
