"""The checks of proxies, certificates and the package index."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cli.doctor.machine import Answer
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line, not_built


def test_certificates_are_checked(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    folder = machine.root / "infra/certs"
    folder.mkdir(parents=True)
    (folder / "proxy.crt").write_bytes(b"\x30\x82")
    assert "infra/certs/proxy.crt is not a PEM certificate; fix: openssl x509" in line(machine, "ca")
    (folder / "proxy.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert "has expired" in line(machine.but(openssl=Answer(False, "")), "ca")
    machine.site_certificates.mkdir()
    (machine.site_certificates / "proxy.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    printed = line(machine.but(openssl=""), "ca")
    assert printed.startswith("ok    ca              1 certificates"), "make up copies them to infra/certs"


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


def test_the_index_in_use_is_named_and_its_password_is_not(machine: FakeMachine, line: Line) -> None:
    new = not_built(machine, **{"python3_-m_pip_index": Answer(False, "NewConnectionError: Connection refused")})
    mirror = replace(new, pip={"index-url": "https://ada:secret@mirror.example/simple"})
    assert line(mirror, "package index") == (
        "fail  package index   https://mirror.example/simple: nothing answers there; fix: connect to the internet, or "
        "name your mirror: export PIP_INDEX_URL=https://..."
    )


def test_a_proxy_of_the_environment_is_shown_without_its_password(machine: FakeMachine, line: Line) -> None:
    assert line(machine, "proxy") == "ok    proxy           none is set"
    behind = replace(machine, variables={**machine.variables, "https_proxy": "http://ada:secret@proxy.example:3128"})
    printed = line(behind, "proxy")
    assert printed.startswith("ok    proxy           proxy.example:3128 (environment), for downloads only")


def test_a_proxy_that_does_not_answer_matters_if_something_must_be_downloaded(machine: FakeMachine, line: Line) -> None:
    behind = replace(machine, variables={**machine.variables, "http_proxy": "proxy.example:3128"})
    assert line(behind, "proxy").startswith("ok ")
    printed = line(not_built(behind), "proxy")
    assert printed.startswith("warn  proxy           proxy.example:3128 (environment) does not answer")
    there = replace(not_built(behind), answering=frozenset({("proxy.example", 3128)}))
    assert line(there, "proxy").startswith("ok ")


def test_proxies_of_docker_and_of_pip_count_for_their_runtime(machine: FakeMachine, line: Line) -> None:
    (machine.home / ".docker").mkdir()
    proxies = {"proxies": {"default": {"httpProxy": "http://docker.example:3128", "noProxy": "localhost"}}}
    (machine.home / ".docker/config.json").write_text(json.dumps(proxies))
    both = replace(machine, pip={"proxy": "pip.example:3128"})
    assert "docker.example:3128 (config.json)" in line(both, "proxy", runtime="compose")
    assert "pip.example:3128 (pip.conf)" in line(both, "proxy", runtime="embedded")


def test_a_proxy_that_no_program_here_can_use_is_a_warning(machine: FakeMachine, lines: Doctor) -> None:
    socks = replace(machine, variables={**machine.variables, "ALL_PROXY": "socks5://127.0.0.1:9"})
    printed = lines(socks, "proxy")
    assert printed[0].startswith("warn  proxy           ALL_PROXY: a proxy of kind socks5 is not supported")
    assert not any("none is set" in each for each in printed)
