"""The file .env: what is written to it, and what is read from it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.settings import env_file
from orionbox.errors import BadInputError
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
