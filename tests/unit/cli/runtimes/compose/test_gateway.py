"""Who reaches the platform, as BIND_ADDRESS says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cli.runtimes.compose import gateway, images, key_files
from cli.runtimes.compose.compose import Compose
from cli.settings.settings import Settings
from orionbox.errors import BadInputError


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_on_loopback_there_is_nothing_to_check_and_no_certificate(settings: Settings, address: str) -> None:
    local = settings.with_values(BIND_ADDRESS=address)
    assert gateway.ensure_certificate(Compose(local)) is False
    gateway.require_own_address(local)


def test_an_address_of_another_machine_is_refused_with_those_of_this_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "own_addresses", lambda: ["192.168.1.5", "10.0.0.3"])
    with pytest.raises(BadInputError) as error:
        # For documentation: nobody has it
        gateway.require_own_address(settings.with_values(BIND_ADDRESS="203.0.113.77"))
    assert str(error.value) == (
        ".env: BIND_ADDRESS=203.0.113.77: not an address of this machine; use 127.0.0.1 for this machine alone, one of "
        "its own addresses for others too (192.168.1.5, 10.0.0.3), or 0.0.0.0 for all of them"
    )


def test_this_machine_s_own_addresses_are_not_loopback_and_can_be_listened_on() -> None:
    for address in gateway.own_addresses():
        assert not address.startswith("127.")
        with socket.create_server((address, 0)):
            pass


def test_all_addresses_means_each_by_its_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "own_addresses", lambda: ["192.168.1.5"])
    assert gateway.reachable(settings.with_values(BIND_ADDRESS="0.0.0.0")) == ["192.168.1.5", "127.0.0.1"]


def test_users_read_the_addresses_the_user_and_where_the_password_is(settings: Settings) -> None:
    text = gateway.addresses(settings.with_values(BIND_ADDRESS="192.168.1.5", GATEWAY_PASSWORD="not-to-be-shown-here"))
    assert "https://192.168.1.5:8443" in text and "https://192.168.1.5:8444" in text
    assert "user orionbox with the GATEWAY_PASSWORD in .env" in text
    assert "not-to-be-shown-here" not in text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A secrets/ in which keys are made without Docker."""

    def output(*command: str, text: str = "") -> str:
        made.append(command)
        names = ("gateway.crt", "gateway.key") if "gateway" in command else key_files.FILES
        return json.dumps({name: f"{name} {len(made)}" for name in names})

    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(key_files, "FOLDER", tmp_path)
    monkeypatch.setattr(key_files, "output", output)
    monkeypatch.setattr(images, "module_command", lambda compose, service, *command, options=(): command)
    return tmp_path


@pytest.fixture
def compose(settings: Settings) -> Compose:
    return Compose(settings)


def test_a_checkout_without_the_authority_s_key_gets_new_certificates_and_keeps_the_rest(
    folder: Path, compose: Compose
) -> None:
    assert key_files.ensure(compose) and not key_files.ensure(compose)
    (folder / key_files.LAST).unlink()  # as in a checkout of an older version
    assert key_files.ensure(compose)
    assert (folder / key_files.EMULATOR_KEY).read_text() == f"{key_files.EMULATOR_KEY} 1"
    assert {(folder / name).read_text() for name in key_files.CERTIFICATES} == {
        f"{name} 3" for name in key_files.CERTIFICATES
    }


def test_the_key_of_an_older_version_gets_its_new_name_and_the_copy_of_the_user_s_own_is_removed(
    folder: Path, compose: Compose
) -> None:
    (folder / "gcp-key.json").write_text("old")
    (folder / "google-key.json").write_text("the user's")
    key_files.ensure(compose)
    assert (folder / key_files.EMULATOR_KEY).read_text() == "old"
    assert not list(folder.glob("g*-key.json"))


def test_the_gateway_s_certificate_is_made_anew_for_other_addresses_and_by_another_authority(
    folder: Path, compose: Compose
) -> None:
    key_files.ensure(compose)
    assert key_files.ensure_gateway(compose, ["192.0.2.7"]) and not key_files.ensure_gateway(compose, ["192.0.2.7"])
    assert key_files.ensure_gateway(compose, ["192.0.2.8"]) and not key_files.ensure_gateway(compose, ["192.0.2.8"])
    (folder / key_files.LAST).unlink()
    key_files.ensure(compose)
    assert key_files.ensure_gateway(compose, ["192.0.2.8"])
