"""The platform as a whole: up, down, and what runs in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ctl import dotenv, images, keys
from ctl.shell import ROOT, CommandError, hand_over, last_lines, output, run, say
from orionbox.errors import BadInputError

OLDEST_COMPOSE = (2, 20)
"""The first version with `include`."""
START_TIMEOUT = 300
"""Seconds in which every service must have become healthy."""
COMPOSE = ("docker", "compose")


def prepare() -> None:
    """What every command needs: an engine, Compose, .env and the runtime folders.

    Raises:
        CommandError: there is no engine, or its Compose is too old.
    """
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise CommandError("no Docker engine answers: start Docker Desktop; on Debian or Ubuntu run: sudo make engine")
    version = subprocess.run([*COMPOSE, "version", "--short"], capture_output=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_COMPOSE:
        found = version.strip() or "is missing"
        raise CommandError(f"Docker Compose {found}: 2.20 or newer is needed; run: sudo make engine")
    if dotenv.ensure():
        say("wrote .env: the passwords in it are new, and only there")
    owner = (int(dotenv.load()["FLOWS_UID"]), int(dotenv.load()["FLOWS_GID"]))
    for folder in ("data", "workspace", "reports", "secrets"):
        (ROOT / folder).mkdir(exist_ok=True)
    (ROOT / "secrets").chmod(0o700)
    if os.geteuid() == 0:
        _give(ROOT / "workspace", *owner)


def _give(folder: Path, uid: int, gid: int) -> None:
    """Makes what root has put there, a clone for instance, belong to the user that flows run as."""
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid == 0:
            os.chown(path, uid, gid, follow_symlinks=False)


def build() -> int:
    """Builds the images that are missing or out of date."""
    prepare()
    images.ensure()
    return 0


def up() -> int:
    """Builds what is missing, starts everything, and returns when it is usable."""
    prepare()
    images.ensure()
    keys.ensure()
    start = time.monotonic()
    progress = "auto" if sys.stderr.isatty() else "quiet"
    command = ("up", "--detach", "--wait", "--wait-timeout", str(START_TIMEOUT), "--remove-orphans")
    if run(*COMPOSE, "--progress", progress, *command):
        raise CommandError(explain_failure())
    say(f"\nOrionbox is up, after {time.monotonic() - start:.0f} s.\n{addresses()}")
    return 0


def ensure_up() -> None:
    """Starts the platform unless all of it runs already, from the images that the sources would give."""
    prepare()
    if images.ensure() or not is_up():
        up()


def is_up() -> bool:
    """Whether every long-running service is healthy."""
    healthy = {container["Service"] for container in containers() if container["Health"] == "healthy"}
    return healthy >= long_running()


def long_running() -> set[str]:
    """The services with a health check: all that keep running."""
    config = json.loads(output(*COMPOSE, "config", "--format", "json"))
    return {name for name, service in config["services"].items() if "healthcheck" in service}


def containers() -> list[dict[str, Any]]:
    """The platform's containers, stopped ones too, as `docker compose ps` describes them."""
    text = output(*COMPOSE, "ps", "--all", "--format", "json")
    if text.startswith("["):  # Compose 2.20; later ones print a line for each container
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line]


def explain_failure() -> str:
    """Which services are not as they should be, each with its last log lines."""
    parts = ["the platform did not start:"]
    for container in containers():
        fine = container["Health"] == "healthy" or (container["State"] == "exited" and container["ExitCode"] == 0)
        if fine or container["State"] == "created":
            continue
        log = subprocess.run(["docker", "logs", "--tail", "15", container["Name"]], capture_output=True, text=True)
        parts.append(f"  {container['Service']} ({container['Status']}):\n{last_lines(log.stdout + log.stderr, 15)}")
    if len(parts) == 1:
        parts.append("  compose said why, above")
    return "\n".join([*parts, "see more with: make logs SERVICE=name"])


def addresses() -> str:
    """Every service's address on this machine, and how to log in."""
    env = dotenv.load()
    rows = [
        ("Orion", f"http://localhost:{env['ORION_PORT']}", "no login"),
        ("pgAdmin", f"http://localhost:{env['PGADMIN_PORT']}", "no login; the warehouse is registered in it"),
        (
            "Postgres",
            f"localhost:{env['POSTGRES_PORT']}/ny_taxi",
            "user ny_taxi, password: see .env",
        ),
        ("Cloud Storage", f"http://localhost:{env['GCS_PORT']}", "no login; bucket prefect-de-zoomcamp"),
        ("BigQuery", f"http://localhost:{env['BIGQUERY_PORT']}", "no login, any project; dataset trips_data_all"),
    ]
    return "\n".join(f"  {name:<14} {url:<26} {login}" for name, url, login in rows)


def down() -> int:
    """Stops the platform; data stays."""
    prepare()
    remove_runs()
    return run(*COMPOSE, "--profile", "*", "down", "--remove-orphans")


def reset() -> int:
    """Deletes the platform's data, after saying so."""
    prepare()
    name = dotenv.load()["COMPOSE_PROJECT_NAME"]
    say(f"reset deletes all that platform {name} holds: Orion's runs and blocks, both databases, the bucket, BigQuery.")
    say("It keeps data/, workspace/, reports/ and .env.")
    if sys.stdin.isatty() and input("Delete it? [y/N] ").strip().lower() != "y":
        raise BadInputError("nothing was deleted")
    remove_runs()
    return run(*COMPOSE, "--profile", "*", "down", "--volumes", "--remove-orphans")


def remove_runs() -> None:
    """Ends the containers of flow runs: compose does not know them."""
    name = dotenv.load()["COMPOSE_PROJECT_NAME"]
    labels = ("--filter", f"label=orionbox.project={name}", "--filter", "label=orionbox.run=true")
    if runs := output("docker", "ps", "--all", "--quiet", *labels).split():
        output("docker", "rm", "--force", *runs)


def status() -> int:
    """Shows what runs, and where."""
    prepare()
    run(*COMPOSE, "ps", "--all", "--format", "table {{.Service}}\t{{.Status}}")
    say(f"\n{addresses()}" if is_up() else "\nnot all of it is healthy; start it with: make up")
    return 0


def logs() -> int:
    """Follows the logs, of all services or of SERVICE."""
    prepare()
    service = os.environ.get("SERVICE", "")
    follow = ["--follow"] if sys.stdout.isatty() else []
    return hand_over([*COMPOSE, "logs", "--tail", "200", *follow, *service.split()])


def shell() -> int:
    """Opens a shell where flows run."""
    ensure_up()
    return hand_over([*COMPOSE, "run", "--rm", *_terminal(), "flows"])


def psql() -> int:
    """Opens psql on the warehouse."""
    ensure_up()
    return hand_over([*COMPOSE, "exec", *_terminal(), "postgres", "psql", "--username=ny_taxi", "ny_taxi"])


def _terminal() -> list[str]:
    return [] if sys.stdin.isatty() else ["--no-TTY"]
