"""The checks of Docker: its engine and plugins, the images, and where missing ones come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.doctor.machine import Answer
from orionbox.errors import BadInputError
from tests.unit.cli.doctor.fake_machine import (
    INFO,
    NOT_BUILT,
    Doctor,
    FakeMachine,
    Line,
    not_built,
)


def test_without_docker_the_platform_still_runs(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    bare = replace(machine, answers={"python3": ""})
    printed = line(bare, "runtime")
    assert printed.startswith("warn  runtime         embedded would be used (there is no docker command)")
    assert "sudo make engine" in printed and doctor(bare)[-1] == "exit 0"
    assert line(bare, "engine", runtime="compose").startswith("fail ")


@pytest.mark.parametrize(
    ("info", "text", "fix"),
    [
        (
            Answer(False, "permission denied ... at unix:///no/socket"),
            "permission denied on /no/socket",
            "docker context",
        ),
        (Answer(False, "Is the docker daemon running?"), "the engine is not running", "start"),
        (INFO.replace("apparmor", "rootless"), "is rootless", "docker context use default"),
        ("|||||\n", "the engine is not running", "start"),
    ],
)
def test_an_engine_that_cannot_be_used_says_why(
    machine: FakeMachine, doctor: Doctor, line: Line, info: str | Answer, text: str, fix: str
) -> None:
    broken = machine.but(docker_info=info)
    printed = line(broken, "engine")
    assert printed.startswith("fail ") and text in printed and fix in printed.split("; fix: ")[1]
    assert doctor(broken)[-1] == "exit 1"


def test_the_reason_comes_from_docker_version_if_docker_info_hides_it(machine: FakeMachine, line: Line) -> None:
    broken = machine.but(docker_info=Answer(False, "template"), docker_version=Answer(False, "Got permission denied"))
    assert "permission denied on /var/run/docker.sock" in line(broken, "engine", runtime="compose")


@pytest.mark.parametrize(
    ("host", "context", "fix"),
    [
        ("tcp://10.0.0.1:2375", "", "unset DOCKER_HOST"),
        ("", "ssh://ada@server", "docker context use default"),
        ("tcp://127.0.0.1:2375", "", ""),
        ("unix:///run/docker.sock", "ssh://ada@server", ""),
    ],
)
def test_an_engine_on_another_machine_is_refused(
    machine: FakeMachine, line: Line, host: str, context: str, fix: str
) -> None:
    away = replace(machine.but(docker_context_inspect=context), variables={"DOCKER_HOST": host})
    printed = line(away, "engine")
    assert printed.startswith("fail " if fix else "ok ") and fix in printed
    assert ("is another machine" in printed) is bool(fix)


def test_an_engine_outside_this_container_sees_its_own_files(machine: FakeMachine, line: Line) -> None:
    inside = replace(machine, is_inside_container=True)
    assert line(inside, "engine").startswith("ok "), "its engine is in the container, too"
    printed = line(replace(inside, engine_process=0), "engine")
    assert printed.startswith("warn ") and "runs outside this container" in printed


def test_an_engine_is_not_called_outside_if_processes_are_hidden(machine: FakeMachine, line: Line) -> None:
    """With the mount option hidepid of /proc, as on shared machines."""
    inside = replace(machine, is_inside_container=True, engine_process=0, hides_processes=True)
    assert line(inside, "engine").startswith("ok ")


def test_a_name_that_belongs_to_another_checkout_is_reported(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    assert line(machine, "name").startswith("ok ")
    refused = replace(machine, owner_refusal=BadInputError("platform orionbox belongs to /home/ada", "choose another"))
    assert line(refused, "name").endswith("platform orionbox belongs to /home/ada; fix: choose another")
    assert doctor(refused)[-1] == "exit 1"


def test_an_engine_that_answers_only_half_says_why(machine: FakeMachine, line: Line) -> None:
    broken = machine.but(docker_info=Answer(False, "error during connect: EOF"), docker_version="Server: Docker\n")
    assert "docker fails: error during connect: EOF" in line(broken, "engine", runtime="compose")


def test_a_snap_of_docker_needs_the_checkout_in_the_home_folder(machine: FakeMachine, line: Line) -> None:
    snap = replace(machine, docker_program="/snap/bin/docker")
    assert line(snap, "engine").startswith("ok ")
    elsewhere = replace(snap, variables={"HOME": "/home/bob"})
    assert line(elsewhere, "engine").startswith("fail  engine          Docker's snap cannot see ")


@pytest.mark.parametrize(
    ("plugin", "answer", "text"),
    [
        ("compose", "v2.3.1\n", "fail  compose         2.3.1; 2.20 or newer is needed; fix: Debian, Ubuntu: sudo make"),
        (
            "compose",
            Answer(False, "Error loading config file: /h/config.json: open /h/config.json: permission denied\n"),
            "fail  compose         docker finds no plugins, because it cannot read /h/config.json",
        ),
        ("compose", Answer(False, ""), "fail  compose         is missing; 2.20 or newer is needed; fix: Debian"),
        ("compose", "2.100.0-desktop.1\n", "ok    compose         2.100.0-desktop.1"),
        (
            "buildx",
            Answer(False, ""),
            "warn  buildx          is missing; Docker 23 and newer build with it",
        ),
    ],
)
def test_an_old_or_missing_plugin_is_reported(
    machine: FakeMachine, line: Line, plugin: str, answer: str | Answer, text: str
) -> None:
    assert line(machine.but(**{f"docker_{plugin}_version": answer}), plugin).startswith(text)


@pytest.mark.parametrize(
    ("image", "manifest", "text"),
    [
        ("[]", Answer(False, ""), "ok    registry        debian:bookworm-slim is on this machine"),
        (NOT_BUILT, "{}", "ok    registry        debian:bookworm-slim can be pulled"),
        (NOT_BUILT, Answer(False, "x509: unknown authority"), "(its certificate is not trusted); fix: connect"),
        (NOT_BUILT, Answer(False, ""), "(no answer in time); fix: connect"),
    ],
)
def test_before_the_build_the_base_images_are_looked_for(
    machine: FakeMachine, doctor: Doctor, image: str | Answer, manifest: str | Answer, text: str
) -> None:
    new = not_built(machine, **{"docker_image_inspect": image, "docker_manifest_inspect": manifest})
    (printed,) = (each for each in doctor(new) if " registry " in each)
    assert text in printed
    if "fix" in text:
        assert "docs/classroom.md" in printed and "docker save debian:bookworm-slim | gzip" in printed
        assert printed.startswith("fail ")
        with_apt = [each for each in doctor(new.but(**{"apt-get": ""})) if " registry " in each]
        assert [each[:4] for each in with_apt] == ["warn"]


def test_docker_desktop_counts_the_memory_of_its_virtual_machine(machine: FakeMachine, line: Line) -> None:
    desktop = machine.but(docker_info="27.1|Docker Desktop|1500000000|[]||\n")
    assert line(desktop, "engine") == "ok    engine          Docker Desktop, Docker 27.1"
    printed = line(desktop, "memory")
    assert "Docker's virtual machine has 1500 MB" in printed and "Settings, Resources, Memory" in printed
