"""The compose runtime, the platform as a whole: up, down, and what runs in it."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from typing import Any

from ctl import checkout, dotenv, images, keys, notices, ports
from ctl.shell import CommandError, hand_over, last_lines, output, run, say

NAME = "compose"
INFRASTRUCTURE = "docker"

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
    checkout.prepare()
    _use(ports.kept(_wanted_ports(), ports.file_of(NAME)))


@functools.cache
def _wanted_ports() -> dict[str, int]:
    """The ports that .env asks for; asked before any is exchanged for a free one."""
    return {name: int(port) for name, port in dotenv.load().items() if name.endswith("_PORT")}


def _use(numbers: dict[str, int]) -> None:
    """Tells compose, and `dotenv.load`, of the platform's ports."""
    os.environ.update({name: str(port) for name, port in numbers.items()})


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
    if not any(container["State"] == "running" for container in containers()):
        _use(ports.settle(_wanted_ports(), ports.file_of(NAME)))
    progress = "auto" if sys.stderr.isatty() else "quiet"
    command = ("up", "--detach", "--wait", "--wait-timeout", str(START_TIMEOUT), "--remove-orphans")
    if run(*COMPOSE, "--progress", progress, *command):
        raise CommandError(explain_failure())
    say(f"\nOrionbox is up, after {time.monotonic() - start:.0f} s.\n{notices.addresses(dotenv.load())}")
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


def orion_url() -> str:
    """Orion's address."""
    return f"http://localhost:{dotenv.load()['ORION_PORT']}"


def flows_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in the flows image."""
    images.ensure("flows")
    return images.flows_command(module, *arguments)


def down() -> int:
    """Stops the platform; data stays."""
    prepare()
    remove_runs()
    return run(*COMPOSE, "--profile", "*", "down", "--remove-orphans")


def reset() -> int:
    """Deletes the platform's data, after saying so."""
    prepare()
    notices.confirm_reset()
    remove_runs()
    ports.file_of(NAME).unlink(missing_ok=True)
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
    say(f"\n{notices.addresses(dotenv.load())}" if is_up() else "\nnot all of it is healthy; start it with: make up")
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
