"""What a first command makes in the checkout."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from cli.programs import ROOT
from cli.runtimes import folders
from cli.runtimes.compose import runtime as compose
from cli.runtimes.embedded import runtime as embedded
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox import files
from orionbox.errors import BadInputError, CommandError


def prepare(root: Path, **typed: str) -> None:
    shutil.copy(ROOT / ".env.example", root)
    folders.prepare(Settings.read(typed, root), root)


def test_the_first_command_writes_env_and_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path)
    passwords = env_file.parse(tmp_path / ".env")["WAREHOUSE_DB_PASSWORD"]
    prepare(tmp_path)
    assert capsys.readouterr().err == "wrote .env with new passwords (stored nowhere else)\n"
    assert env_file.parse(tmp_path / ".env")["WAREHOUSE_DB_PASSWORD"] == passwords
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_a_setting_typed_for_the_first_command_stays(tmp_path: Path) -> None:
    prepare(tmp_path, ORION_PORT="4300")
    prepare(tmp_path, ORION_PORT="4400")
    assert env_file.parse(tmp_path / ".env")["ORION_PORT"] == "4300"


def test_a_setting_typed_later_is_for_that_command_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path)
    capsys.readouterr()
    file = tmp_path / ".env"
    for line in ("GCS_PORT=", "# none"):
        file.write_text(file.read_text().replace("GCS_PORT=4443", line))
        prepare(tmp_path, GCS_PORT="9050")
        assert env_file.parse(file)["GCS_PORT"] == "4443", "the default, which the file lacked"
    assert capsys.readouterr().err == "", "no password is new"


def test_new_passwords_in_a_file_that_exists_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=ada\nORION_DB_PASSWORD=mine\nWAREHOUSE_DB_PASSWORD=\n")
    prepare(tmp_path, GATEWAY_PASSWORD="typed-by-its-owner")
    said = "wrote new passwords into .env (stored nowhere else): WAREHOUSE_DB_PASSWORD\n"
    assert capsys.readouterr().err == said
    assert env_file.parse(tmp_path / ".env")["GATEWAY_PASSWORD"] == "typed-by-its-owner"


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert all((tmp_path / folder).is_dir() for folder in folders.FOLDERS)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_nothing_is_changed_on_a_disk_that_is_read_only_by_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that runs there can still be looked at and stopped."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    prepare(tmp_path)
    for function in ("chmod", "fchmod", "chown"):
        monkeypatch.setattr(os, function, refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    folders.prepare(Settings.read({}, tmp_path), tmp_path)


def test_a_file_system_without_owners_and_modes_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As FAT and exFAT are, on many a stick."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "workspace").mkdir()
    shutil.copy(ROOT / ".env.example", tmp_path)
    for function in ("chmod", "fchmod", "chown"):
        monkeypatch.setattr(os, function, refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    folders.prepare(Settings.read({}, tmp_path), tmp_path)
    assert all((tmp_path / name).exists() for name in (*folders.FOLDERS, ".env"))


# --- what containers read ---


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A checkout as a umask of 077 leaves it."""
    before = os.umask(0o077)
    try:
        open_to_all = ("data/green/2021.csv.gz", "docs/week2.md", "reports/run.html", "samples/green/2021.csv.gz")
        for name in (*open_to_all, *folders.PAGES, "services/flows/flows/etl.py"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")
        for name in ("workspace/mine.csv", "secrets/authority.key"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text("")
    finally:
        os.umask(before)
    return tmp_path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_containers_can_read_what_they_mount_whatever_the_umask_was(closed: Path) -> None:
    (closed / "services/flows/flows/run").write_text("")
    (closed / "services/flows/flows/run").chmod(0o700)
    folders.make_readable(closed)
    for folder in folders.MOUNTED:
        for path in ((closed / folder), *(closed / folder).rglob("*")):
            assert mode(path) == (0o755 if path.is_dir() or path.name == "run" else 0o644), path


def test_what_is_the_user_s_own_stays_closed(closed: Path) -> None:
    folders.make_readable(closed)
    assert {mode(closed / name) for name in ("workspace", "secrets")} == {0o700}
    assert {mode(closed / name) for name in ("workspace/mine.csv", "secrets/authority.key")} == {0o600}


def test_no_link_opens_a_file_elsewhere(closed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    private = tmp_path_factory.mktemp("home") / "private"
    private.write_text("")
    private.chmod(0o600)
    (closed / "data/link").symlink_to(private)
    (closed / "data/gone").symlink_to("nowhere")
    folders.make_readable(closed)
    assert mode(private) == 0o600


def test_a_file_that_cannot_be_opened_is_named_with_the_remedy(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is with a file of another user."""

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    for folder in ("data", "data/green"):
        os.chmod(closed / folder, 0o755)
    with pytest.raises(CommandError) as error:
        folders.make_readable(closed)
    assert error.value.text == "the platform's containers cannot read data/green/2021.csv.gz"
    assert error.value.fix == "run: sudo chmod -R a+rX data"


# --- where a checkout may be ---


@pytest.mark.parametrize("module", [compose, embedded])
@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\tb", "a\u2028b", "a\udce4b"])
def test_a_path_that_mounts_and_lists_cannot_have_is_refused_in_one_line(module: ModuleType, name: str) -> None:
    with pytest.raises(BadInputError) as error:
        folders.require_usable_path(module.UNUSABLE_IN_PATH, Path("/home/ada", name))
    assert "the path of a checkout cannot have" in error.value.text and "\n" not in error.value.text
    error.value.text.encode()


@pytest.mark.parametrize("module", [compose, embedded])
@pytest.mark.parametrize(
    "name", ["a b", "Z\u00fcrich", "Zu\u0308rich", "it's", "a%b", "#;&,*[a](b)=!|<>{}^~", "-a", "👩‍🔬", "a\u00a0b"]
)
def test_other_paths_are_usable(module: ModuleType, name: str) -> None:
    folders.require_usable_path(module.UNUSABLE_IN_PATH, Path("/home/ada", name))


@pytest.mark.parametrize("character", '"$`\\?')
def test_without_docker_some_more_characters_are_refused(character: str) -> None:
    root = Path(f"/home/ada/{character}")
    folders.require_usable_path(compose.UNUSABLE_IN_PATH, root)
    with pytest.raises(BadInputError, match="move the checkout|cannot have"):
        folders.require_usable_path(embedded.UNUSABLE_IN_PATH, root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_are_given_to_a_user_who_may_be_changing_them(tmp_path: Path) -> None:
    folder, secret = tmp_path / "workspace", tmp_path / "secret"
    (folder / "a").mkdir(parents=True)
    for file in (secret, folder / "a/root's", folder / "a/theirs", folder / "a/another's", tmp_path / "cached"):
        file.touch()
    os.chown(folder / "a/theirs", 70, 70)
    os.chown(folder / "a/another's", 71, 71)
    (folder / "link").symlink_to(secret)
    (folder / "link to all").symlink_to(tmp_path)
    os.link(tmp_path / "cached", folder / "cached")
    os.mkfifo(folder / "pipe")
    (tmp_path / "data").symlink_to(folder)
    folders.hand_over(tmp_path / "data", (1000, 1001), {0, 71})
    owners = {path.name: path.lstat().st_uid for path in (folder, *folder.rglob("*"))}
    given = {"workspace": 1000, "a": 1000, "root's": 1000, "another's": 1000}
    assert owners == {**given, "theirs": 70, "link": 0, "link to all": 0, "cached": 0, "pipe": 0}
    assert [path.stat().st_uid for path in (secret, tmp_path, tmp_path / "cached")] == [0, 0, 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_the_user_s_already_is_looked_at_as_deep_as_asked(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    for path in (tmp_path, tmp_path / "a"):
        os.chown(path, 1000, 1000)
    folders.hand_over(tmp_path, (1000, 1000), others=(), levels=1)
    assert deep.stat().st_uid == 0
    folders.hand_over(tmp_path, (1000, 1000), others=(), levels=2)
    assert {path.stat().st_uid for path in (deep.parent, deep, deep / "file")} == {1000}


def test_what_a_killed_backup_has_left_is_deleted_by_the_next_command(tmp_path: Path) -> None:
    leftover = tmp_path / "backups/.mine.tar.abcd1234.part"
    leftover.parent.mkdir()
    leftover.write_bytes(bytes(1000))
    with files.new_file(tmp_path / "backups/other.tar") as file:  # of a backup that is running
        prepare(tmp_path)
        assert not leftover.exists()
        file.write(b"all")
    assert (tmp_path / "backups/other.tar").read_bytes() == b"all"
