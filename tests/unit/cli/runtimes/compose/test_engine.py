"""Why no engine answers: what docker prints becomes one line and a fix that helps."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.runtimes.compose import engine
from orionbox.errors import CommandError

REFUSED = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
    '"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version": dial unix /var/run/docker.sock: connect: permission denied'
)
SILENT = "Cannot connect to the Docker daemon at {}. Is the docker daemon running?"


@pytest.mark.parametrize(
    ("errors", "variables", "text", "fix"),
    [
        (SILENT.format("unix:///var/run/docker.sock"), {}, "the engine is not running", "start"),
        (
            SILENT.format("unix:///home/ada/.docker/desktop/docker.sock"),
            {},
            "no Docker engine answers at unix:///home/ada/.docker/desktop/docker.sock",
            "docker context use default",
        ),
        (
            'error during connect: Get "http://10.0.0.1:2375/v1.50/version", dial tcp: no route to host',
            {"DOCKER_HOST": "tcp://10.0.0.1:2375"},
            "no Docker engine answers at tcp://10.0.0.1:2375",
            "unset DOCKER_HOST",
        ),
        (
            'unable to resolve docker endpoint: context "lab": context not found: open /home/ada/.docker/...',
            {"DOCKER_CONTEXT": "lab"},
            "the Docker context in use does not exist",
            "unset DOCKER_CONTEXT",
        ),
        ("The command 'docker' could not be found in this WSL 2 distro.", {}, "this WSL distribution", "Settings"),
        ("Client: Podman Engine", {}, "docker is Podman here", "sudo make engine"),
    ],
)
def test_each_error_of_docker_has_its_own_fix(errors: str, variables: dict[str, str], text: str, fix: str) -> None:
    found = engine.explain(errors, variables)
    assert text in found.text and fix in found.fix


ADA = SimpleNamespace(pw_name="ada", pw_gid=1000)


@pytest.mark.parametrize(
    ("mode", "gid", "own_groups", "members", "text", "fix"),
    [
        (0o660, 105, [], ["bob"], "add yourself to group docker", "sudo usermod -aG docker $USER"),
        (0o660, 105, [], ["bob", "ada"], "only since this session began", "log out and in"),
        (0o660, 105, [105], ["ada"], "although you are in group docker", "ls -ld /var/run /var/run/docker.sock"),
        (0o660, 998, [], [], "its group 998 has no name here", "sudo groupadd --gid 998 docker"),
        (0o600, 105, [], [], "which only root may use", "sudo chgrp docker /var/run/docker.sock"),
        (0o660, 0, [], [], "which only root may use", "sudo chgrp docker /var/run/docker.sock"),
    ],
)
def test_a_user_without_rights_on_the_socket_gets_the_fix_that_helps(
    monkeypatch: pytest.MonkeyPatch, mode: int, gid: int, own_groups: list[int], members: list[str], text: str, fix: str
) -> None:
    def group(number: int) -> SimpleNamespace:
        if number != 105:
            raise KeyError(number)
        return SimpleNamespace(gr_name="docker", gr_mem=members)

    status = SimpleNamespace(st_mode=stat.S_IFSOCK | mode, st_gid=gid)
    monkeypatch.setattr(engine, "_status", lambda socket: status)
    monkeypatch.setattr(grp, "getgrgid", group)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: ADA)
    monkeypatch.setattr(os, "getgroups", lambda: own_groups)
    found = engine.explain(REFUSED, {})
    assert found.text.startswith("permission denied on /var/run/docker.sock") and text in found.text
    assert fix in found.fix


def test_a_socket_in_another_user_s_folder_is_not_ours_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_status", lambda socket: None)
    assert "another user's" in engine.explain("permission denied ... at unix:///run/user/1001/docker.sock", {}).fix


def test_the_errors_are_those_that_docker_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{SILENT.format('tcp://127.0.0.1:9')}' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert engine.unavailable_reason() == "no Docker engine answers at tcp://127.0.0.1:9"
    docker.chmod(0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.unavailable_reason() == "there is no docker command"
    with pytest.raises(CommandError) as error:
        engine.require()
    assert "sudo make engine" in error.value.fix


def test_an_engine_that_hangs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, engine.TIMEOUT)

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/docker")
    monkeypatch.setattr(subprocess, "run", hang)
    assert engine.problem() == ("the Docker engine has not answered for 20 s", "restart Docker")
