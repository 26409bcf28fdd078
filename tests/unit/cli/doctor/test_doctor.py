"""`make doctor`, line by line, on machines that are made up of stand-ins for their commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT

REAL = ("sh", "awk", "sed", "grep", "tail", "head", "cut", "dirname", "id", "uname", "cat", "date", "printf", "timeout")
FILES = ("cli/doctor/doctor.sh", "Makefile", ".env.example", "compose/versions.env", "services/base/healthy")
INFO = "20.10.24|Debian GNU/Linux 12|8000000000|[name=apparmor]"
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 1 1 {} 1% /"


@dataclass
class Machine:
    """A checkout, and all the commands that there are."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def has(self, command: str, script: str) -> None:
        """A command, as the shell script that stands in for it."""
        path = self.root / "bin" / command
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def lacks(self, command: str) -> None:
        (self.root / "bin" / command).unlink()

    def docker(self, **answers: str) -> None:
        """A docker that answers to its sub-commands, by name; what is not named fails."""
        cases = "\n".join(f"{name}) {answer} ;;" for name, answer in answers.items())
        self.has("docker", f'case $1 in\n{cases}\n*) echo "no such answer" >&2; exit 1 ;;\nesac')

    def doctor(self, *arguments: str) -> list[str]:
        """Its lines, and at the end its exit code."""
        command = ["sh", "cli/doctor/doctor.sh", *arguments]
        env = {"PATH": str(self.root / "bin"), "DOCTOR_PROC": str(self.root / "proc"), **self.env}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)
        assert done.stderr == ""
        return [*done.stdout.splitlines(), f"exit {done.returncode}"]

    def line(self, what: str) -> str:
        """The one line about this."""
        (found,) = [line for line in self.doctor() if line[6:].startswith(what)]
        return found


HEALTHY = {
    "info": f"echo '{INFO}'",
    "compose": "echo 2.26.1-4",
    "buildx": "echo github.com/docker/buildx 0.13.1 x",
    "image": "exit 0",
    "ps": "exit 0",
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One on which nothing is wrong."""
    machine = Machine(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n")
    (tmp_path / "bin").mkdir()
    for command in REAL:
        found = shutil.which(command)
        assert found, command
        (tmp_path / "bin" / command).symlink_to(found)
    machine.docker(**HEALTHY)
    machine.has("python3", "echo 3.11")
    machine.has("df", f"echo '{DF.format(50_000_000)}'")
    machine.has("ss", "exit 0")
    return machine


def test_where_nothing_is_wrong_every_line_is_ok(machine: Machine) -> None:
    *lines, code = machine.doctor()
    assert [line for line in lines if not line.startswith("ok ")] == [] and code == "exit 0"
    subjects = "checkout python3 engine compose buildx images ports ca gcp memory disk clock".split()
    assert [line.split()[1] for line in lines] == subjects


def test_the_quick_look_says_nothing_where_nothing_is_wrong_and_asks_no_engine(machine: Machine) -> None:
    machine.lacks("docker")
    assert machine.doctor("quick") == ["exit 0"]


def test_it_needs_no_python(machine: Machine) -> None:
    machine.lacks("python3")
    assert machine.line("python3") == (
        "fail  python3         there is none; fix: install Python 3.9 or newer: apt-get install python3, "
        "or on macOS xcode-select --install"
    )
    assert machine.doctor("quick")[-1] == "exit 1"


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.has("python3", "echo 3.8")
    assert "3.8; 3.9 or newer is needed; fix: put a newer one first on PATH" in machine.line("python3")


@pytest.mark.parametrize("name", ["Makefile", "services/base/healthy", ".env", "cli/doctor/doctor.sh"])
def test_windows_line_endings_are_found_with_a_fix(machine: Machine, name: str) -> None:
    path = machine.root / name
    path.write_bytes((path.read_bytes() if path.exists() else b"ENGINE=threads\n").replace(b"\n", b"\r\n"))
    *lines, code = machine.doctor("quick")
    assert len(lines) == 1 and lines[0].startswith("fail  checkout") and "git config core.autocrlf false" in lines[0]
    assert code == "exit 1"


def test_the_fix_for_windows_line_endings_mends_them_and_git_does_not_make_them(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    script, attributes = tmp_path / "a.sh", tmp_path / ".gitattributes"

    def run(*arguments: str) -> None:
        subprocess.run([*git, *arguments], check=True, capture_output=True)

    def fix() -> bytes:
        subprocess.run(
            "git config core.autocrlf false && git rm -r -q --cached . && git reset --hard",
            shell=True,
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        return script.read_bytes()

    run("init", "--quiet")
    run("config", "core.autocrlf", "true")
    script.write_bytes(b"true\n")
    run("add", ".")
    run("commit", "--quiet", "--message", "one")
    script.unlink()
    run("checkout", "--", "a.sh")
    assert script.read_bytes() == b"true\r\n" and fix() == b"true\n"
    run("config", "core.autocrlf", "true")
    shutil.copy(ROOT / ".gitattributes", attributes)
    run("add", ".")
    run("commit", "--quiet", "--message", "two")
    script.unlink()
    run("checkout", "--", "a.sh")
    assert script.read_bytes() == b"true\n"


def test_without_docker_the_platform_still_runs(machine: Machine) -> None:
    machine.lacks("docker")
    *lines, code = machine.doctor()
    assert "warn  engine          there is no docker command" in "\n".join(lines) and "sudo make engine" in "\n".join(
        lines
    )
    assert code == "exit 0"


@pytest.mark.parametrize(
    ("info", "finding", "fix"),
    [
        ("echo 'permission denied while trying' >&2; exit 1", "you may not speak to it", "usermod -aG docker"),
        ("echo 'Is the docker daemon running?' >&2; exit 1", "no engine answers", "sudo make engine"),
        (f"echo '{INFO.replace('apparmor', 'rootless')}'", "is rootless", "docker context use default"),
    ],
)
def test_an_engine_that_cannot_be_used_says_why(machine: Machine, info: str, finding: str, fix: str) -> None:
    machine.docker(**HEALTHY | {"info": info})
    line = machine.line("engine")
    assert line.startswith("fail ") and finding in line and fix in line.split("; fix: ")[1]
    assert machine.doctor()[-1] == "exit 1"


def test_an_engine_on_another_machine_is_refused(machine: Machine) -> None:
    machine.env["DOCKER_HOST"] = "tcp://10.0.0.1:2375"
    assert "is another machine" in machine.line("engine") and "unset DOCKER_HOST" in machine.line("engine")


@pytest.mark.parametrize(
    ("plugin", "answer", "line"),
    [
        (
            "compose",
            "echo v2.3.1",
            "fail  compose         2.3.1; 2.20 or newer is needed; fix: Debian, Ubuntu: sudo make engine",
        ),
        ("compose", "exit 1", "fail  compose         is missing; 2.20 or newer is needed; fix: Debian"),
        ("buildx", "exit 1", "warn  buildx          is missing: engines from 23 on need it to build; fix: Debian"),
    ],
)
def test_a_plugin_that_is_old_or_missing_is_named(machine: Machine, plugin: str, answer: str, line: str) -> None:
    machine.docker(**HEALTHY | {plugin: answer})
    assert machine.line(plugin).startswith(line)


UNBUILT = "case $3 in debian:*) {}; esac; exit 1"


@pytest.mark.parametrize(
    ("image", "manifest", "line"),
    [
        ("exit 0", "exit 1", "ok    registry        debian:bookworm-slim is here"),
        ("exit 1", "echo '{}'", "ok    registry        debian:bookworm-slim can be pulled"),
        ("exit 1", "echo 'x509: unknown authority' >&2; exit 1", "(its certificate is not trusted); fix: connect"),
    ],
)
def test_where_nothing_is_built_the_bases_are_looked_for(
    machine: Machine, image: str, manifest: str, line: str
) -> None:
    machine.docker(**HEALTHY | {"image": UNBUILT.replace("{}", image), "manifest": manifest})
    found = [each for each in machine.doctor() if " registry " in each]
    assert len(found) == 2 and line in found[0]
    if "fix" in line:
        assert "docker save debian:bookworm-slim | gzip" in found[0] and found[0].startswith("fail ")
        machine.has("apt-get", "exit 0")
        assert [each[:4] for each in machine.doctor() if " registry " in each] == ["warn", "warn"]


@pytest.mark.parametrize(
    ("pip", "state", "said"),
    [
        ("echo 24.0", "ok ", "answers"),
        ("[ $3 = --version ] || { echo 'CERTIFICATE_VERIFY_FAILED' >&2; exit 1; }", "fail", "infra/certs/"),
        ("[ $3 = --version ] || { echo 'no route to host' >&2; exit 1; }", "fail", "PIP_INDEX_URL"),
        ("exit 1", "warn", "python3 has no pip"),
    ],
)
def test_where_nothing_is_built_the_package_index_is_asked(machine: Machine, pip: str, state: str, said: str) -> None:
    machine.docker(**HEALTHY | {"image": UNBUILT.replace("{}", "exit 0")})
    machine.has("python3", f'[ "$1" = -m ] || {{ echo 3.11; exit; }}\n{pip}')
    line = machine.line("package index")
    assert line.startswith(state) and said in line


def test_a_port_s_holder_is_named_and_a_free_one(machine: Machine) -> None:
    machine.has(
        "ss",
        "echo 'LISTEN 0 128 127.0.0.1:5432 0.0.0.0:* users:((\"postgres\",pid=7,fd=5))'\n"
        "echo 'LISTEN 0 128 127.0.0.1:5433 0.0.0.0:*'",
    )
    assert machine.line("port 5432") == (
        "warn  port 5432       is held by postgres; fix: none needed: make up takes the next free one; "
        "or POSTGRES_PORT=5434 in .env"
    )


def test_a_port_that_a_container_holds_names_it_and_our_own_is_fine(machine: Machine) -> None:
    machine.has("ss", "echo 'LISTEN 0 128 127.0.0.1:8080 0.0.0.0:* users:((\"docker-proxy\",pid=7,fd=5))'")
    machine.docker(**HEALTHY | {"ps": "echo 'shop shop-web-1'"})
    assert "is held by container shop-web-1" in machine.line("port 8080")
    machine.docker(**HEALTHY | {"ps": "echo 'orionbox orionbox-pgadmin-1'"})
    assert machine.line("ports").startswith("ok ")


@pytest.mark.parametrize("tool", ["lsof", "proc"])
def test_ports_are_found_without_ss_too(machine: Machine, tool: str) -> None:
    machine.lacks("ss")
    if tool == "lsof":
        machine.has("lsof", "echo COMMAND\necho 'python 7 me 3u IPv4 1 0t0 TCP 127.0.0.1:4200 (LISTEN)'")
    else:
        (machine.root / "proc" / "net").mkdir()
        (machine.root / "proc" / "net" / "tcp").write_text("sl\n 0: 0100007F:1068 00000000:0000 0A 0 0\n")
        (machine.root / "proc" / "net" / "tcp6").write_text("")
    assert ("is held by python" if tool == "lsof" else "is held by another program") in machine.line("port 4200")


def test_memory_is_warned_of_and_never_refused(machine: Machine) -> None:
    (machine.root / "proc" / "meminfo").write_text("MemAvailable: 1500000 kB\n")
    assert machine.line("memory") == (
        "warn  memory          1500 MB free in this machine, about 1900 MB are needed: it may become slow; "
        "fix: close other programs"
    )
    assert machine.doctor("quick")[-1] == "exit 0"


def test_a_cluster_needs_more_memory_and_a_platform_that_runs_less(machine: Machine) -> None:
    (machine.root / ".env").write_text("ENGINE=dask\nWORKERS=4\nSTART_PORT=4280\n")
    assert "about 3400 MB are needed" in machine.line("memory")
    (machine.root / "proc" / "net").mkdir()
    (machine.root / "proc" / "net" / "tcp").write_text(" 0: 0100007F:10B8 00000000:0000 0A 0 0\n")
    assert "about 600 MB are needed" in machine.line("memory")


def test_in_docker_desktop_the_memory_of_its_own_machine_counts(machine: Machine) -> None:
    machine.docker(**HEALTHY | {"info": "echo '27.1|Docker Desktop|1500000000|[]'"})
    assert machine.line("engine") == "ok    engine          Docker Desktop, Docker 27.1"
    line = machine.line("memory")
    assert "Docker's machine has 1500 MB" in line and "Settings, Resources, Memory" in line


@pytest.mark.parametrize(("kilobytes", "state"), [(50_000_000, "ok "), (1_500_000, "warn"), (300_000, "fail")])
def test_a_full_disk_is_told_before_it_is_too_late(machine: Machine, kilobytes: int, state: str) -> None:
    machine.has("df", f"echo '{DF.format(kilobytes)}'")
    assert machine.line("disk").startswith(state)


def test_what_is_still_to_be_built_needs_room_too(machine: Machine) -> None:
    machine.docker(**HEALTHY | {"image": UNBUILT.replace("{}", "exit 0")})
    machine.has("df", f"echo '{DF.format(5_000_000)}'")
    assert "about 10000 MB are needed" in machine.line("disk")


def test_a_clock_that_is_slow_by_years_is_seen(machine: Machine) -> None:
    machine.has("git", "echo 4102444800")
    line = machine.line("clock")
    assert line.startswith("fail ") and "timedatectl" in line


def test_certificates_are_looked_at(machine: Machine) -> None:
    (machine.root / "infra" / "certs").mkdir()
    certificate = machine.root / "infra" / "certs" / "proxy.crt"
    certificate.write_bytes(b"\x30\x82")
    assert "infra/certs/proxy.crt is no PEM certificate; fix: openssl x509" in machine.line("ca")
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    machine.has("openssl", "exit 1")
    assert "has expired" in next(line for line in machine.doctor() if "expired" in line)


def in_the_cloud(machine: Machine, **key: str) -> None:
    """Sets CLOUD=gcp, with a key of these parts."""
    machine.env |= {"CLOUD": "gcp", "GCP_PROJECT": "ada-1", "GCP_KEY_FILE": "secrets/ada.json"}
    (machine.root / "secrets").mkdir(exist_ok=True)
    (machine.root / "secrets" / "ada.json").write_text(json.dumps(key, indent=2))


ADA = {"type": "service_account", "project_id": "ada-1", "private_key": "-----BEGIN"}


def test_with_emulators_no_key_is_needed(machine: Machine) -> None:
    assert machine.line("gcp key") == (
        "ok    gcp key         none is needed: Cloud Storage and BigQuery are emulated (CLOUD=emulators)"
    )


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (ADA, "ok    gcp key         secrets/ada.json, of project ada-1"),
        (ADA | {"project_id": "bob-1"}, "warn  gcp key         secrets/ada.json is of another project"),
        (
            ADA | {"type": "authorized_user"},
            "fail  gcp key         secrets/ada.json is not the key of a service account",
        ),
        ({"type": "service_account"}, "fail  gcp key         secrets/ada.json is not the key of a service account"),
    ],
)
def test_the_key_is_looked_at_without_python(machine: Machine, key: dict[str, str], line: str) -> None:
    in_the_cloud(machine, **key)
    machine.lacks("python3")
    assert machine.line("gcp key").startswith(line)
    assert ("gcp account" in "\n".join(machine.doctor())) is not line.startswith("fail")


def test_a_missing_key_is_named_with_its_place(machine: Machine) -> None:
    in_the_cloud(machine, **ADA)
    (machine.root / "secrets" / "ada.json").unlink()
    assert machine.line("gcp key").startswith("fail  gcp key         there is no secrets/ada.json; fix: put your")
    assert machine.doctor()[-1] == "exit 1"


def test_before_the_images_are_there_google_is_not_asked_and_that_is_said(machine: Machine) -> None:
    in_the_cloud(machine, **ADA)
    assert machine.line("gcp account") == (
        "warn  gcp account     bucket, datasets and roles cannot be asked for before the images are there; "
        "fix: make up, which builds them and asks before it starts anything"
    )


def test_what_google_says_is_passed_on_line_by_line(machine: Machine) -> None:
    in_the_cloud(machine, **ADA)
    (machine.root / ".env").write_text("")
    (machine.root / "secrets" / "ca-bundle.crt").write_text("")
    said = r"runtime: compose\nok\tgcp account\tada\t\nfail\tgcp bucket\tthere is none\tgcloud x\n"
    machine.has("python3", f"[ \"$3\" = cloud-check ] || {{ echo 3.11; exit; }}\nprintf '{said}'")
    assert machine.line("gcp account") == "ok    gcp account     ada"
    assert machine.line("gcp bucket") == "fail  gcp bucket      there is none; fix: gcloud x"
    machine.has("python3", "echo 3.11")
    assert machine.line("gcp account").startswith("fail  gcp account     Google could not be asked")


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_doctor_works_in_a_checkout_with_windows_line_endings(machine: Machine) -> None:
    make = shutil.which("make")
    assert make
    for name in ("Makefile", "cli/doctor/doctor.sh"):
        path = machine.root / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    done = subprocess.run([make, "doctor"], cwd=machine.root, env={"PATH": os.defpath}, capture_output=True, text=True)
    assert done.stdout.startswith("fail  checkout        its files have Windows line endings"), done
