"""The steps of a start, and what the platform was started from."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import ports
from cli.runtimes.embedded import bootstrap, processes, variables, virtual_environments
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.files import write

SOURCES = (
    "cli/runtimes/embedded",
    "cli/runtimes/listeners.py",
    "infra/postgres",
    "services/agent",
    "services/bigquery",
    "services/gcs",
    "services/orion",
    "services/start",
    "src",
)
"""What the services run from; if it changes, `up` restarts them."""
FOLDERS = ("run", "log", "tmp", "data/gcs", "data/bigquery", "data/postgres", "data/prefect")


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Waits for every other command that builds, starts or stops something in this checkout."""
    virtual_environments.FOLDER.mkdir(mode=0o700, exist_ok=True)
    with (virtual_environments.FOLDER / "lock").open("a") as file:
        with waiting_for("another command in this checkout"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(user_settings: Settings, only_postgres: bool = False) -> Settings:
    """Starts the services again, on ports that are free; returns the settings with these ports.

    Args:
        user_settings: the settings as the user set them.
        only_postgres: whether to start Postgres alone.
    """
    stop(user_settings)
    for name in FOLDERS:
        (variables.folder(user_settings) / name).mkdir(parents=True, exist_ok=True)
    with ports.Reservations() as reservations:
        file = ports.ports_file(user_settings, variables.RUNTIME)
        ports.choose(variables.preferred_ports(user_settings), file, reservations)
        settings = variables.with_chosen_ports(user_settings)
        bootstrap.ensure_key(settings)
        bootstrap.ensure_certificates(settings)
        processes.start(settings, only_postgres, reservations.descriptors())
    if not only_postgres:
        write(_mark(settings), _fingerprint(settings))
    return settings


def stop(settings: Settings) -> None:
    """Stops every process of the platform. After another program took a port, the next bootstrap repeats all steps."""
    for mark in (_mark(settings), variables.bootstrapped_mark(settings)):
        mark.unlink(missing_ok=True)
    processes.stop(settings)
    if (note := variables.taken_note(settings)).exists():
        variables.saved_state(settings).unlink(missing_ok=True)
        note.unlink()


def is_started(settings: Settings) -> bool:
    """Returns whether the services were started from the current settings and sources, and are kept running."""
    mark = _mark(settings)
    if not (processes.is_running(settings, processes.SUPERVISOR) and mark.exists()):
        return False
    return mark.read_text(encoding="utf-8") == _fingerprint(settings)


def _mark(settings: Settings) -> Path:
    return variables.folder(settings) / "run/started"


def _fingerprint(settings: Settings) -> str:
    """Returns a digest of all that the services depend on."""
    # Not the proxies themselves: those of another terminal would end the runs of this one
    internet = {"INTERNET": settings["INTERNET"]}
    environment = {**variables.for_flows(settings), **variables.for_services(settings), **internet}
    digest = hashlib.sha256(json.dumps([environment, virtual_environments.marks()]).encode())
    for source in SOURCES:
        for file in sorted([ROOT / source, *(ROOT / source).rglob("*")]):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
