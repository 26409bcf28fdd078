"""Which addresses of database servers mean the platform's warehouse."""

from __future__ import annotations

import pytest

from orionbox.student_shell.psql import translated
from orionbox.student_shell.warehouse import DEFAULTS, Warehouse, changes

INSIDE = Warehouse("postgres", "5432", "ny_taxi", "secret")
ADDRESS = {"host": "postgres", "port": "5432"}
LOGIN = {"user": "ny_taxi", "password": "secret"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS.values():
        monkeypatch.delenv(name, raising=False)


def ask(
    url: dict[str, object], warehouse: Warehouse | None = INSIDE, listening: str = ""
) -> tuple[dict[str, str], str]:
    """The changes, and what was said; `listening` is the address on which a server listens here."""
    said: list[str] = []
    found = changes(url, lambda: warehouse, lambda host, port: f"{host}:{port}" == listening, said.append)
    return found, "\n".join(said)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "pgdatabase", "pg-database", "postgres", ""])
@pytest.mark.parametrize("port", [5432, "5433", None])
@pytest.mark.parametrize("login", [("root", "root"), ("postgres", "admin"), ("postgres", "postgres"), ("root", "")])
def test_the_course_s_addresses_and_users_are_the_warehouse(host: str, port: object, login: tuple[str, str]) -> None:
    found, said = ask({"host": host, "port": port, "user": login[0], "password": login[1]})
    assert found == ADDRESS | LOGIN
    assert said.endswith("is the platform's warehouse here: postgres:5432 as ny_taxi")


def test_the_variables_of_libpq_count_where_the_address_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "root")
    monkeypatch.setenv("PGPASSWORD", "root")
    assert ask({"host": "localhost"})[0] == ADDRESS | LOGIN


@pytest.mark.parametrize(
    "login", [("root", "guessed"), ("ny_taxi", "secret"), ("orion", "root"), ("admin", "admin"), ("", "root")]
)
def test_every_other_user_keeps_its_name_so_that_the_server_decides(login: tuple[str, str]) -> None:
    assert ask({"host": "localhost", "port": 5432, "user": login[0], "password": login[1]})[0] == ADDRESS


@pytest.mark.parametrize(
    ("host", "port"), [("db.example.org", 5432), ("10.0.0.7", 5432), ("pgdatabase", 5431), ("localhost", 3306)]
)
def test_every_other_address_stays_as_it_is(host: str, port: int) -> None:
    assert ask({"host": host, "port": port, "user": "ada", "password": "x"}) == ({}, "")


def test_a_server_of_the_machine_s_own_is_left_alone_and_named() -> None:
    warehouse = Warehouse("127.0.0.1", "5442", "ny_taxi", "secret")
    url: dict[str, object] = {"host": "localhost", "port": 5432, "user": "root", "password": "root"}
    found, said = ask(url, warehouse, listening="localhost:5432")
    assert found == {}
    assert said == (
        "localhost:5432 is a server of this machine's own; the platform's warehouse is 127.0.0.1:5442, "
        "block postgres-connector"
    )
    assert ask({**url, "user": "ada"}, warehouse, listening="localhost:5432") == ({}, "")


@pytest.mark.parametrize("port", ["5432", "15432"])
def test_the_warehouse_on_this_machine_is_found_on_its_own_port(port: str) -> None:
    warehouse = Warehouse("127.0.0.1", port, "ny_taxi", "secret")
    url: dict[str, object] = {"host": "localhost", "port": port, "user": "root", "password": "root"}
    found, _ = ask(url, warehouse, listening=f"localhost:{port}")
    assert found == {"host": "127.0.0.1", "port": port} | LOGIN


def test_without_orion_nothing_changes() -> None:
    assert ask({"host": "localhost", "user": "root", "password": "root"}, None) == ({}, "")


@pytest.mark.parametrize(
    "typed",
    [
        ["-h", "localhost", "-p", "5433", "-U", "postgres", "-c", "SELECT 1", "ny_taxi"],
        ["--host=localhost", "--port=5433", "--username=postgres", "--dbname=ny_taxi", "-c", "SELECT 1"],
        ["postgresql://postgres:admin@localhost:5433/ny_taxi", "-c", "SELECT 1"],
        ["-c", "SELECT 1", "host=localhost port=5433 user=postgres password=admin dbname=ny_taxi"],
    ],
)
def test_psql_gets_the_warehouse_in_its_environment(monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    monkeypatch.setattr("orionbox.student_shell.warehouse.find_warehouse", lambda: INSIDE)
    monkeypatch.setattr("orionbox.student_shell.warehouse.does_answer", lambda host, port: False)
    words, environment = translated(typed)
    assert words == ["-c", "SELECT 1", "--dbname=ny_taxi"]
    assert environment == {"PGHOST": "postgres", "PGPORT": "5432", "PGUSER": "ny_taxi", "PGPASSWORD": "secret"}


def test_psql_gets_everything_else_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in (["--no-such-option"], ["-h", "db.example.org", "-U", "ada", "shop"], ["--version"]):
        monkeypatch.setattr("orionbox.student_shell.warehouse.does_answer", lambda host, port: True)
        assert translated(typed) == (typed, {})
