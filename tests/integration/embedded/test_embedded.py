"""The platform without Docker: it runs the main job, survives killed processes, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.runtimes.embedded import processes, service_lock, variables
from dev.clones import processes_in
from dev.throwaway_platform import clean_environment
from orionbox.trips.generated import write_month
from orionbox.trips.months import TripFile
from tests.conftest import Checkout, wait_for
from tests.reports import assert_documented
from tests.stores import query_postgres
from tests.week1 import TYPED, assert_as_in_the_course

GREEN = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")
WEEK_1 = Path(__file__).parents[2] / "e2e/course/repositories/week1"
ROWS_OF_GREEN = 141_090
"""Of the real files."""


def folder(platform: Checkout) -> Path:
    """The platform's state."""
    return platform.root / ".embedded" / platform.env["COMPOSE_PROJECT_NAME"]


def process_of(platform: Checkout, service: str) -> int:
    """The process id of a service that is running."""
    file = service_lock.lock_file(folder(platform) / "run", service)
    return wait_for(lambda: service_lock.holder(file), f"the start of {service}")


def is_up(platform: Checkout) -> bool:
    return bool(states(platform)["up"])


def states(platform: Checkout) -> dict[str, Any]:
    """What `make status` says."""
    _, brace, text = platform.run("./orionbox", "status", "--json").stdout.partition("{")
    return dict(json.loads(brace + text))


def running(root: Path) -> list[str]:
    """The processes whose command line or working directory is in a checkout, zombies left out."""
    return [command for _, command in processes_in(root)]


def test_the_first_line_says_which_runtime_it_is_and_why(platform: Checkout) -> None:
    assert platform.make("status").splitlines()[0] == "runtime: embedded (RUNTIME=embedded)"
    found = platform.run("make", "status", RUNTIME="").stdout
    assert found.startswith(f"runtime: embedded (platform {platform.env['COMPOSE_PROJECT_NAME']} runs without Docker)")
    new = {"RUNTIME": "", "DOCKER_HOST": "unix:///run/no-such-engine.sock", "COMPOSE_PROJECT_NAME": "never-started"}
    found = platform.run("make", "status", **new).stdout
    reasons = (
        "runtime: embedded (no Docker engine answers at unix:///run/no-such-engine.sock",
        "runtime: embedded (there is no docker",
    )
    assert found.startswith(reasons)
    assert "use one of compose, embedded" in platform.make_fails("status", "RUNTIME=lambda")


def test_the_main_job_moves_every_row(platform: Checkout) -> None:
    printed = platform.make("run-etl", *GREEN)
    months = (TripFile("green", 2021, month) for month in (1, 2))
    expected = {trips: platform.rows_in(trips.csv_path) for trips in months}
    rows = sum(expected.values())
    assert rows == ROWS_OF_GREEN
    assert f"total {' '.join([f'{rows:,}'] * 4)}" in " ".join(printed.split())
    assert_documented(platform.report, "embedded", expected)


def test_prune_deletes_an_old_result_and_no_row(platform: Checkout) -> None:
    result = folder(platform) / "data/prefect/storage/of-the-year-2000"
    result.parent.mkdir(exist_ok=True)
    result.touch()
    os.utime(result, (0, 946_684_800))
    assert "would be freed:" in platform.make("prune", "DRY_RUN=yes") and result.exists()
    freed = platform.make("prune", "DAYS=0")
    assert "results of tasks" in freed and "kept: all rows, objects and runs" in freed
    assert not result.exists()
    assert query_postgres(platform.settings, "SELECT count(*) FROM green_tripdata") == [(ROWS_OF_GREEN,)]


def test_generated_data_replaces_a_real_month_only_if_it_is_forced(platform: Checkout) -> None:
    january, stored = TripFile("green", 2021, 1), 'SELECT count(*) FROM "green_tripdata_2021-01"'
    platform.make("ingest", *GREEN)
    file = platform.root / "data" / january.csv_path
    real = file.read_bytes() if file.exists() else b""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as content:
        write_month(january, 1_000, content)
    refused = platform.make_fails("run-etl", "MONTHS=1")
    assert "holds the real month green 2021-01, and the file is generated; nothing was replaced" in refused
    assert query_postgres(platform.settings, stored) == [(76_518,)]
    assert "1,000 rows -> Postgres green_tripdata (generated)" in platform.make("ingest", "MONTHS=1", "FORCE=yes")
    file.unlink()
    if real:
        file.write_bytes(real)
    platform.make("ingest", "MONTHS=1", "FORCE=yes")
    assert query_postgres(platform.settings, stored) == [(76_518,)]


def test_a_program_in_the_shell_says_which_kind_of_data_it_fetches(platform: Checkout) -> None:
    fetch = (
        "import os, pandas; pandas.read_csv(os.environ['TAXI_RELEASE_URL'] + '/green/green_tripdata_2021-02.csv.gz')"
    )
    said = platform.make("shell", stdin=f'python -W ignore -c "{fetch}"\n')
    assert said.count("green_tripdata_2021-02.csv.gz: real data, 64,572 rows") == 1


def test_shell_and_psql_reach_the_platform(platform: Checkout) -> None:
    blocks = platform.make("shell", stdin="COLUMNS=200 prefect block ls")
    assert all(slug in blocks for slug in ("gcs-bucket/zoom-gcs", "gcp-credentials/zoom-gcp-creds"))
    assert "ny_taxi" in platform.make("psql", stdin="SELECT current_user")


def test_code_of_the_first_week_works_in_the_shell(platform: Checkout) -> None:
    folder = platform.root / "workspace" / "week1"
    shutil.copytree(WEEK_1, folder)
    # Another server may listen on localhost:5432 here, and is left alone
    typed = [command.replace("localhost", "pgdatabase") for command in TYPED]
    assert_as_in_the_course(platform.shell(*typed, folder=shlex.quote(str(folder))))
    assert (platform.root / "workspace/week2/hello.py").exists()


def test_a_missing_month_is_generated_when_it_is_asked_for(platform: Checkout) -> None:
    folder = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/green"
    month = f"{folder}/green_tripdata_2020-04.csv.gz"
    parquet = "https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2020-04.parquet"
    broken = platform.root / "data/green/green_tripdata_2020-05.csv.gz"
    broken.symlink_to("/nowhere")
    answers = platform.shell(
        f"python -c \"import pandas as pd; print(len(pd.read_csv('{month}', low_memory=False)))\"",
        # Without threads: a Python that ends right after a read may abort (apache/arrow#34314)
        f"python -c \"import pandas as pd; print(len(pd.read_parquet('{parquet}', use_threads=False)))\"",
        f"curl -sSfI {month}",
        f"curl -sS {folder}/green_tripdata_2020-05.csv.gz",
    )
    broken.unlink()
    rows, rows_of_parquet, head, error = (answer.output.strip() for answer in answers)
    assert [answer.code for answer in answers] == [0] * 4, answers
    assert rows.splitlines()[-1] == rows_of_parquet.splitlines()[-1] == "35612"
    assert "generated; rows=35612; file=green/green_tripdata_2020-04.csv.gz" in head
    assert "is a link to /nowhere" in error
    assert not (platform.root / "data/green/green_tripdata_2020-04.csv.gz").exists()


@pytest.mark.parametrize("sql, code", [("SELECT 1", 0), ("SELECT nonsense", 3), ("SELECT nonsense; SELECT 1", 3)])
def test_psql_ends_with_an_exit_code_that_tells_of_an_error(platform: Checkout, sql: str, code: int) -> None:
    assert platform.run("./orionbox", "psql", "-c", sql).returncode == code
    assert platform.run("./orionbox", "psql", stdin=f"{sql};\n").returncode == code


def test_logs_are_those_of_the_services_that_are_named(platform: Checkout) -> None:
    printed = platform.make("logs", "SERVICE=postgres bootstrap", "TAIL=3").splitlines()
    assert {line.split("|")[0].strip() for line in printed if "|" in line} == {"postgres", "bootstrap"}
    assert sum(line.startswith("postgres") for line in printed) == 3
    assert "unknown service foo" in platform.make_fails("logs", "SERVICE=foo")


def test_a_run_that_is_meant_for_a_container_fails_at_once(platform: Checkout) -> None:
    run = platform.finished_run("etl/docker", {"color": "green"})
    assert run["state_type"] == "FAILED" and "a platform without Docker" in run["state"]["message"], run["state"]


def test_services_that_are_killed_are_started_again(platform: Checkout) -> None:
    killed = {name: process_of(platform, name) for name in processes.services()}
    for process in killed.values():
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: all(process_of(platform, name) != killed[name] for name in killed), "another process of each")
    wait_for(lambda: is_up(platform), "all of them healthy")


def test_the_next_command_finds_a_platform_whose_supervisor_was_killed(platform: Checkout) -> None:
    killed = {name: process_of(platform, name) for name in (processes.SUPERVISOR, *processes.services())}
    os.kill(killed[processes.SUPERVISOR], signal.SIGKILL)
    assert "1" in platform.make("psql", "SQL=SELECT 1")
    now = {name: process_of(platform, name) for name in killed}
    assert [name for name in killed if killed[name] == now[name]] == []
    assert is_up(platform)


def test_data_of_another_postgres_ends_the_start_at_once_with_the_way_back(platform: Checkout) -> None:
    broken = Checkout(platform.root, {**platform.env, "COMPOSE_PROJECT_NAME": f"{platform.root.parent.name}-broken"})
    cluster = folder(broken) / "data/postgres/main"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9.6\n")
    try:
        said = broken.make_fails("up")
    finally:
        broken.make("reset", "YES=yes")
    assert "  postgres (restarting, exited 3 times, at last with exit status 1):" in said
    assert "was written by PostgreSQL 9.6, and this is PostgreSQL 16" in said
    assert "start that version, whose PostgreSQL is 9.6, on this data and run make backup" in said


class ForeignServer(BaseHTTPRequestHandler):
    """Another program, which answers 200 to everything, as another platform's Orion would."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.requestline)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"true")

    do_POST = do_GET


@contextmanager
def foreign_server(port: int) -> Iterator[None]:
    """Serves on the port as soon as it is free."""
    server = wait_for(lambda: listening(port), f"port {port}", 30)
    threading.Thread(target=server.serve_forever).start()
    yield
    server.shutdown()
    server.server_close()


def listening(port: int) -> ThreadingHTTPServer | None:
    with suppress(OSError):
        return ThreadingHTTPServer(("127.0.0.1", port), ForeignServer)
    return None


def orion_port(platform: Checkout) -> int:
    """The port of its Orion; 0 if none is chosen yet."""
    file = platform.root / ".ports" / f"{platform.env['COMPOSE_PROJECT_NAME']}-embedded.json"
    chosen = json.loads(file.read_text()) if file.exists() else {}
    return next((port for name, port in chosen.items() if name.startswith("ORION_PORT=")), 0)


def test_another_platform_gets_free_ports_and_takes_no_other_program_for_its_own_service(platform: Checkout) -> None:
    other = Checkout(platform.root, {**platform.env, "COMPOSE_PROJECT_NAME": f"{platform.root.parent.name}-late"})
    try:
        up = subprocess.Popen(
            ["make", "up"], cwd=other.root, env={**clean_environment(), **other.env}, stdout=subprocess.PIPE, text=True
        )
        chosen = wait_for(lambda: orion_port(other), "the choice of ports")
        with foreign_server(chosen):
            printed, _ = up.communicate()
            assert up.returncode == 0, printed
            taken = f"another program took ORION_PORT={chosen} while the platform was starting; starting again"
            assert taken in printed and is_up(other) and is_up(platform)
            preferred = [f"{name}={port}" for name, port in platform.env.items() if name in variables.PORTS]
            assert [name for name in preferred if f"{name} " not in printed] == [], "each has the platform before it"
            now = orion_port(other)
            assert now not in (chosen, orion_port(platform)) and f"localhost:{now}" in printed
            assert ForeignServer.requests == [], "nothing of the platform asked that program"
            os.kill(process_of(other, "orion"), signal.SIGKILL)
            with foreign_server(now):
                said = f"stopped, because another program took ORION_PORT={now}"
                wait_for(lambda: states(other)["services"].get("supervisor") == said, said)
                wait_for(lambda: states(other)["services"]["agent"] == "stopped", "the end of the agent")
                other.make("up")
                assert is_up(other) and orion_port(other) not in (chosen, now)
    finally:
        other.make("reset")
    assert not folder(other).exists()
    assert is_up(platform)


@pytest.fixture(scope="module")
def stopped(platform: Checkout) -> Checkout:
    """The platform after `make down`, with a table in it; the last of the tests that need it starts it again."""
    query_postgres(platform.settings, "CREATE TABLE kept AS SELECT 7 AS lucky; SELECT 1")
    platform.make("down")
    return platform


def test_down_leaves_no_process(stopped: Checkout) -> None:
    assert running(stopped.root) == []
    pretend_that_orion_is_running(stopped)
    assert set(states(stopped)["services"].values()) == {"stopped"}


def pretend_that_orion_is_running(platform: Checkout) -> None:
    """Leaves a note as after a crash; the process id in it belongs to someone else by now."""
    (folder(platform) / "run" / "orion.lock").write_text(str(os.getpid()))


@contextmanager
def pretended_postgres(platform: Checkout) -> Iterator[None]:
    """Leaves a postmaster.pid as after a crash; its id belongs to another program of Postgres' user by now."""
    file = folder(platform) / "data/postgres/main/postmaster.pid"
    user = file.parent.stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=None if os.geteuid() else user) as process:
        try:
            file.write_text(f"{process.pid}\n{file.parent}\n1795714894\n5432\n\n127.0.0.1\n")
            os.chown(file, user, -1)
            yield
        finally:
            process.kill()


@pytest.fixture
def user() -> Iterator[str]:
    """A normal user of this machine, for this test only."""
    if os.geteuid():
        pytest.skip("all tests run as a normal user here")
    name = f"orionbox-{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--no-create-home", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=True)


class TheirCheckout(Checkout):
    """The platform's checkout while it belongs to a normal user, whose commands see the Pythons that root has."""

    user: str
    home: Path
    """The user's home, and the only other folder to write to."""

    def run(self, *command: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as this user."""
        prefixes = [str(prefix) for prefix in pythons(self.root)]
        hidden = {str(top) for prefix in prefixes if (top := hidden_folder(Path(prefix)))}
        shown = "\n".join(prefix for prefix in prefixes if hidden_folder(Path(prefix)))
        settings = {"SHOWN": shown, "HIDDEN": "\n".join(hidden), "SHELTER": str(self.home.parent / "pythons")}
        as_user = ("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups")
        path = ":".join([*(f"{prefix}/bin" for prefix in prefixes), "/usr/bin", "/bin"])
        program = ("unshare", "--mount", "sh", "-c", SHOW_PYTHONS, "sh", *as_user, "env", f"PATH={path}", *command)
        return super().run(*program, stdin=stdin, HOME=str(self.home), **settings, **variables)


SHOW_PYTHONS = """
set -eu
IFS='
'
for prefix in $SHOWN; do mkdir -p "$SHELTER$prefix"; mount --bind "$prefix" "$SHELTER$prefix"; done
for folder in $HIDDEN; do mount --rbind "$SHELTER$folder" "$folder"; done
unset SHOWN HIDDEN SHELTER
exec "$@"
"""
"""Puts in the place of a folder that others may not enter, such as /root, one with nothing in it but the Pythons."""


def pythons(root: Path) -> list[Path]:
    """The prefix of the Python that the flows' virtual environment was built with."""
    config = (root / ".embedded/flows/pyvenv.cfg").read_text()
    return [Path(home).parent for home in re.findall(r"^home = (.*)$", config, re.MULTILINE)]


def hidden_folder(prefix: Path) -> Path | None:
    """The first folder on the way to a Python that a normal user may not enter."""
    return next((folder for folder in reversed(prefix.parents) if not folder.stat().st_mode & 0o001), None)


@pytest.fixture
def their_checkout(stopped: Checkout, user: str) -> Iterator[TheirCheckout]:
    """The platform's checkout, as another platform of a normal user; afterwards it is root's again."""
    env = {**stopped.env, "COMPOSE_PROJECT_NAME": f"{stopped.env['COMPOSE_PROJECT_NAME']}-theirs"}
    theirs = TheirCheckout(stopped.root, env)
    theirs.user, theirs.home = user, stopped.root.parent / "home"
    theirs.home.mkdir()
    for owner in (user, "root"):
        for top in (stopped.root, theirs.home):
            subprocess.run(["chown", "--recursive", "--no-dereference", f"{owner}:", top], check=True)
        if owner == user:
            yield theirs


def test_it_is_built_and_runs_as_a_normal_user_and_writes_nothing_elsewhere(their_checkout: TheirCheckout) -> None:
    theirs, began = their_checkout, time.time()
    for name in ("uv", "flows"):
        (theirs.root / ".embedded" / name / ".complete").unlink()
    try:
        printed = theirs.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
        assert re.findall(r"virtual environment \.embedded/(\w+): built in", printed) == ["uv", "flows"]
        assert "Completed after" in printed, printed
        assert theirs.report["runtime"] == "embedded"
    finally:
        theirs.make("reset")
    assert running(theirs.root) == []
    outside = [
        word for path in (theirs.root.parent, "/proc", "/var/lib/docker") for word in ("-path", path, "-prune", "-o")
    ]
    # A new user may have the number of one whose files an interrupted run of the tests has left
    written = ["-newermt", f"@{began:.0f}", "-user", theirs.user, "-type", "f", "-print"]
    command = ["find", "/", "-xdev", *outside, *written]
    assert subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout == b""


def test_the_next_up_finds_the_data_and_builds_an_incomplete_virtual_environment_again(stopped: Checkout) -> None:
    made = stopped.root / ".embedded" / "uv"
    (made / ".complete").unlink()
    (made / "bin" / "uv").write_text("half a program")
    with pretended_postgres(stopped):
        assert "virtual environment .embedded/uv: built in" in stopped.make("up")
    assert "replaced a stale postmaster.pid" in stopped.make("logs", "SERVICE=postgres")
    assert (made / ".complete").is_file()
    assert query_postgres(stopped.settings, "SELECT lucky FROM kept") == [(7,)]
    assert is_up(stopped)


def test_two_commands_at_once_wait_for_each_other(platform: Checkout) -> None:
    with (platform.root / ".embedded" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        up = subprocess.Popen(["make", "up"], cwd=platform.root, env={**clean_environment(), **platform.env})
        with pytest.raises(subprocess.TimeoutExpired):
            up.wait(3)
    assert up.wait(120) == 0


def test_without_a_python_that_fits_up_tries_to_download_one_before_anything_starts(checkout: Checkout) -> None:
    checkout.env.update(RUNTIME="embedded", PATH="/usr/bin:/bin", PYENV_ROOT="/nonexistent", HOME=str(checkout.root))
    checkout.env["UV_PYTHON_INSTALL_MIRROR"] = "http://127.0.0.1:9"
    done = checkout.run("make", "up")
    if done.returncode == 0:  # pragma: no cover
        checkout.make("reset")
        pytest.skip("a Python of this system fits")
    assert "Python 3.11, 3.12 or 3.13: none is here; downloading 3.13 into .embedded/pythons" in done.stdout
    assert "and it could not be downloaded" in done.stdout and "install python3.13 yourself" in done.stdout
    assert running(checkout.root) == []
