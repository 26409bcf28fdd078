"""What the commands print in the same words on both runtimes."""

from __future__ import annotations

from cli import messages
from cli.settings.settings import Settings
from orionbox.services import SERVICES

EMULATORS = Settings({"CLOUD": "emulators", "GCP_PROJECT": "local"})


def test_the_start_page_is_the_first_address() -> None:
    lines = messages.addresses(EMULATORS, {each.port: 1 for each in SERVICES}).splitlines()
    assert "Start page" in lines[0] and "Orion" in lines[1]
    assert len(lines) == len([each for each in SERVICES if each.address])


def test_a_service_without_a_port_here_is_not_printed() -> None:
    (line,) = messages.addresses(EMULATORS, {"ORION_PORT": 4201}).splitlines()
    assert "http://localhost:4201" in line
