"""`./orionbox doctor`, line by line, on machines that answer as the test says."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from cli import __main__ as command_line
from cli.doctor import checks, docker
from cli.doctor.machine import Answer
from cli.runtimes import choose
from cli.runtimes.compose import google_cloud
from cli.runtimes.compose.compose import Compose
from cli.settings.settings import Settings
from orionbox.errors import BadInputError
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line, not_built


def test_every_line_is_ok_if_nothing_is_wrong(machine: FakeMachine, doctor: Doctor) -> None:
    *lines, code = doctor(machine)
    assert [line for line in lines if not line.startswith("ok ")] == [] and code == "exit 0"
    subjects = "checkout python3 settings engine compose buildx images ports ca gcp memory disk clock"
    assert [line.split()[1] for line in lines] == subjects.split()


def test_quick_checks_print_nothing_if_nothing_is_wrong_and_ask_no_engine(
    machine: FakeMachine, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "check_engine", lambda *arguments: pytest.fail("the engine was asked"))
    assert doctor(machine, quick=True) == ["exit 0"]
    assert doctor(replace(machine, disk_mb=300), quick=True)[0].startswith("fail  disk ")


def test_wrong_settings_are_a_line_and_the_other_checks_go_on(machine: FakeMachine, doctor: Doctor) -> None:
    (machine.root / ".env").write_text("ORIONPORT=4300\n")
    *lines, code = doctor(machine)
    assert "fail  settings        unknown setting ORIONPORT in .env (did you mean ORION_PORT?)" in lines
    assert len(lines) == 13 and code == "exit 1"
    (machine.root / ".env").write_text("ORION_PORT=none\n")
    assert "fail  settings        .env: ORION_PORT=none: not a port; fix: use a number" in "\n".join(doctor(machine))


def test_the_program_on_a_port_and_a_free_port_are_reported(machine: FakeMachine, line: Line) -> None:
    listeners = (
        'LISTEN 0 128 127.0.0.1:15432 0.0.0.0:* users:(("other",pid=6,fd=5))\n'
        'LISTEN 0 128 127.0.0.1:5432 0.0.0.0:* users:(("postgres",pid=7,fd=5))\n'
    )
    busy = replace(machine.but(ss=listeners), used_ports=frozenset({5432, 5433}))
    assert line(busy, "port 5432") == (
        "warn  port 5432       is in use by postgres; fix: nothing to do: make up takes the next free one; "
        "or set POSTGRES_PORT=5434 in .env"
    )


def test_another_container_on_a_port_is_reported_and_our_own_is_fine(machine: FakeMachine, line: Line) -> None:
    busy = replace(machine, used_ports=frozenset({8080}))
    assert "is in use by container shop-web-1" in line(busy.but(docker_ps="shop|shop-web-1\n"), "port 8080")
    assert line(busy.but(docker_ps="orionbox|orionbox-pgadmin-1\n"), "ports").startswith("ok ")


def memory(machine: FakeMachine, megabytes: int) -> None:
    (machine.proc / "meminfo").write_text(f"MemAvailable: {megabytes}000 kB\n")


def test_too_little_memory_is_a_warning_and_never_a_failure(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    memory(machine, 1500)
    assert line(machine, "memory") == (
        "warn  memory          1500 MB free, about 1900 MB needed: the platform may be slow; fix: close other programs"
    )
    assert doctor(machine, quick=True)[-1] == "exit 0"


def test_memory_that_cannot_be_measured_is_reported(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    (machine.proc / "meminfo").unlink()
    assert "about 1900 MB" in line(machine.but(docker=None), "memory")
    assert doctor(machine, quick=True) == ["exit 0"]


def test_dask_needs_more_memory_and_a_running_platform_less(machine: FakeMachine, line: Line) -> None:
    memory(machine, 100)
    (machine.root / ".env").write_text("ENGINE=dask\nWORKERS=4\n")
    assert "about 3400 MB needed" in line(machine, "memory")
    assert "about 600 MB needed" in line(replace(machine, used_ports=frozenset({4280})), "memory")


@pytest.mark.parametrize(("megabytes", "state"), [(50_000, "ok "), (1_500, "warn"), (300, "fail")])
def test_a_disk_that_is_nearly_full_is_reported(machine: FakeMachine, line: Line, megabytes: int, state: str) -> None:
    assert line(replace(machine, disk_mb=megabytes), "disk").startswith(state)


def test_images_that_are_not_built_yet_need_disk_too(machine: FakeMachine, line: Line) -> None:
    assert "about 10000 MB needed" in line(replace(not_built(machine), disk_mb=5_000), "disk")


def test_a_clock_that_is_slow_by_years_is_seen(machine: FakeMachine, line: Line) -> None:
    printed = line(machine.but(git_log="4102444800\n"), "clock")
    assert printed.startswith("fail ") and "timedatectl" in printed
    assert line(machine.but(git_log=Answer(False, "not a git repository")), "clock").startswith("ok ")


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


ADA = {
    "type": "service_account",
    "project_id": "ada-1",
    "private_key": "-----BEGIN",
    "client_email": "ada@example.org",
    "token_uri": "https://example.org",
}


def in_the_cloud(machine: FakeMachine, key: dict[str, str] | None) -> FakeMachine:
    """The machine with CLOUD=gcp and that key."""
    file = machine.root / "ada.json"
    if key is not None:
        file.write_text(json.dumps(key))
    variables = {"CLOUD": "gcp", "GCP_PROJECT": "ada-1", "GCP_BUCKET": "ada-taxi", "GCP_KEY_FILE": str(file)}
    return replace(machine, variables=variables)


def test_with_emulators_no_key_is_needed(machine: FakeMachine, line: Line) -> None:
    assert line(machine, "gcp key") == (
        "ok    gcp key         none is needed: Cloud Storage and BigQuery are emulated (CLOUD=emulators)"
    )


@pytest.mark.parametrize(
    ("key", "state", "text"),
    [
        (ADA, "ok ", "of project ada-1"),
        (ADA | {"project_id": "bob-1"}, "warn", "is of project bob-1, and GCP_PROJECT is ada-1; fix: nothing to do if"),
        (ADA | {"type": "authorized_user"}, "fail", "has type authorized_user"),
        ({"type": "service_account"}, "fail", "has no project_id, private_key"),
        (None, "fail", "there is no such file; fix: put the key of your service account there"),
    ],
)
def test_the_key_is_checked_as_the_commands_check_it(
    machine: FakeMachine, doctor: Doctor, line: Line, key: dict[str, str] | None, state: str, text: str
) -> None:
    cloud = in_the_cloud(machine, key)
    printed = line(cloud, "gcp key")
    assert printed.startswith(state) and text in printed
    *lines, code = doctor(cloud)
    assert any("gcp account" in each for each in lines) is (state != "fail")
    assert code == f"exit {int(state == 'fail')}"


def test_google_is_not_checked_before_the_build_and_a_line_says_so(machine: FakeMachine, line: Line) -> None:
    assert line(not_built(in_the_cloud(machine, ADA)), "gcp account") == (
        "warn  gcp account     bucket, datasets and roles cannot be checked before the images are built; "
        "fix: make up, which builds them and checks before it starts anything"
    )


def test_the_dry_run_s_lines_are_findings(machine: FakeMachine, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.root / ".env").write_text("")
    (machine.root / "secrets").mkdir()
    (machine.root / "secrets/ca-bundle.crt").write_text("")
    cloud, copied = in_the_cloud(machine, ADA), list[str]()
    monkeypatch.setattr(google_cloud, "copy_key", lambda settings: copied.append(settings["GCP_PROJECT"]))

    def answer(stdout: str, stderr: str = "") -> None:
        def dry_run(compose: Compose) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess([], 1, stdout, stderr)

        monkeypatch.setattr(google_cloud, "dry_run", dry_run)

    answer("a line of Compose\nok\tgcp account\tada\t\nfail\tgcp bucket\tthere is none\tgcloud x\n")
    assert line(cloud, "gcp account") == "ok    gcp account     ada"
    assert line(cloud, "gcp bucket") == "fail  gcp bucket      there is none; fix: gcloud x"
    answer("", "no such container")
    expected = "fail  gcp account     Google could not be checked (no such container); fix: run make up"
    assert line(cloud, "gcp account").startswith(expected)
    monkeypatch.setattr(google_cloud, "dry_run", refuse_as_another_ones)
    assert line(cloud, "gcp account") == "fail  gcp account     belongs to /home/ada/orionbox; fix: set another name"
    assert set(copied) == {"ada-1"}


def refuse_as_another_ones(compose: Compose) -> None:
    raise BadInputError("belongs to /home/ada/orionbox", "set another name")


def test_the_command_works_with_wrong_settings(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.root / ".env").write_text("ORIONPORT=4300\n")
    monkeypatch.setattr(checks, "Machine", lambda: machine)
    assert command_line.main(["doctor", "--quick"]) == 1
    expected = "fail  settings        unknown setting ORIONPORT in .env (did you mean ORION_PORT?)"
    assert expected in capsys.readouterr().out.splitlines()


def test_make_up_runs_the_quick_checks_before_anything_else(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.read({}, machine.root)
    monkeypatch.setattr(Settings, "read", classmethod(lambda cls, typed: settings))
    monkeypatch.setattr(checks, "Machine", lambda: replace(machine, disk_mb=300))
    monkeypatch.setattr(choose, "choose", lambda *arguments: pytest.fail("a runtime was chosen"))
    assert command_line.main(["up"]) == 1
    assert capsys.readouterr().out.startswith("fail  disk            300 MB free here")
