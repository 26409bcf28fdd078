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
from collections import Counter
from collections.abc import Sequence

from cli import messages
from cli.programs import hand_over, output, run, say
from cli.runtimes import folders, ports
from cli.runtimes.compose import (
    containers,
    dask,
    gateway,
    google_cloud,
    images,
    key_files,
    optional_services,
    readiness,
)
from cli.runtimes.compose.optional_services import Extra
from cli.settings import env_file
from orionbox.errors import CommandError

NAME = "compose"
INFRASTRUCTURE = "docker"

OLDEST_COMPOSE = (2, 20)
"""The first version with `include`."""
START_TIMEOUT = 300
"""Seconds in which every service must have become healthy."""
REMOVAL_TIMEOUT = 20
"""Seconds in which every container of a flow run must have gone."""
COMPOSE = ("docker", "compose")
ALL = (*COMPOSE, "--profile", "*")
"""The services of all profiles, be they asked for or not."""
EXTRAS = (dask.CLUSTER, gateway.GATEWAY, google_cloud.EMULATORS)


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
    folders.prepare()
    optional_services.choose_profiles(EXTRAS)
    _use(ports.kept(_wanted_ports(), ports.file_of(NAME)))


@functools.cache
def _wanted_ports() -> dict[str, int]:
    """The ports that .env asks for; asked before any is exchanged for a free one."""
    return {name: int(port) for name, port in env_file.load().items() if name.endswith("_PORT")}


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
    _start(EXTRAS)
    return 0


def _start(optional: Sequence[Extra] = (google_cloud.EMULATORS,)) -> None:
    """Starts everything, and ends those of the optional parts that are not wanted."""
    gateway.require_own_address()
    google_cloud.require()
    images.ensure()
    new_keys = key_files.ensure()
    google_cloud.copy_key()
    google_cloud.rehearse()
    for extra in optional:
        if not extra.is_wanted() and _remove(extra):
            say(extra.gone)
    if gateway.ensure_certificate():
        _remove(gateway.GATEWAY)
    start, healthy = time.monotonic(), readiness.healthy()
    settle_ports()
    progress = "auto" if sys.stderr.isatty() else "quiet"
    # A container that runs keeps the files that it was started with
    anew = ["--force-recreate"] if new_keys else []
    if run(*COMPOSE, "--progress", progress, "up", "--detach", "--remove-orphans", *anew):
        raise CommandError("the platform did not start: compose said why, above")
    readiness.wait_until_usable(start, START_TIMEOUT, healthy)
    say(f"\nOrionbox is up, after {time.monotonic() - start:.0f} s.\n{_addresses()}")


def settle_ports() -> None:
    """Finds free ports for what is asked for and does not run yet."""
    running, wanted = containers.running(), _wanted_ports()
    of_extras = {port for extra in EXTRAS for port in extra.ports}
    missing = set() if running else set(wanted) - of_extras
    for extra in EXTRAS:
        if extra.is_wanted() and not extra.runs_in(running):
            missing |= set(extra.ports)
    if missing:
        chosen = {name: port for name, port in wanted.items() if name in missing}
        _use(ports.settle(chosen, ports.file_of(NAME), dict.fromkeys(gateway.PAGES, gateway.address())))


def _addresses() -> str:
    running, settings = containers.running(), env_file.load()
    unused = {port for extra in EXTRAS if not extra.runs_in(running) for port in extra.ports}
    local = messages.addresses({name: value for name, value in settings.items() if name not in unused})
    return "\n".join([local, gateway.addresses(settings)]) if gateway.GATEWAY.runs_in(running) else local


def _remove(extra: Extra) -> bool:
    """Ends a part of the platform; True if it was there."""
    found = [container.name for container in containers.all_of_the_platform() if container.service in extra.services]
    if found:
        output("docker", "stop", *found)
        output("docker", "rm", *found)
    return bool(found)


def ensure_up() -> None:
    """Starts the platform unless all of it runs already, from the images that the sources would give."""
    prepare()
    if images.ensure() or not is_up():
        _start()


def is_up() -> bool:
    """Whether every long-running service is healthy, in as many containers as it shall have, on the cloud asked for."""
    healthy = Counter(container.service for container in containers.all_of_the_platform() if container.is_healthy)
    if google_cloud.EMULATORS.runs_in(healthy) and not google_cloud.EMULATORS.is_wanted():
        return False
    return all(healthy[service] == count for service, count in long_running().items())


def long_running() -> dict[str, int]:
    """The services with a health check, which is all that keep running: how many containers each shall have."""
    services = json.loads(output(*COMPOSE, "config", "--format", "json"))["services"]
    return {
        name: service.get("deploy", {}).get("replicas", 1)
        for name, service in services.items()
        if "healthcheck" in service
    }


def orion_url() -> str:
    """Orion's address."""
    return f"http://localhost:{env_file.load()['ORION_PORT']}"


def start_url() -> str:
    """The start page's address."""
    return f"http://localhost:{env_file.load()['START_PORT']}"


def flows_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in the flows image."""
    images.ensure("flows")
    return images.flows_command(module, *arguments)


def down() -> int:
    """Stops the platform; data stays."""
    prepare()
    remove_runs()
    return run(*ALL, "down", "--remove-orphans")


def reset() -> int:
    """Deletes the platform's data, after saying so."""
    prepare()
    messages.confirm_reset()
    remove_runs()
    ports.file_of(NAME).unlink(missing_ok=True)
    os.environ["CLOUD"] = "emulators"  # what they hold is among the data, whether they are in use or not
    return run(*ALL, "down", "--volumes", "--remove-orphans")


def remove_runs() -> None:
    """Ends the containers of flow runs: compose does not know them.

    Raises:
        CommandError: one cannot be removed.
    """
    name = env_file.load()["COMPOSE_PROJECT_NAME"]
    deadline = time.monotonic() + REMOVAL_TIMEOUT
    while runs := containers.runs_of(name):
        try:
            output("docker", "rm", "--force", *runs)
        except CommandError:  # as where the agent is removing it at this moment
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def status() -> int:
    """Shows what runs, and where."""
    prepare()
    run(*ALL, "ps", "--all", "--format", "table {{.Service}}\t{{.Status}}")
    say(f"\n{_addresses()}" if is_up() else "\nnot all of it is healthy; start it with: make up")
    return 0


def logs() -> int:
    """Follows the logs, of all services or of SERVICE."""
    prepare()
    service = os.environ.get("SERVICE", "")
    follow = ["--follow"] if sys.stdout.isatty() else []
    return hand_over([*ALL, "logs", "--tail", "200", *follow, *service.split()])


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
