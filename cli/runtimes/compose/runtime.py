"""The compose runtime: the platform's services as containers."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from cli import messages
from cli.programs import say
from cli.runtimes import folders, ownership, ports
from cli.runtimes.compose import (
    containers,
    engine,
    gateway,
    google_cloud,
    images,
    key_files,
    optional_services,
    readiness,
)
from cli.runtimes.compose.compose import ALL_PROFILES, Compose
from cli.runtimes.compose.containers import Container
from cli.runtimes.compose.optional_services import EMULATORS, GATEWAY, OptionalServices
from cli.runtimes.compose.stores import ComposeStores
from cli.settings.settings import Settings
from orionbox.errors import CommandError, printable

UNUSABLE_IN_PATH = ":"
"""Docker splits the mounts of flow runs there."""
CLEAR_LINE, TAB = "\x1b[2K", "\t"
"""ECMA-48: EL."""
READ_INBOX = (
    "import pathlib; file = pathlib.Path('/var/lib/inbox/messages.jsonl'); "
    "print(file.read_text() if file.exists() else '')"
)


class ComposeRuntime:
    """A platform on Docker Compose."""

    name: ClassVar[str] = "compose"
    infrastructure: ClassVar[str] = "docker"

    def __init__(self, settings: Settings) -> None:
        self._user_settings = settings
        self.compose = Compose(settings.with_ports(ports.saved_ports(settings.ports, self._ports_file)))
        self.stores = ComposeStores(self)

    @property
    def _ports_file(self) -> Path:
        return ports.ports_file(self._user_settings, self.name)

    @property
    def settings(self) -> Settings:
        """The settings, with the ports that the platform really uses."""
        return self.compose.settings

    def with_values(self, **values: str) -> ComposeRuntime:
        """Returns the same platform with other settings."""
        return ComposeRuntime(self._user_settings.with_values(**values))

    def prepare(self) -> None:
        """Checks Docker and Compose; creates .env and the user's folders.

        Raises:
            CommandError: no engine answers, or its Compose is too old.
        """
        folders.require_usable_path(UNUSABLE_IN_PATH)
        engine.require()
        folders.prepare(self._user_settings)

    def leave_root(self) -> None:
        """Does nothing: containers run as other users, whoever starts them."""

    def require_own(self) -> None:
        """Refuses a platform of this name that belongs to another checkout."""
        ownership.require(self.settings)

    def exists(self) -> bool:
        """Returns whether this checkout has the platform, running or not; refuses one of another checkout."""
        return ownership.require(self.settings)

    def claim(self) -> bool:
        """Claims the platform's name on this engine, before anything is started; returns whether it was moved."""
        return ownership.claim(self.settings)

    def build(self) -> None:
        """Builds the images that are missing or out of date."""
        self.prepare()
        images.ensure(self.compose)

    def up(self) -> None:
        """Builds what is missing, starts everything, and returns when it is usable."""
        self.prepare()
        folders.make_readable()
        self.claim()
        self._start(optional_services.ALL)

    def ensure_up(self) -> None:
        """Starts the platform unless all of it is running, from up-to-date images."""
        self.prepare()
        folders.make_readable()
        was_moved = self.claim()
        # The runs of a platform that was moved would mount the folders from before
        if images.ensure(self.compose) or was_moved or not self.is_up():
            self._start((EMULATORS,))

    def ensure_stores(self) -> None:
        """Starts Postgres and the emulators unless they are healthy; no other service need be."""
        self.prepare()
        self.claim()
        names = ["postgres", *(EMULATORS.services if EMULATORS.is_enabled(self.settings) else ())]
        found = [one for one in containers.list_services(self.settings.platform) if one.is_healthy]
        if set(names) <= {one.service for one in found}:
            return
        start = time.monotonic()
        images.ensure(self.compose, *names)
        self.ensure_keys()
        self.compose_up(*names)
        readiness.wait_until_usable(self.settings.platform, start, {one.id for one in found}, names)

    def ensure_keys(self) -> bool:
        """Writes the keys in secrets/ that are missing; containers mount them. Returns whether any is new."""
        are_new = key_files.ensure(self.compose)
        google_cloud.copy_key(self.settings)
        return are_new

    def _start(self, optional: Sequence[OptionalServices]) -> None:
        """Starts everything, and removes the optional services that no setting enables."""
        gateway.require_own_address(self.settings)
        google_cloud.require(self.settings)
        for problem in self.compose.proxies().problems:
            say(problem)
        images.ensure(self.compose)
        has_new_keys = self.ensure_keys()
        self._remove_changed_networks()
        google_cloud.require_access(self.compose)
        for one in optional:
            if not one.is_enabled(self.settings) and containers.remove(self.settings.platform, one.services):
                say(one.removed_message)
        if gateway.ensure_certificate(self.compose):
            containers.remove(self.settings.platform, GATEWAY.services)
        self._start_containers(has_new_keys)

    def _start_containers(self, has_new_keys: bool) -> None:
        start, platform = time.monotonic(), self.settings.platform
        healthy = {container.id for container in containers.list_services(platform) if container.is_healthy}
        # A running container keeps the files that it was started with
        self.compose_up("--remove-orphans", *(["--force-recreate"] if has_new_keys else []))
        readiness.wait_until_usable(platform, start, healthy)
        say(f"\nOrionbox is running, after {time.monotonic() - start:.0f} s.\n{self.addresses()}")

    def _remove_changed_networks(self) -> None:
        """Stops everything if the settings have changed the networks: Compose never changes one that exists."""
        platform, wanted = self.settings.platform, self.compose.networks()
        found = containers.list_networks(platform)
        if any(wanted.get(name, internal) != internal for name, internal in found.items()):
            way = "lead nowhere now" if wanted.get(platform) else "lead outside now"
            say(f"the platform's networks {way}: starting all services anew, and ending the runs")
            containers.remove_runs(platform)
            self._compose_down("down", "--remove-orphans")

    def compose_up(self, *arguments: str) -> None:
        """Runs `docker compose up` on free ports; if another program takes one meanwhile, repeats it with another port.

        Args:
            arguments: options and services.

        Raises:
            CommandError: Compose fails for another reason, or ports are taken too often.
        """
        progress, taken = "auto" if sys.stderr.isatty() else "quiet", set[int]()
        with ports.exclusive_lock(), ports.Reservations() as reservations:
            for _ in range(ports.START_TRIES):
                self._choose_ports(reservations, taken)
                if not self.compose.run("--progress", progress, "up", "--detach", *arguments):
                    return
                own = optional_services.enabled_ports(self.settings).values()
                new = containers.refused_ports(self.settings.platform).intersection(own) - taken
                if not new:
                    break
                taken |= new
        raise CommandError("the platform did not start; Compose's message is above")

    def _missing_ports(self, found: Iterable[Container]) -> set[str]:
        """Returns the settings of the ports on which their own service cannot be reached in any of these containers."""
        published: dict[str, set[int]] = {}
        for one in found:
            published.setdefault(one.service, set()).update(containers.published_ports([one]))
        enabled = optional_services.enabled_ports(self.settings)
        return {
            name
            for name, port in enabled.items()
            if port not in published.get(optional_services.SERVICE_OF_PORT[name], ())
        }

    def _choose_ports(self, reservations: ports.Reservations, taken: Collection[int]) -> None:
        """Chooses free ports for the enabled services that are not running on theirs."""
        missing = self._missing_ports(containers.list_services(self.settings.platform))
        preferred, file = self._user_settings.ports, self._ports_file
        open_to_others = dict.fromkeys(gateway.PAGES, self._user_settings["BIND_ADDRESS"])
        chosen = ports.choose(preferred, file, reservations, open_to_others, taken, privileged=True, names=missing)
        self.compose = Compose(self.settings.with_ports(chosen))

    def is_up(self) -> bool:
        """Returns whether every long-running service is healthy, in as many containers as it should have."""
        found = containers.list_services(self.settings.platform)
        healthy = Counter(container.service for container in found if container.is_healthy)
        if EMULATORS.is_running(healthy) and not EMULATORS.is_enabled(self.settings):
            return False
        if self._missing_ports(found):
            return False
        return all(healthy[service] == count for service, count in self._long_running().items())

    def _long_running(self) -> dict[str, int]:
        """Returns the services with a health check, and how many containers each should have."""
        services = self.compose.services()
        replicas = {name: service.get("deploy", {}).get("replicas", 1) for name, service in services.items()}
        return {name: count for name, count in replicas.items() if "healthcheck" in services[name]}

    def down(self) -> None:
        """Stops the platform; data stays."""
        self.prepare()
        if self.exists():
            containers.remove_runs(self.settings.platform)
            self._compose_down("down", "--remove-orphans")
        else:
            say(f"there is no platform {self.settings.platform} on Docker; nothing was stopped")

    def reset(self) -> None:
        """Stops the platform and deletes its data, including that of unused emulators."""
        self.prepare()
        if self.exists():
            containers.remove_runs(self.settings.platform)
            self.with_values(CLOUD="emulators")._compose_down("down", "--volumes", "--remove-orphans")
            ownership.release(self._user_settings)
        else:
            say(f"there is no platform {self.settings.platform} on Docker; nothing was deleted")

    def _compose_down(self, *command: str) -> None:
        if self.compose.run(*ALL_PROFILES, *command):
            raise CommandError("Compose did not stop everything; its message is above")

    def status(self) -> dict[str, str]:
        """Returns the state of each service in Docker's words; `healthy` if it is healthy."""
        found = sorted(containers.list_services(self.settings.platform), key=lambda one: one.service)
        return {
            one.service: messages.HEALTHY if one.is_healthy else "done" if one.has_succeeded else one.status
            for one in found
        }

    def addresses(self) -> str:
        """Lists the addresses of the services that are running."""
        running = containers.running(self.settings.platform)
        absent = {port for one in optional_services.ALL if not one.is_running(running) for port in one.ports}
        present = {name: port for name, port in self.settings.ports.items() if name not in absent}
        lines = [messages.addresses(self.settings, present)]
        return "\n".join([*lines, gateway.addresses(self.settings)] if GATEWAY.is_running(running) else lines)

    def service_names(self) -> set[str]:
        """Returns the names of all services that can have a log."""
        return set(self.compose.services("--profile", "dask", "--profile", "gateway"))

    def show_logs(self, services: Sequence[str], tail: int, follow: bool) -> int:
        """Prints the end of the logs; flows write there, too, so control characters are shown as text."""
        following = ["--follow"] if follow else []
        command = ["--ansi", "never", *ALL_PROFILES, "logs", "--tail", str(tail), *following, *services]
        # Compose 2.26 begins each line by clearing it, whatever `--ansi` and `--no-color` say
        return self.compose.relay(lambda line: say(printable(line.removeprefix(CLEAR_LINE), keep=TAB)), *command)

    def shell(self) -> int:
        """Opens a shell in the flows image."""
        self.ensure_up()
        return self.compose.replace_process("run", "--rm", *_terminal(), "flows")

    def psql(self, sql: str = "") -> int:
        """Opens psql on the warehouse, or runs `sql`; an error in SQL that does not come from a terminal ends it."""
        self.ensure_up()
        program = ["psql", "--username=ny_taxi", "ny_taxi"]
        if sql or not sys.stdin.isatty():
            program.append("--set=ON_ERROR_STOP=1")
        if sql:
            program.append(f"--command={sql}")
        return self.compose.replace_process("exec", *_terminal(), "postgres", *program)

    def inbox(self) -> str:
        """Returns the messages that the `internet` service has kept."""
        self.ensure_up()
        return self.compose.output("exec", "-T", "internet", "python3", "-c", READ_INBOX)

    def run_module(self, service: str, module: str, *arguments: str) -> str:
        """Runs a Python module in the container of a service; returns what it prints."""
        return self.compose.output("exec", "-T", service, "python", "-m", module, *arguments)

    def flows_command(self, module: str, *arguments: str) -> list[str]:
        """Returns the command that runs a module in the flows image."""
        images.ensure(self.compose, "flows")
        return images.module_command(self.compose, "flows", module, *arguments)


def _terminal() -> list[str]:
    return [] if sys.stdin.isatty() else ["--no-TTY"]
