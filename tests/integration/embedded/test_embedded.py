"""The platform without Docker: it runs the main job, survives killed processes, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.bundle.checkout_copy import copy_checkout
from cli.runtimes.embedded import processes, service_lock, variables
from dev.throwaway_platform import clean_environment
from orionbox.trips.months import TripFile
from tests.conftest import Checkout, wait_for
from tests.reports import assert_documented
from tests.stores import query_postgres

GREEN = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")
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
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if command and f"{root}/" in f"{command} {os.readlink(process / 'cwd')}/":
                found.append(command)
    return found


def test_the_first_line_says_which_runtime_it_is_and_why(platform: Checkout) -> None:
    assert platform.make("status").splitlines()[0] == "runtime: embedded (RUNTIME=embedded)"
    found = platform.run("make", "status", RUNTIME="").stdout
    assert found.startswith(f"runtime: embedded (platform {platform.env['COMPOSE_PROJECT_NAME']} runs without Docker)")
    new = {"RUNTIME": "", "DOCKER_HOST": "unix:///nonexistent", "COMPOSE_PROJECT_NAME": "never-started"}
    found = platform.run("make", "status", **new).stdout
    assert found.startswith(("runtime: embedded (the engine is not running", "runtime: embedded (there is no docker"))
    assert "use one of compose, embedded" in platform.make_fails("status", "RUNTIME=lambda")


def test_the_main_job_moves_every_row(platform: Checkout, has_real_data: bool) -> None:
    printed = platform.make("run-etl", *GREEN)
    months = (TripFile("green", 2021, month) for month in (1, 2))
    expected = {trips: platform.rows_in(trips.csv_path) for trips in months}
    rows = sum(expected.values())
    if has_real_data:
        assert rows == ROWS_OF_GREEN
    assert f"total {' '.join([f'{rows:,}'] * 4)}" in " ".join(printed.split())
    assert_documented(platform.report, "embedded", expected, has_real_data)


def test_shell_and_psql_reach_the_platform(platform: Checkout) -> None:
    blocks = platform.make("shell", stdin="COLUMNS=200 prefect block ls")
    assert all(slug in blocks for slug in ("gcs-bucket/zoom-gcs", "gcp-credentials/zoom-gcp-creds"))
    assert "ny_taxi" in platform.make("psql", stdin="SELECT current_user")


@pytest.mark.parametrize("sql, code", [("SELECT 1", 0), ("SELECT nonsense", 3), ("SELECT nonsense; SELECT 1", 3)])
def test_psql_ends_with_an_exit_code_that_tells_of_an_error(platform: Checkout, sql: str, code: int) -> None:
    assert platform.run("./orionbox", "psql", "-c", sql).returncode == code
    assert platform.run("./orionbox", "psql", stdin=f"{sql};\n").returncode == code


def test_logs_are_those_of_the_services_that_are_named(platform: Checkout) -> None:
    printed = platform.make("logs", "SERVICE=postgres sweeper", "TAIL=3").splitlines()
    assert {line.split("|")[0].strip() for line in printed if "|" in line} == {"postgres", "sweeper"}
    assert sum(line.startswith("postgres") for line in printed) == 3
    assert "unknown service foo" in platform.make_fails("logs", "SERVICE=foo")


def test_a_run_that_is_meant_for_a_container_fails_at_once(platform: Checkout) -> None:
    assert platform.finished_run("etl/docker", {"color": "green"})["state_type"] == "CRASHED"


def kill(platform: Checkout, service: str) -> None:
    """Kills a service; returns when another process of it is running."""
    killed = process_of(platform, service)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: process_of(platform, service) != killed, f"{service} again")


def test_services_that_are_killed_are_started_again(platform: Checkout) -> None:
    for service in processes.services():
        kill(platform, service)
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


def test_another_platform_gets_the_next_free_ports(platform: Checkout) -> None:
    other = Checkout(platform.root, {**platform.env, "COMPOSE_PROJECT_NAME": f"{platform.root.parent.name}-other"})
    try:
        printed = other.make("up")
        for name, port in platform.env.items():
            if name in variables.PORTS:
                assert f"{name}={port} belongs to another Orionbox on this machine" in printed
        assert is_up(platform) and is_up(other)
    finally:
        other.make("reset")
    assert not folder(other).exists()
    assert is_up(platform)


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


def test_no_other_program_on_a_port_is_taken_for_the_platform_s_own_service(platform: Checkout) -> None:
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


def test_down_leaves_no_process_and_the_next_up_finds_the_data(platform: Checkout) -> None:
    query_postgres(platform.settings, "CREATE TABLE kept AS SELECT 7 AS lucky; SELECT 1")
    platform.make("down")
    assert running(platform.root) == []
    pretend_that_orion_is_running(platform)
    assert set(states(platform)["services"].values()) == {"stopped"}
    with pretended_postgres(platform):
        platform.make("up")
    assert "replaced a stale postmaster.pid" in platform.make("logs", "SERVICE=postgres")
    assert query_postgres(platform.settings, "SELECT lucky FROM kept") == [(7,)]
    assert is_up(platform)


def pretend_that_orion_is_running(platform: Checkout) -> None:
    """Leaves a note as after a crash; the process id in it belongs to someone else by now."""
    (folder(platform) / "run" / "orion.lock").write_text(str(os.getpid()))


@contextmanager
def pretended_postgres(platform: Checkout) -> Iterator[None]:
    """Leaves a postmaster.pid as after a crash; its id belongs to another program of Postgres' user by now."""
    user = None if os.geteuid() else "nobody"
    file = folder(platform) / "data/postgres/main/postmaster.pid"
    with subprocess.Popen(["sleep", "600"], user=user) as process:
        file.write_text(f"{process.pid}\n{file.parent}\n1795714894\n5432\n\n127.0.0.1\n")
        if user:
            shutil.chown(file, user)
        yield
        process.kill()


def test_an_incomplete_virtual_environment_is_made_again(platform: Checkout) -> None:
    made = platform.root / ".embedded" / "uv"
    (made / ".complete").unlink()
    (made / "bin" / "uv").write_text("half a program")
    assert "virtual environment .embedded/uv: built in" in platform.make("up")
    assert (made / ".complete").is_file()


def test_two_commands_at_once_wait_for_each_other(platform: Checkout) -> None:
    with (platform.root / ".embedded" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        up = subprocess.Popen(["make", "up"], cwd=platform.root, env={**clean_environment(), **platform.env})
        with pytest.raises(subprocess.TimeoutExpired):
            up.wait(3)
    assert up.wait(120) == 0


def test_without_python_3_13_up_tries_to_download_one_before_anything_starts(checkout: Checkout) -> None:
    checkout.env.update(RUNTIME="embedded", PATH="/usr/bin:/bin", PYENV_ROOT="/nonexistent", HOME=str(checkout.root))
    checkout.env["UV_PYTHON_INSTALL_MIRROR"] = "http://127.0.0.1:9"
    done = checkout.run("make", "up")
    if done.returncode == 0:  # pragma: no cover
        checkout.make("reset")
        pytest.skip("this system's own Python is 3.13")
    assert "Python 3.13: none is here; downloading one into .embedded/pythons" in done.stdout
    assert "and it could not be downloaded" in done.stdout and "install python3.13 yourself" in done.stdout
    assert running(checkout.root) == []


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A normal user of this machine, for this test only."""
    if os.geteuid():
        pytest.skip("all tests run as a normal user here")
    name = f"orionbox-{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--no-create-home", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="orionbox-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def python_for_all(platform: Checkout, folder: Path) -> dict[str, str]:
    """The variables that lead to the platform's Python 3.13: to a copy, for it may be below /root."""
    config = (platform.root / ".embedded/bigquery/pyvenv.cfg").read_text()
    prefix = Path(dict(line.split(" = ") for line in config.splitlines())["home"]).parent
    if prefix != Path("/usr"):
        shutil.copytree(prefix, folder / "python", symlinks=True, ignore=shutil.ignore_patterns("test", "*.a"))
        prefix = folder / "python"
    return {"PATH": f"{prefix}/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{prefix}/lib", "PYENV_ROOT": "/nonexistent"}


def test_it_runs_as_a_normal_user_and_writes_nothing_elsewhere(
    platform: Checkout, user: str, open_folder: Path, has_real_data: bool
) -> None:
    variables = {**platform.env, **python_for_all(platform, open_folder), "HOME": str(open_folder / "home")}
    theirs = Checkout(copy_checkout(open_folder / "orion box"), variables)
    shutil.copytree(platform.root / "data/green", theirs.root / "data/green")
    (open_folder / "home").mkdir()
    for folder in ("home", "orion box"):
        subprocess.run(["chown", "--recursive", user, open_folder / folder], check=True)
    make = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "make")
    try:
        printed = theirs.run(*make, "run-etl", *GREEN).stdout
        assert "Completed after" in printed, printed
        assert theirs.report["runtime"] == "embedded"
    finally:
        done = theirs.run(*make, "down")
    assert done.returncode == 0, done.stdout
    assert running(theirs.root) == []
    found = subprocess.run(["find", "/", "-xdev", "-user", user, "-type", "f"], capture_output=True, text=True).stdout
    assert [path for path in found.splitlines() if not path.startswith((str(open_folder), "/proc"))] == []
