"""Who reaches the platform, as BIND_ADDRESS says."""

from __future__ import annotations

import socket

import pytest

from cli.runtimes.compose import gateway
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
    assert gateway.listening_addresses(settings.with_values(BIND_ADDRESS="0.0.0.0")) == ["192.168.1.5", "127.0.0.1"]


def test_the_addresses_name_the_user_and_the_setting_of_the_password(settings: Settings) -> None:
    text = gateway.addresses(settings.with_values(BIND_ADDRESS="192.168.1.5", GATEWAY_PASSWORD="not-to-be-shown-here"))
    assert "https://192.168.1.5:8443" in text and "https://192.168.1.5:8444" in text
    assert "user orionbox with the GATEWAY_PASSWORD in .env" in text
    assert "not-to-be-shown-here" not in text
