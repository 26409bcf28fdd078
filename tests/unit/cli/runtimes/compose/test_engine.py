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
        (
            'Current context "desktop-linux" is not found on the file system, please check your config file at /x',
            {},
            "the Docker context in use does not exist",
            "docker context use default",
        ),
        (
            "unable to resolve docker endpoint: open /no/ca.pem: no such file or directory",
            {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/no"},
            "Docker's certificate /no/ca.pem does not exist",
            "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH",
        ),
        (
            "Error response from daemon: client version 1.10 is too old. Minimum supported API version is 1.12",
            {"DOCKER_API_VERSION": "1.10"},
            "refuses DOCKER_API_VERSION=1.10",
            "unset DOCKER_API_VERSION",
        ),
        (
            'unable to resolve docker endpoint: parse "tcp://what ever": invalid character " " in host name',
            {"DOCKER_HOST": "what ever"},
            "no Docker engine answers at DOCKER_HOST=what ever",
            "unset DOCKER_HOST",
        ),
        (
            SILENT.format("tcp://localhost:2375/var/run/docker.sock"),
            {"DOCKER_HOST": "/var/run/docker.sock"},
            "no Docker engine answers at DOCKER_HOST=/var/run/docker.sock",
            "unset DOCKER_HOST",
        ),
        (
            "Error response from daemon: authorization denied by plugin opa: not allowed",
            {},
            "docker fails: Error response from daemon: authorization denied by plugin opa",
            "docker version",
        ),
        (
            "fatal error: failed to reserve page summary memory\n\ngoroutine 1:\nruntime/asm_amd64.s:345 +0x120",
            {},
            "docker fails: fatal error: failed to reserve page summary memory",
            "docker version",
        ),
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


@pytest.mark.parametrize(
    ("file", "reason", "variables", "fix"),
    [
        ("/home/a b/.docker/config.json", "permission denied", {}, "sudo chown -R \"$USER\" '/home/a b/.docker'"),
        ("/etc/passwd/config.json", "not a directory", {"DOCKER_CONFIG": "/etc/passwd"}, "unset DOCKER_CONFIG"),
    ],
)
def test_plugins_that_docker_does_not_find_may_be_installed(
    file: str, reason: str, variables: dict[str, str], fix: str
) -> None:
    """After `sudo docker login`, ~/.docker belongs to root: docker goes on, but without Compose."""
    errors = f"WARNING: Error loading config file: {file}: open {file}: {reason}\nunknown flag: --short"
    found = engine.explain_missing_plugin(errors, variables)
    assert found and file in found.text and found.fix == fix
    assert not engine.explain_missing_plugin("docker: 'compose' is not a docker command.", variables)


def test_an_engine_that_hangs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, engine.TIMEOUT)

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/docker")
    monkeypatch.setattr(subprocess, "run", hang)
    assert engine.problem() == ("the Docker engine has not answered for 20 s", "restart Docker")
