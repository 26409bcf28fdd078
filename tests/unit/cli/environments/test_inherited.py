"""What other programs get of the user's environment: lists, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli import programs
from cli.environments import inherited, proxies

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts from an environment of two variables."""
    for name in os.environ:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", "/")


def test_docker_and_tools_get_the_engine_s_variables_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = (
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CONFIG",
        "XDG_RUNTIME_DIR",
        "SSH_AUTH_SOCK",
        "ORIONBOX_TAG",
        "TERM",
    )
    unwanted = (*inherited.MISLEADING, "BUILDX_BUILDER", "BUILDKIT_HOST", "GIT_DIR", "PYTHONPATH", "LD_PRELOAD")
    for name in (*wanted, *unwanted, "GREP_OPTIONS", "CDPATH", "BASH_ENV", "ENV", "PGHOST", "AWS_PROFILE"):
        monkeypatch.setenv(name, "set")
    assert inherited.for_tools().keys() == {"PATH", "HOME", *wanted}


def test_a_program_that_is_given_no_environment_gets_that_of_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_FILE", "/tmp/other/compose.yaml")
    assert "COMPOSE_FILE" not in programs.output("env")
    assert programs.output("env", environment={"COMPOSE_FILE": "ours"}) == "COMPOSE_FILE=ours\n"


def test_missing_or_useless_folders_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PATH")
    monkeypatch.setenv("HOME", "/no/such/folder")
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    chosen = inherited.choose()
    assert chosen["PATH"] == os.defpath and Path(chosen["HOME"]).is_dir() and "TMPDIR" not in chosen
    monkeypatch.delenv("HOME")
    assert Path(inherited.choose()["HOME"]).is_dir()
    folder = tmp_path / "with spaces"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    assert inherited.choose()["TMPDIR"] == str(folder)


def test_a_language_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert inherited.for_terminal()["LC_ALL"] == "C"
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    assert "LC_ALL" not in inherited.for_terminal()


def test_the_services_keep_no_trace_of_the_terminal_but_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "LANG", "TZ", "USER", "http_proxy"):
        monkeypatch.setenv(name, "set")
    assert inherited.for_services() == {"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}


def test_a_build_gets_the_user_s_proxies_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {inherited.for_builds()[name] for name in proxies.NAMES} == {""}, "not those of Docker's configuration"
    monkeypatch.setenv("https_proxy", "http://ada:secret@proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    environment = inherited.for_builds()
    assert inherited.BUILD_ARGUMENTS[:2] == ("--build-arg", "HTTP_PROXY")
    assert environment["ALL_PROXY"] == environment["HTTP_PROXY"] == ""
    assert environment["HTTPS_PROXY"] == environment["https_proxy"] == "http://ada:secret@proxy.example:3128"
    assert environment["DOCKER_BUILDKIT"] == "1"


def test_a_file_of_certificates_that_is_not_there_is_named_and_forgotten(tmp_path: Path) -> None:
    good, empty = tmp_path / "good.pem", tmp_path / "empty.pem"
    good.write_text(CERTIFICATE)
    empty.touch()
    variables = {
        "SSL_CERT_FILE": "/no/such/cacert.pem",
        "REQUESTS_CA_BUNDLE": str(good),
        "CURL_CA_BUNDLE": str(empty),
        "PIP_CERT": str(tmp_path),
    }
    assert list(inherited.certificate_problems(variables)) == [
        "SSL_CERT_FILE=/no/such/cacert.pem: there is no such file; ignored (unset SSL_CERT_FILE)",
        f"CURL_CA_BUNDLE={empty}: has no certificate; ignored (unset CURL_CA_BUNDLE)",
    ]
    assert variables.keys() == {"REQUESTS_CA_BUNDLE", "PIP_CERT"}


def test_the_user_s_authorities_are_trusted_beside_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, bundle, machine = tmp_path / "certs", tmp_path / "bundle.crt", tmp_path / "machine.pem"
    own.mkdir()
    machine.write_text("of the machine")
    monkeypatch.setattr(inherited, "SYSTEM_AUTHORITIES", (str(tmp_path / "none"), str(machine)))
    assert inherited.authorities(own, bundle) == str(machine) and not bundle.exists()
    (own / "site.crt").write_text("of the site")
    assert inherited.authorities(own, bundle) == str(bundle)
    assert bundle.read_text() == "of the machine\nof the site"
    monkeypatch.setattr(inherited, "SYSTEM_AUTHORITIES", ())
    (own / "site.crt").unlink()
    assert inherited.authorities(own, bundle) == ""
