"""The embedded runtime: the platform's services as plain processes, for a machine without Docker."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import messages
from cli.programs import ROOT, last_lines, say
from cli.runtimes import folders, ports
from cli.runtimes.embedded import health, processes, unsupported, virtual_environments
from cli.runtimes.embedded import variables as surroundings
from cli.runtimes.embedded.variables import folder, port_numbers
from cli.settings import env_file
from orionbox.errors import CommandError

NAME = "embedded"
INFRASTRUCTURE = "process"

SOURCES = (
    "cli/runtimes/embedded",
    "infra/postgres",
    "services/gcs",
    "services/bigquery",
    "src",
)
"""What services run from: where it has changed, `up` starts them anew."""
BOOTSTRAP_SOURCES = ("services/flows/flows", "src")
SHOWN_LINES = 200


def prepare() -> None:
    """Makes .env, the runtime folders and the environments."""
    unsupported.refuse_cluster(NAME)
    unsupported.refuse_other_machines(NAME)
    unsupported.refuse_real_cloud(NAME)
    folders.prepare()
    with _alone():
        virtual_environments.ensure()


def build() -> int:
    """Makes the environments that are missing or out of date."""
    prepare()
    return 0


def up() -> int:
    """Starts what does not run yet, and returns when it is usable."""
    prepare()
    start = time.monotonic()
    with _alone():
        if not _is_started():
            _start()
        health.wait_for(*(name for name in processes.services() if name != "agent"))
        _bootstrap()
        health.wait_for("agent")
    say(f"\nOrionbox is up, after {time.monotonic() - start:.0f} s.\n{messages.addresses(port_numbers())}")
    return 0


def ensure_up() -> None:
    """Starts the platform unless all of it runs already, from the sources as they are."""
    prepare()
    if not (_is_started() and _is_bootstrapped() and all(map(health.is_healthy, processes.services()))):
        up()


def down() -> int:
    """Stops the platform; data stays."""
    folders.prepare()
    with _alone():
        processes.stop()
    return 0


def reset() -> int:
    """Deletes the platform's data, after saying so."""
    folders.prepare()
    messages.confirm_reset()
    with _alone():
        processes.stop()
        shutil.rmtree(folder(), ignore_errors=True)
        ports.file_of(NAME).unlink(missing_ok=True)
    return 0


def status() -> int:
    """Shows what runs, and where."""
    folders.prepare()
    states = {name: health.state(name) for name in processes.services()}
    say("\n".join(f"{name:<14} {state}" for name, state in {"SERVICE": "STATUS", **states}.items()))
    fine = set(states.values()) == {"healthy"}
    say(f"\n{messages.addresses(port_numbers())}" if fine else "\nnot all of it is healthy; start it with: make up")
    return 0


def logs() -> int:
    """Follows the logs, of all services or of SERVICE."""
    folders.prepare()
    wanted = os.environ.get("SERVICE", "").split()
    say("\n".join(processes.log_lines(*wanted)[-SHOWN_LINES:]))
    if sys.stdout.isatty():
        processes.follow_log(*wanted)
    return 0


def shell() -> int:
    """Opens a shell where flows run."""
    ensure_up()
    program = shutil.which("bash") or "sh"
    return _hand_over([program], surroundings.flow_settings(), surroundings.FLOWS)


def psql() -> int:
    """Opens psql on the warehouse."""
    ensure_up()
    command = ["psql", "--host=127.0.0.1", f"--port={port_numbers()['POSTGRES_PORT']}", "--username=ny_taxi", "ny_taxi"]
    return _hand_over(command, {"PGPASSWORD": env_file.load()["WAREHOUSE_DB_PASSWORD"]}, ROOT)


def orion_url() -> str:
    """Orion's address."""
    return surroundings.orion_url()


def start_url() -> str:
    """The start page's address."""
    return surroundings.start_url()


def flows_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module where flows run."""
    source = f"PYTHONPATH={surroundings.FLOWS_SOURCE}"
    return ["env", source, virtual_environments.program("python"), "-m", module, *arguments]


def _hand_over(command: list[str], settings: dict[str, str], where: Path) -> int:
    sys.stdout.flush()
    os.chdir(where)
    variables = surroundings.variables(settings)
    os.execvpe(command[0], command, variables)


@contextmanager
def _alone() -> Iterator[None]:
    """Waits for every other command that makes, starts or stops something in this checkout."""
    virtual_environments.FOLDER.mkdir(mode=0o700, exist_ok=True)
    with (virtual_environments.FOLDER / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- start ---


def start_only(service: str) -> None:
    """Starts one service, and nothing that uses it."""
    prepare()
    with _alone():
        _start(service)
        health.wait_for(service)


def _start(*services: str) -> None:
    """Starts all services anew, or only some, on ports that are free."""
    processes.stop()
    for name in ("run", "log", "tmp", "data/gcs", "data/bigquery", "data/postgres", "data/prefect"):
        (folder() / name).mkdir(parents=True, exist_ok=True)
    surroundings.hand_to_postgres(folder() / "data/postgres")
    ports.settle(surroundings.wanted_ports(), ports.file_of(NAME))
    _ensure_key()
    processes.start(*services)
    _mark("started").write_text(_fingerprint_of_services())


def _ensure_key() -> None:
    """Writes the throw-away service-account key, unless there is one whose tokens come from our own emulator."""
    file, uri = surroundings.key_file(), f"http://127.0.0.1:{port_numbers()['GCS_PORT']}/token"
    if file.exists() and json.loads(file.read_text())["token_uri"] == uri:
        return
    program = "import sys; from orionbox import keys; print(keys.service_account_key(*sys.argv[1:]))"
    command = [virtual_environments.program("python"), "-c", program, uri, env_file.load()["GCP_PROJECT"]]
    file.touch(mode=0o600)
    file.write_text(_checked("the service-account key", command))


def _bootstrap() -> None:
    """Bucket, tables, block types, blocks and deployments, as by compose's service of that name."""
    settings = {**surroundings.flow_settings(), **surroundings.bootstrap_settings()}
    command = [virtual_environments.program("python"), "-m", "services.bootstrap.unchanged"]
    _checked("the bootstrap", command, settings, surroundings.FLOWS)
    _mark("bootstrapped").write_text(_fingerprint_of_bootstrap())


def _checked(what: str, command: list[str], settings: dict[str, str] | None = None, where: Path = ROOT) -> str:
    """What the command prints."""
    variables = surroundings.variables(settings or {})
    done = subprocess.run(command, cwd=where, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"{what} failed:\n{last_lines(done.stderr or done.stdout)}")
    return done.stdout


def _mark(name: str) -> Path:
    return folder() / "run" / name


def _is_started() -> bool:
    """Whether every service runs, as settings and sources are now."""
    mark = _mark("started")
    everything = all(map(processes.runs, (processes.SUPERVISOR, *processes.services())))
    return everything and mark.exists() and mark.read_text() == _fingerprint_of_services()


def _is_bootstrapped() -> bool:
    mark = _mark("bootstrapped")
    return mark.exists() and mark.read_text() == _fingerprint_of_bootstrap()


def _fingerprint_of_services() -> str:
    settings = {**surroundings.flow_settings(), **surroundings.service_settings()}
    environments = [virtual_environments.marker(made).read_text() for made in virtual_environments.LOCKS]
    return _fingerprint([settings, environments], SOURCES)


def _fingerprint_of_bootstrap() -> str:
    return _fingerprint([surroundings.flow_settings(), surroundings.bootstrap_settings()], BOOTSTRAP_SOURCES)


def _fingerprint(facts: object, sources: tuple[str, ...]) -> str:
    digest = hashlib.sha256(json.dumps(facts).encode())
    for source in sources:
        for file in sorted((ROOT / source).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
