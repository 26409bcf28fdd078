"""The checks of Docker: its engine and plugins, the images, and where missing ones come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.doctor.machine import Answer
from tests.unit.cli.doctor.fake_machine import (
    INFO,
    NOT_BUILT,
    Doctor,
    FakeMachine,
    Line,
    not_built,
)


def test_without_docker_the_platform_still_runs(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    bare = replace(machine, answers={"sh": ""})
    printed = line(bare, "engine")
    assert printed.startswith("warn  engine          there is no docker command") and "sudo make engine" in printed
    assert doctor(bare)[-1] == "exit 0"
    assert line(bare, "engine", runtime="compose").startswith("fail ")


def test_the_embedded_runtime_does_not_check_docker(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    broken = machine.but(docker_info=Answer(False, "permission denied"))
    assert line(broken, "engine", runtime="embedded").startswith("ok    engine          none is needed")
    assert doctor(broken, runtime="embedded")[-1] == "exit 0"


@pytest.mark.parametrize(
    ("info", "text", "fix"),
    [
        (Answer(False, "permission denied while trying"), "you may not use it", "usermod -aG docker"),
        (Answer(False, "Is the docker daemon running?"), "no engine answers", "sudo make engine"),
        (INFO.replace("apparmor", "rootless"), "is rootless", "docker context use default"),
        ("|||\n", "no engine answers", "sudo make engine"),
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
    assert "you may not use it" in line(broken, "engine")


def test_an_engine_on_another_machine_is_refused(machine: FakeMachine, line: Line) -> None:
    printed = line(replace(machine, variables={"DOCKER_HOST": "tcp://10.0.0.1:2375"}), "engine")
    assert "is another machine" in printed and "unset DOCKER_HOST" in printed


@pytest.mark.parametrize(
    ("plugin", "answer", "text"),
    [
        ("compose", "v2.3.1\n", "fail  compose         2.3.1; 2.20 or newer is needed; fix: Debian, Ubuntu: sudo make"),
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
    printed = [each for each in doctor(new) if " registry " in each]
    assert len(printed) == 2 and text in printed[0]
    if "fix" in text:
        assert "docker save debian:bookworm-slim | gzip" in printed[0] and printed[0].startswith("fail ")
        with_apt = [each for each in doctor(new.but(**{"apt-get": ""})) if " registry " in each]
        assert [each[:4] for each in with_apt] == ["warn", "warn"]


@pytest.mark.parametrize(
    ("pip", "index", "state", "text"),
    [
        ("pip 24.0", "uv (0.13)", "ok ", "answers"),
        ("pip 24.0", Answer(False, "CERTIFICATE_VERIFY_FAILED"), "fail", "infra/certs/"),
        ("pip 24.0", Answer(False, "no route to host"), "fail", "PIP_INDEX_URL"),
        (Answer(False, "No module named pip"), Answer(False, ""), "warn", "python3 has no pip"),
    ],
)
def test_the_package_index_is_checked_before_the_build(
    machine: FakeMachine, line: Line, pip: str | Answer, index: str | Answer, state: str, text: str
) -> None:
    new = not_built(machine, **{"python3_-m_pip_--version": pip, "python3_-m_pip_index": index})
    printed = line(new, "package index")
    assert printed.startswith(state) and text in printed


def test_docker_desktop_counts_the_memory_of_its_virtual_machine(machine: FakeMachine, line: Line) -> None:
    desktop = machine.but(docker_info="27.1|Docker Desktop|1500000000|[]\n")
    assert line(desktop, "engine") == "ok    engine          Docker Desktop, Docker 27.1"
    printed = line(desktop, "memory")
    assert "Docker's virtual machine has 1500 MB" in printed and "Settings, Resources, Memory" in printed
