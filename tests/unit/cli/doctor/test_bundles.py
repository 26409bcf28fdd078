"""A bundle that is there is the way to images without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.doctor import bundles
from cli.settings import env_file
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line, not_built

NAME = f"orionbox-{env_file.version()}-amd64.tar"


def put(machine: FakeMachine, place: str) -> Path:
    """Puts a bundle there, from the checkout's path."""
    file = Path(machine.root, place)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    return file


@pytest.mark.parametrize(
    "place",
    [
        f"bundles/{NAME}",
        f"../{NAME}",
        f"../../{NAME}",
        f"../Downloads/{NAME.replace('.tar', ' (1).tar')}",
        f"../../../media/ada/STICK/{NAME}",
        f"../../../media/STICK/course/{NAME}",
    ],
)
def test_a_bundle_is_found_where_teachers_put_it(machine: FakeMachine, doctor: Doctor, place: str) -> None:
    file = put(machine, place)
    printed = [each for each in doctor(not_built(machine)) if each[6:].startswith(("images", "registry", "package"))]
    assert len(printed) == 1, "the network is not asked"
    assert printed[0].startswith(
        f"warn  images          are not built yet; {file.name} has them, and no network is needed"
    )
    assert "; fix: make load FILE=" in printed[0]


def test_the_command_names_the_file_as_the_shell_reads_it(machine: FakeMachine) -> None:
    assert bundles.command(machine, put(machine, f"bundles/{NAME}")) == f"make load FILE=bundles/{NAME}"
    assert bundles.command(machine, Path("/media/a b/x.tar")) == "make load FILE='/media/a b/x.tar'"


def test_a_bundle_of_this_version_comes_first(machine: FakeMachine) -> None:
    put(machine, "bundles/orionbox-0.0.9-amd64.tar")
    assert bundles.find_bundle(machine) == machine.root / "bundles/orionbox-0.0.9-amd64.tar"
    here = put(machine, f"../../../media/STICK/{NAME}")
    found = bundles.find_bundle(machine)
    assert found and found.resolve() == here.resolve()


def test_a_backup_is_no_bundle(machine: FakeMachine, line: Line) -> None:
    put(machine, "bundles/orionbox-2026-11-26-1730.tar")
    put(machine, "bundles/.orionbox-0.2.0-amd64.tar.x.part")
    assert bundles.find_bundle(machine) is None
    assert line(machine, "images").startswith("ok ")
