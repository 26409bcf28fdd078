"""A Postgres of the tests alone, on loopback, started by the platform's own start.sh."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.archive.databases import Database
from tests.conftest import ROOT, wait_for

PASSWORDS = {"ny_taxi": "warehouse-password", "orion": "orion-password"}
SYSTEM = Path("/usr/lib/postgresql")
"""Where Debian puts the programs."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    programs: Path
    folder: Path
    port: int

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its programs."""
        return {"PATH": f"{self.programs}:{os.environ['PATH']}", "PGHOST": str(self.folder), "PGPORT": str(self.port)}

    def database(self, name: str = "ny_taxi") -> Database:
        """Returns a database, as the embedded runtime's stores do."""
        where = f"host=127.0.0.1 port={self.port} user={name} dbname={name}"
        return Database(["env"], where, {**self.variables, "PGPASSWORD": PASSWORDS[name]})

    def as_student(self, sql: str, options: str = "") -> str:
        """Runs statements as a flow or a student does; returns what psql prints."""
        where = f"postgresql://ny_taxi:{PASSWORDS['ny_taxi']}@127.0.0.1:{self.port}/ny_taxi"
        command = ["psql", "--no-psqlrc", "-At", "--set=ON_ERROR_STOP=1", where]
        variables = {**self.variables, "PGOPTIONS": options}
        done = subprocess.run(command, input=sql, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def empty(self) -> None:
        """Drops all that the student has made."""
        self.as_student(
            "SET client_min_messages = error; SET search_path = pg_catalog; ALTER DATABASE ny_taxi RESET ALL;"
            "ALTER ROLE ny_taxi RESET ALL; ALTER ROLE ny_taxi IN DATABASE ny_taxi RESET ALL;"
            "COMMENT ON DATABASE ny_taxi IS NULL; SELECT lo_unlink(oid) FROM pg_largeobject_metadata;"
            "DROP OWNED BY ny_taxi CASCADE; CREATE SCHEMA IF NOT EXISTS public; GRANT ALL ON SCHEMA public TO ny_taxi;",
            "-c statement_timeout=0 -c default_transaction_read_only=off -c local_preload_libraries= "
            "-c idle_session_timeout=0 -c client_encoding=UTF8",
        )


def system_programs() -> Path | None:
    """Returns the folder of this machine's own PostgreSQL, if it has one."""
    return next(iter(sorted(SYSTEM.glob("*/bin"), reverse=True)), None)


def as_user() -> list[str]:
    """Returns the command that becomes the user that PostgreSQL runs as: it refuses root."""
    if os.geteuid():
        return []
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *rights]


@contextmanager
def running_server(programs: Path, folder: Path) -> Iterator[Server]:
    """Starts a server whose data and socket are in the new `folder`; ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    folder.chmod(0o777)
    server = Server(programs, folder, port)
    variables = {
        **server.variables,
        "PGDATA": str(folder / "data"),
        "ORION_DB_PASSWORD": PASSWORDS["orion"],
        "WAREHOUSE_DB_PASSWORD": PASSWORDS["ny_taxi"],
    }
    options = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
    }
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = [*as_user(), "sh", str(ROOT / "infra/postgres/start.sh"), *settings]
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, env=variables, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: _answers(server) or process.poll() is not None, "Postgres", 600)
            assert process.poll() is None, (folder / "log").read_text()
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _answers(server: Server) -> bool:
    command = ["pg_isready", "--host=127.0.0.1", f"--port={server.port}", "--quiet"]
    return subprocess.run(command, env=server.variables).returncode == 0
