"""The file .env: what is written to it, and what is read from it."""

from __future__ import annotations

import errno
import os
import pwd
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.environments.inherited import ENGINE
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError
from tests.unit.fuzz import fuzz

VALUES = {"ORION_PORT": "4200", "PGADMIN_PORT": "8080", "ORION_DB_PASSWORD": ""}


def test_empty_passwords_are_generated_each_for_itself() -> None:
    first, second = env_file.fill_in(VALUES), env_file.fill_in(VALUES)
    assert first["ORION_PORT"] == "4200"
    assert len(first["ORION_DB_PASSWORD"]) == 32
    assert first["ORION_DB_PASSWORD"] != second["ORION_DB_PASSWORD"]


def test_the_first_file_has_every_setting_and_is_private(tmp_path: Path) -> None:
    file, values = tmp_path / ".env", env_file.fill_in(VALUES)
    assert env_file.save(values, file)
    assert env_file.parse(file) == values
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_complete_file_is_left_alone(tmp_path: Path) -> None:
    file, values = tmp_path / ".env", env_file.fill_in(VALUES)
    env_file.save(values, file)
    before = file.read_text()
    assert not env_file.save(values, file)
    assert file.read_text() == before


def test_new_and_empty_settings_are_added_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nORION_PORT=5000\nORION_DB_PASSWORD=\nOTHER=1\n")
    assert env_file.save({**env_file.fill_in(VALUES), "ORION_PORT": "5000"}, file)
    values = env_file.parse(file)
    assert (values["ORION_PORT"], values["PGADMIN_PORT"], values["OTHER"]) == ("5000", "8080", "1")
    assert len(values["ORION_DB_PASSWORD"]) == 32
    assert file.read_text().startswith("# mine\n")


def test_a_line_that_is_not_a_setting_is_reported(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("ORION_PORT=1\nwhat is this\n")
    with pytest.raises(BadInputError, match=r"\.env, line 2: 'what is this' is not NAME=value"):
        env_file.parse(path)


def test_a_name_of_0_1_0_is_read_under_its_new_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ENGINE=dask\n")
    assert env_file.parse(tmp_path / ".env") == {"TASK_RUNNER": "dask"}


LINES = st.builds(
    "{}{}{}".format, st.text("ABCXYZ_", min_size=1, max_size=8), st.sampled_from(["", "="]), st.text(max_size=8)
)


@fuzz
@given(st.one_of(st.text(max_size=80), st.lists(LINES, max_size=4).map("\n".join)))
@example("\ufeffORION_PORT=4200")
def test_any_env_file_is_settings_or_refused(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            found = env_file.parse(path)
        except BadInputError as error:
            assert str(error).startswith(".env")
        else:
            assert all(name.isidentifier() for name in found)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_env_file_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes("NAME=é\n".encode(encoding))
    with pytest.raises(BadInputError, match=r"\.env.*UTF-8"):
        env_file.parse(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        (b"\xef\xbb\xbf# comment\nA=1\n", {"A": "1"}),
        (b"A=1\rB=2\r", {"A": "1", "B": "2"}),
        (b"A=\x0c1\x0b\nB=2", {"A": "1", "B": "2"}),
        (b"  export A=1\nexport\tB = 2 # two\n", {"A": "1", "B": "2"}),
        (b'A=\'a b\'\nB="a \\"b\\" #c" # d\nC=""\nD=\'\'', {"A": "a b", "B": 'a "b" #c', "C": "", "D": ""}),
        (b"A=# comment\nB= # comment\nC=a#b\nD=a #b", {"A": "# comment", "B": "", "C": "a#b", "D": "a"}),
        (b"A=1\nA=2\n", {"A": "2"}),
        (b"A=a=b\nB=it's\n", {"A": "a=b", "B": "it's"}),
        (b"", {}),
    ],
)
def test_what_shells_compose_and_windows_write_is_read(
    tmp_path: Path, content: bytes, expected: dict[str, str]
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)
    assert env_file.parse(path) == expected


@pytest.mark.parametrize("line", ["A='1", 'A="1" "2"', 'A="1"2', "export A", "A: 1", "A=1\0"])
def test_a_line_that_has_no_clear_value_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line)
    with pytest.raises(BadInputError) as error:
        env_file.parse(tmp_path / ".env")
    assert error.value.text.startswith(".env") and error.value.fix


def refusal(path: Path) -> str:
    with pytest.raises(BadInputError) as error:
        env_file.parse_if_exists(path)
    return str(error.value)


def test_what_is_no_file_of_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.mkdir()
    assert refusal(path) == ".env is a folder; move it away; the next make up writes a file"
    path.rmdir()
    os.mkfifo(path)
    assert refusal(path) == ".env is not a file; move it away; the next make up writes a file"
    path.unlink()
    path.symlink_to("elsewhere")
    assert refusal(path) == ".env is a link to elsewhere, which does not exist; create that file"
    path.unlink()
    path.symlink_to(".env")
    assert refusal(path).startswith(".env is a link to .env")
    path.unlink()
    path.write_bytes(b"#" * 2_000_000)
    assert refusal(path).startswith(".env is too large")


def test_a_file_of_another_user_is_refused_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(env_file, "ROOT", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    owner = pwd.getpwuid(path.stat().st_uid).pw_name
    monkeypatch.chdir(tmp_path)
    assert refusal(path) == f"cannot read .env: it belongs to {owner}; sudo chown -R $USER ."


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, path = tmp_path / "elsewhere" / "settings", tmp_path / ".env"
    target.write_text("export ORION_PORT=5000\r\nPGADMIN_PORT='' # empty\r\n")
    path.symlink_to("elsewhere/settings")
    assert env_file.save({**env_file.fill_in(VALUES), "ORION_PORT": "5000"}, path)
    assert path.is_symlink() and env_file.parse(target)["PGADMIN_PORT"] == "8080"
    assert target.read_text().startswith("export ORION_PORT=5000\n")
    assert "''" not in target.read_text(), "an empty line is replaced"


def test_two_first_commands_at_once_do_not_overwrite_each_other_s_passwords(tmp_path: Path) -> None:
    file, first, second = tmp_path / ".env", env_file.fill_in(VALUES), env_file.fill_in(VALUES)
    assert env_file.save(first, file)
    with pytest.raises(CommandError, match=r"another command has written \.env just now; run this command again"):
        env_file.save(second, file)
    assert env_file.parse(file) == first
    assert not env_file.save(second, file, typed=["ORION_DB_PASSWORD"]), "typed for one command"


def test_the_engine_that_the_file_names_is_everybody_s_and_a_typed_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("ORION_PORT=4200\nDOCKER_HOST=unix:///file\nDOCKER_CONTEXT=file\nDOCKER_BUILDKIT=1\n")
    for name in ("DOCKER_HOST", "ORION_PORT", "DOCKER_BUILDKIT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONTEXT", "typed")
    env_file.export(ENGINE, file)
    assert (os.environ["DOCKER_HOST"], os.environ["DOCKER_CONTEXT"]) == ("unix:///file", "typed")
    assert "ORION_PORT" not in os.environ and "DOCKER_BUILDKIT" not in os.environ
