"""What a student plants in the warehouse gets no more rights when the owner makes a backup or restores one.

The three attacks on 0.1.0 are here, each with its sibling in a restore. They note the session that runs them, and try
to become the superuser and run a program.
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.archive.archive import MemberWriter
from cli.archive.databases import Database
from cli.archive.dumps import dump
from cli.archive.snapshots import Snapshot
from cli.runtimes.compose.stores import ComposeStores
from tests.postgres_server import PASSWORDS, Server

ESCAPE = """
CREATE TABLE IF NOT EXISTS public.proof (what text);
CREATE FUNCTION public.escape() RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    BEGIN
        EXECUTE 'RESET ROLE'; EXECUTE 'SET ROLE postgres';
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
        EXECUTE 'RESET SESSION AUTHORIZATION';
        EXECUTE format('COPY (SELECT current_user) TO PROGRAM %L', 'cat > PLACE/program');
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    INSERT INTO public.proof SELECT session_user || ' super ' || current_setting('is_superuser');
    RETURN true;
END $body$;
"""
"""Resets the role, runs a program if that has made it a superuser, and notes what it was."""
OWNER = "ny_taxi super off"
SHADOW = """
CREATE SCHEMA planted;
CREATE VIEW planted.pg_stat_user_tables AS SELECT c.*, public.escape() FROM pg_catalog.pg_stat_user_tables c;
CREATE VIEW planted.pg_class AS SELECT c.* FROM pg_catalog.pg_class c WHERE public.escape();
CREATE FUNCTION planted.concat(text, name) RETURNS text LANGUAGE sql AS $$ SELECT public.escape()::text $$;
CREATE FUNCTION planted.current_database() RETURNS name LANGUAGE sql AS $$ SELECT public.escape()::text::name $$;
ALTER ROLE ny_taxi SET search_path = planted, pg_catalog, public;
ALTER DATABASE ny_taxi SET search_path = planted, pg_catalog, public;
"""
"""Catalogues and functions of the student's own, which come first."""
CHECK = """
CREATE TABLE trips (id int CHECK (public.escape()));
INSERT INTO trips VALUES (1);
"""
"""A function that a restore runs for every row."""
POLICY = """
CREATE TABLE trips (id int);
INSERT INTO trips VALUES (1);
CREATE POLICY mine ON trips USING (public.escape());
ALTER TABLE trips ENABLE ROW LEVEL SECURITY;
ALTER TABLE trips FORCE ROW LEVEL SECURITY;
"""
"""A function that every reader of the table runs, its owner too."""


class HostCompose:
    """Compose, whose container is this machine: `docker compose exec postgres X` is X here."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def command(self, *arguments: str) -> list[str]:
        assert arguments == ("exec", "-T", "postgres")
        return ["env"]

    def environment(self) -> dict[str, str]:
        # As in the container; PGPORT and PGHOST stand for its port and its socket
        return {**self._server.variables, "ORION_DB_PASSWORD": PASSWORDS["orion"]}


class HostRuntime:
    """A compose runtime with this compose."""

    def __init__(self, server: Server) -> None:
        self.compose: Any = HostCompose(server)


@pytest.fixture(params=["compose", "embedded"])
def database(request: pytest.FixtureRequest, student: Server) -> Database:
    """The warehouse, as each runtime's stores open it."""
    return ComposeStores(HostRuntime(student)).database("ny_taxi") if request.param == "compose" else student.database()  # type: ignore[arg-type]


def plant(student: Server, attack: str) -> Path:
    """Plants an attack; returns the file that it would write."""
    place = student.folder / "program"
    student.as_student(ESCAPE.replace("PLACE", str(student.folder)) + attack + "DELETE FROM public.proof;")
    place.unlink(missing_ok=True)
    return place


def back_up(database: Database) -> tuple[bytes, Snapshot]:
    target = io.BytesIO()
    with dump("warehouse.dump", database) as snapshot:
        snapshot.write(MemberWriter(target))
    return target.getvalue(), snapshot


def proofs(student: Server) -> set[str]:
    """Returns the sessions that the planted function was in."""
    return set(student.as_student("SELECT what FROM public.proof", "-c search_path=public").splitlines())


@pytest.mark.parametrize("attack", [SHADOW, CHECK, POLICY], ids=["shadowed catalogue", "check", "forced policy"])
def test_a_backup_runs_nothing_that_a_student_has_planted(attack: str, database: Database, student: Server) -> None:
    program = plant(student, attack)
    database.count_rows(), database.definitions([]), database.size(), database.materialized_views()
    _, snapshot = back_up(database)
    assert proofs(student) == set() and not program.exists()
    assert snapshot.rows.keys() >= {"proof"} and snapshot.rows.get("trips", 1) == 1


@pytest.mark.parametrize("attack", [SHADOW, CHECK, POLICY], ids=["shadowed catalogue", "check", "forced policy"])
def test_a_restore_runs_planted_code_as_the_owner_of_the_warehouse_only(
    attack: str, database: Database, student: Server
) -> None:
    program = plant(student, attack)
    content, snapshot = back_up(database)
    student.empty()
    database.restore(io.BytesIO(content))
    assert database.restore_facts(snapshot.facts) == []
    database.count_rows()
    assert proofs(student) <= {OWNER} and not program.exists()


def test_a_view_that_is_filled_at_the_restore_is_filled_as_the_owner(database: Database, student: Server) -> None:
    program = plant(student, "CREATE MATERIALIZED VIEW mine AS SELECT public.escape();")
    content, snapshot = back_up(database)
    student.empty()
    database.restore(io.BytesIO(content))
    database.restore_facts(snapshot.facts)
    assert proofs(student) <= {OWNER} and not program.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "RESET ROLE; SET ROLE postgres",
        "SET ROLE orion",
        "SET SESSION AUTHORIZATION orion",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/orionbox-planted'",
        "SELECT pg_read_file('postgresql.auto.conf')",
        "SELECT lo_import('/etc/passwd')",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION file_fdw",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION public.nothing()",
        "CREATE LANGUAGE plpython3u",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "ALTER ROLE orion PASSWORD 'known'",
        "ALTER ROLE ny_taxi SUPERUSER",
        "ALTER ROLE ny_taxi CREATEROLE",
        "GRANT pg_execute_server_program TO ny_taxi",
        "ALTER DATABASE orion OWNER TO ny_taxi",
        "ALTER DATABASE orion SET search_path = mine",
        "ALTER SYSTEM SET archive_command = 'true'",
        "ALTER DATABASE ny_taxi SET session_preload_libraries = 'mine'",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_the_owner_of_the_warehouse_may_not(statement: str, student: Server) -> None:
    student.as_student("CREATE FUNCTION public.nothing() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    with pytest.raises(AssertionError, match=r"ERROR|permission denied"):
        student.as_student(statement)


@pytest.mark.parametrize(
    ("user", "password", "name"),
    [
        ("ny_taxi", PASSWORDS["ny_taxi"], "orion"),
        ("ny_taxi", PASSWORDS["ny_taxi"], "postgres"),
        ("ny_taxi", PASSWORDS["ny_taxi"], "template1"),
        ("orion", PASSWORDS["orion"], "ny_taxi"),
        ("orion", PASSWORDS["ny_taxi"], "orion"),
        ("postgres", "", "postgres"),
        ("postgres", "", "ny_taxi"),
    ],
)
@pytest.mark.parametrize("is_socket", [True, False], ids=["socket", "network"])
def test_no_role_reaches_another_database(user: str, password: str, name: str, is_socket: bool, server: Server) -> None:
    host = str(server.folder) if is_socket else "127.0.0.1"
    command = ["psql", "--no-psqlrc", f"--host={host}", f"--username={user}", "--command=SELECT 1", name]
    environment = {**server.variables, "PGPASSWORD": password}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "FATAL" in done.stderr, done.stderr


def test_orion_s_database_is_reached_by_its_own_password(server: Server) -> None:
    database = ComposeStores(HostRuntime(server)).database("orion")  # type: ignore[arg-type]
    assert database.ask("SELECT session_user || ' ' || current_setting('is_superuser')") == ["orion off"]
    database.ask("CREATE TABLE public.configuration (key text, value text); DROP TABLE configuration")


def test_the_warehouse_leaves_connections_for_orion(server: Server) -> None:
    ask = "SELECT rolconnlimit < current_setting('max_connections')::int - 10 FROM pg_roles WHERE rolname = 'ny_taxi'"
    assert server.database().ask(ask) == ["t"]
