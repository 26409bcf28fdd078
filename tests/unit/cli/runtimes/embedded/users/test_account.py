"""Which account a platform without Docker works as if root starts it, and what that account gets."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.programs import ROOT
from cli.runtimes.embedded import virtual_environments
from cli.runtimes.embedded.users import account
from cli.settings.settings import Settings
from orionbox.errors import CommandError

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def entry(name: str, uid: int = 4242, home: str = "/nonexistent") -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", home, "/usr/sbin/nologin"))


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, pwd.struct_passwd]:
    """The machine's accounts; useradd adds one."""
    known: dict[str, pwd.struct_passwd] = {}

    def by_number(uid: int) -> pwd.struct_passwd:
        return {found.pw_uid: found for found in known.values()}[uid]

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        name = command[-1]
        known[name] = entry(name, int(command[command.index("--uid") + 1]) if "--uid" in command else 999)
        return SimpleNamespace(stderr="")

    monkeypatch.setattr(pwd, "getpwnam", known.__getitem__)
    monkeypatch.setattr(pwd, "getpwuid", by_number)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name, **options: f"/usr/sbin/{name}")
    return known


def owned_by(uid: int) -> Any:
    return SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=uid))


def test_the_platform_of_root_s_checkout_has_a_system_account_which_is_created_once(
    accounts: dict[str, pwd.struct_passwd], capsys: pytest.CaptureFixture[str]
) -> None:
    assert account.find_or_create(owned_by(0)) == account.find_or_create(owned_by(0)) == accounts["orionbox"]
    said = "created the system account orionbox, which the platform runs as instead of root\n"
    assert capsys.readouterr().err == said


def test_the_platform_of_another_s_checkout_runs_as_its_owner(accounts: dict[str, pwd.struct_passwd]) -> None:
    accounts["ada"] = entry("ada", 1000)
    assert account.find_or_create(owned_by(1000)).pw_name == "ada"
    # As in a container into which a folder of the host is mounted: PostgreSQL wants a name
    found = account.find_or_create(owned_by(1234))
    assert (found.pw_name, found.pw_uid) == ("orionbox-1234", 1234)


def test_an_account_that_is_root_s_is_none(accounts: dict[str, pwd.struct_passwd]) -> None:
    accounts["orionbox"] = entry("orionbox", 0)
    with pytest.raises(CommandError, match="does not run as root"):
        account.find_or_create(owned_by(0))


def test_without_useradd_the_message_says_what_else_helps(
    accounts: dict[str, pwd.struct_passwd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **options: None)
    with pytest.raises(CommandError, match="its account orionbox could not be created\nthere is no useradd") as error:
        account.find_or_create(owned_by(0))
    assert error.value.fix == "run it as a normal user; or give the checkout to one: chown -R USER ."


def test_a_program_that_is_not_the_command_line_is_refused_as_root(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(CommandError, match="the embedded runtime does not run as root"):
        account.leave_root(settings)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    account.leave_root(settings)


def test_the_account_gets_its_own_name_and_home_and_root_s_settings(tmp_path: Path) -> None:
    variables = {"PATH": "/bin", "HOME": "/root", "USER": "root", "XDG_CACHE_HOME": "/root/c", "ORION_PORT": "4300"}
    pythons = ["/opt/x/bin/python3", "", "/bin/python3.13"]
    assert account.environment(entry("orionbox"), variables, pythons) == {
        "PATH": "/bin:/opt/x/bin",
        "HOME": str(virtual_environments.HOME),
        "USER": "orionbox",
        "LOGNAME": "orionbox",
        "ORION_PORT": "4300",
        account.INSTEAD_OF_ROOT: "yes",
    }
    own = entry("ada", os.getuid(), str(tmp_path))
    assert account.environment(own, variables, pythons)["HOME"] == str(tmp_path)


@as_root
def test_the_account_owns_what_a_platform_writes_to_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    for name in ("cli/code.py", "workspace/mine.py", ".embedded/orionbox/data/postgres/main/PG_VERSION"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    account.give_folders(settings, NOBODY, tmp_path)
    owners = {path.relative_to(tmp_path).as_posix(): path.stat().st_uid for path in tmp_path.rglob("*")}
    roots = {name for name, owner in owners.items() if owner == 0}
    assert roots == {".env", ".env.example", "cli", "cli/code.py"} and tmp_path.stat().st_uid == 0
    assert set(owners.values()) == {0, NOBODY.pw_uid}
    modes = {name: oct((tmp_path / name).stat().st_mode & 0o777) for name in (".env", ".embedded", "secrets")}
    assert modes == {".env": "0o640", ".embedded": "0o700", "secrets": "0o700"}
    assert (tmp_path / ".env").stat().st_gid == NOBODY.pw_gid


@as_root
def test_the_account_reaches_what_it_needs_of_a_closed_folder_and_nothing_else(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this container may not mount anything")
    closed = tmp_path / "root"
    for name in ("checkout 1", "python", "private"):
        (closed / name).mkdir(parents=True)
        (closed / name / "file").write_text(name)
    closed.chmod(0o700)
    needed = [closed / "checkout 1", closed / "python"]
    shown = account._shown(needed, NOBODY)
    look = 'ls "$1"; cat "$1"/*/file; touch "$1/x" 2>&1 | grep -c denied; grep CapEff /proc/self/status; id -u'
    command = [*shown, *account._as(NOBODY), "sh", "-c", look, "sh", str(closed)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.stdout.splitlines() == [
        "checkout 1",
        "python",
        "checkout 1python1",
        "CapEff:\t0000000000000000",
        str(NOBODY.pw_uid),
    ], found.stderr
    assert sorted(path.name for path in closed.iterdir()) == ["checkout 1", "private", "python"], "as it was"
    assert not Path(shown[shown.index(account.SHOW) + 2]).exists()


@as_root
def test_a_checkout_that_is_closed_itself_is_refused_with_the_fix(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    closed = tmp_path / "checkout"
    closed.mkdir(0o700)
    with pytest.raises(CommandError, match=f"cannot enter {closed}") as error:
        account._shown([closed], NOBODY)
    assert error.value.fix.startswith(f"let it: chmod a+rx '{closed}'")


@as_root
def test_a_container_that_may_not_mount_says_where_to_move_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "root/checkout"
    checkout.mkdir(parents=True)
    checkout.parent.chmod(0o700)
    monkeypatch.setattr(account, "ROOT", checkout)
    monkeypatch.setattr(account, "_closed", lambda path, account: checkout.parent)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: SimpleNamespace(returncode=1))
    with pytest.raises(CommandError, match=f"cannot enter {checkout.parent}; move") as error:
        account._shown([checkout, Path(sys.prefix)], NOBODY)
    assert error.value.fix.startswith(f"move {checkout} to a folder that every user may enter")


def test_code_that_the_account_cannot_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "launcher.py"
    file.touch(0o644)
    account.require_readable(entry("orionbox"), file)
    file.chmod(0o600)
    account.require_readable(entry("ada", os.getuid()), file)
    with pytest.raises(CommandError, match=f"cannot read {file}") as error:
        account.require_readable(entry("orionbox", os.getuid() + 1), file)
    assert error.value.fix.startswith("let it read the code: chmod -R go+rX cli ")
