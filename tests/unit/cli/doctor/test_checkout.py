"""The checks of this folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.doctor import checkout
from cli.doctor.machine import Machine
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (errno.EROFS, "copy this folder to a disk that can be written"),
        (errno.EACCES, 'sudo chown -R "$USER"'),
        (errno.ENOSPC, "delete something"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_a_folder_that_cannot_be_written_is_reported_before_each_start(
    machine: FakeMachine, doctor: Doctor, line: Line, error: int, fix: str
) -> None:
    reason = os.strerror(error)
    broken = replace(machine, write_errors={machine.root.name: reason})
    printed = line(broken, "checkout")
    assert printed.startswith(f"fail  checkout        nothing can be written in {machine.root} ({reason}); fix: ")
    assert fix in printed
    assert doctor(broken, quick=True) == [printed, "exit 1"]


def test_files_of_root_are_reported_before_each_start(machine: FakeMachine, doctor: Doctor) -> None:
    (machine.root / "reports").mkdir()
    (machine.root / "secrets").mkdir()
    (machine.root / "secrets/gcp-key.json").write_text("")
    mine = replace(machine, uid=4242, closed=frozenset({"reports", "gcp-key.json"}))
    printed, code = doctor(mine, quick=True)
    assert "you cannot use reports and 1 more, of " in printed and printed.endswith('; fix: sudo chown -R "$USER" .')
    assert code == "exit 1"


def test_own_files_without_rights_need_no_sudo(machine: FakeMachine, line: Line) -> None:
    (machine.root / "data/green").mkdir(parents=True)
    (machine.root / "data/green/january.csv.gz").write_text("")
    mine = replace(machine, uid=machine.root.stat().st_uid or 0, closed=frozenset({"january.csv.gz"}))
    if not mine.user:  # root may use everything
        mine = replace(mine, uid=os.getuid() + 1)
    printed = line(mine, "checkout")
    assert "you cannot use data/green/january.csv.gz" in printed


def test_what_is_the_user_s_or_a_database_s_is_nobody_else_s_business(machine: FakeMachine, line: Line) -> None:
    for name in ("workspace/project", ".embedded/orionbox/data", ".git/objects"):
        (machine.root / name).mkdir(parents=True)
        (machine.root / name / "closed").write_text("")
    assert line(replace(machine, closed=frozenset({"closed"})), "checkout").startswith("ok ")


def test_root_by_sudo_is_warned_in_a_checkout_of_somebody_else(
    machine: FakeMachine, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "owner_of", lambda folder: 1000)
    root = replace(machine, uid=0)
    assert line(root, "checkout").startswith("ok ")
    printed = line(replace(root, variables={**root.variables, "SUDO_USER": "ada"}), "checkout")
    assert printed.startswith("warn  checkout        you are root by sudo") and "without sudo" in printed


@pytest.mark.parametrize(
    ("name", "runtimes"), [("a:b", {"compose", "embedded"}), ("a$b", {"embedded"}), ("a b", set())]
)
def test_a_path_that_a_runtime_refuses_is_reported(
    machine: FakeMachine, line: Line, name: str, runtimes: set[str]
) -> None:
    root = machine.root.rename(machine.root.with_name(name))
    for runtime in ("compose", "embedded"):
        printed = line(replace(machine, root=root), "checkout", runtime=runtime)
        assert ("the path of a checkout cannot have" in printed) is (runtime in runtimes)


def test_a_network_drive_is_reported(machine: FakeMachine, line: Line) -> None:
    on_nfs = replace(machine, kind_of_disk="nfs4")
    assert "network file system: databases are slow there" in line(on_nfs, "checkout", runtime="embedded")
    assert "container engine may not be allowed to read it" in line(on_nfs, "checkout", runtime="compose")


@pytest.mark.parametrize("what", list(checkout.ABILITIES))
def test_what_processes_need_of_the_file_system_is_tried_and_only_for_them(
    machine: FakeMachine, line: Line, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setitem(checkout.ABILITIES, what, refuse)
    printed = line(machine, "checkout", runtime="embedded")
    assert printed.startswith(f"fail  checkout        {what} in {machine.root} (Permission denied); fix: copy this")
    assert line(machine, "checkout", runtime="compose").startswith("ok ")


def test_a_start_without_docker_tries_to_run_a_program_here_first(
    machine: FakeMachine, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setitem(checkout.ABILITIES, "no program can be run", refuse)
    assert doctor(machine, quick=True, runtime="embedded")[0].startswith(
        "fail  checkout        no program can be run in"
    )
    assert doctor(machine, quick=True) == ["exit 0"]


def test_an_ordinary_folder_can_do_all_of_it_and_is_left_as_it_was(machine: FakeMachine, line: Line) -> None:
    before = sorted(machine.root.iterdir())
    assert line(machine, "checkout", runtime="embedded").startswith("ok    checkout        complete, and yours")
    assert sorted(machine.root.iterdir()) == before


def test_the_machine_tries_to_write(tmp_path: Path) -> None:
    here = Machine(tmp_path)
    assert here.cannot_write(tmp_path) == ""
    assert here.cannot_write(tmp_path / "missing") == "No such file or directory"


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    """A /proc with two file systems."""
    (tmp_path / "self").mkdir()
    lines = "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /home/ada\\040l rw - nfs4 server:/home rw\n"
    (tmp_path / "self/mountinfo").write_text(lines)
    yield tmp_path


@pytest.mark.parametrize(
    ("folder", "kind"), [("/home/ada l/orionbox", "nfs4"), ("/home/ada", "ext4"), ("/home/ada l", "nfs4")]
)
def test_the_file_system_is_that_of_the_nearest_mount(mounts: Path, folder: str, kind: str) -> None:
    assert Machine(proc=mounts).file_system(Path(folder)) == kind
    assert Machine(proc=mounts / "missing").file_system(Path(folder)) == ""
