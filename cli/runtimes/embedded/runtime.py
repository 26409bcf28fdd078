"""The embedded runtime: the platform's services as plain processes, for a machine without Docker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from cli import messages
from cli.environments import proxies
from cli.programs import ROOT, output, replace_process, say
from cli.runtimes import checkout, folders, listeners, ports
from cli.runtimes.embedded import health, logs, processes, start, unsupported_settings, variables, virtual_environments
from cli.runtimes.embedded.bootstrap import Bootstrap
from cli.runtimes.embedded.stores import EmbeddedStores
from cli.runtimes.embedded.users import account
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.errors import OrionboxError
from orionbox.files import delete_folder

UNUSABLE_IN_PATH = ':"$`\\?'
"""PATH is split at a colon, PostgreSQL's initdb hands its path to a shell, and DuckDB takes what follows a `?` off."""
STORES = ("postgres", "gcs", "bigquery")
STUDENT_SHELL = ROOT / "services/flows/bin/student-shell"


class EmbeddedRuntime:
    """A platform of plain processes."""

    name: ClassVar[str] = variables.RUNTIME
    infrastructure: ClassVar[str] = "process"

    def __init__(self, settings: Settings) -> None:
        self._user_settings = settings
        self.stores = EmbeddedStores(self)

    @property
    def settings(self) -> Settings:
        """The settings, with the ports that the platform really uses."""
        return variables.with_chosen_ports(self._user_settings)

    def prepare(self) -> None:
        """Creates .env and the user's folders."""
        folders.require_usable_path(UNUSABLE_IN_PATH)
        folders.prepare(self._user_settings)

    def leave_root(self) -> None:
        """Starts this command again as another user, if this is root; ends what an older version runs as root.

        Raises:
            BadInputError: nothing was started yet, and the settings need Docker: no folder has been given away.
        """
        if os.geteuid():
            return
        if not self.exists():
            unsupported_settings.refuse(self._user_settings)
        if processes.is_roots(self._user_settings):
            say("the platform was running as root; stopping it")
            with start.exclusive_lock():
                start.stop(self._user_settings)
        account.leave_root(self._user_settings)

    def require_own(self) -> None:
        """Refuses a platform that another user is running in this checkout."""
        processes.require_own_user(self.settings)

    def exists(self) -> bool:
        """Returns whether the platform was ever started, and not reset since."""
        return variables.data(self._user_settings).exists()

    def build(self) -> None:
        """Builds the virtual environments that are missing or out of date.

        Raises:
            BadInputError: this runtime does not support a setting.
            CommandError: this machine lacks a program that they need.
        """
        self.require_own()
        unsupported_settings.refuse(self._user_settings)
        listeners.require()
        self.prepare()
        with start.exclusive_lock():
            virtual_environments.ensure()

    def up(self) -> None:
        """Starts what is not healthy, and returns when everything is usable."""
        self.build()
        for problem in proxies.for_processes(os.environ).problems if self.settings.has_internet else ():
            say(problem)
        began = time.monotonic()
        with start.exclusive_lock():
            self._repeat_with_other_ports(self._start)
        say(f"\nOrionbox is running, after {time.monotonic() - began:.0f} s.\n{self.addresses()}")

    def _start(self) -> None:
        """Starts what is not healthy, and waits until everything is usable."""
        if start.is_started(self.settings):
            names = [name for name in processes.services() if not health.is_healthy(self.settings, name)]
        else:
            start.start(self._user_settings)
            names = list(processes.services())
        checkout.settle(ROOT)
        bootstrap = Bootstrap(self.settings)
        try:
            health.Readiness(self.settings, names, bootstrap).wait()
        finally:
            bootstrap.end()

    def _start_postgres(self) -> None:
        health.Readiness(start.start(self._user_settings, only_postgres=True), ["postgres"]).wait()

    def _repeat_with_other_ports(self, start_services: Callable[[], None]) -> None:
        """Starts services; if another program takes one of their ports meanwhile, starts them again, on other ports.

        Raises:
            PortTakenError: that has happened too often.
        """
        for tries_left in reversed(range(ports.START_TRIES)):
            try:
                return start_services()
            except processes.PortTakenError as error:
                start.stop(self._user_settings)
                if not tries_left:
                    raise
                say(f"  {error.text} while the platform was starting; starting again")

    def ensure_up(self) -> None:
        """Starts the platform unless all of it is running, from the current sources."""
        self.build()
        if not self.is_up():
            self.up()

    def is_up(self) -> bool:
        """Returns whether every service is healthy, and was started from the current settings and sources."""
        settings = self.settings
        with waiting_for("the services to answer"):
            healthy = (health.is_healthy(settings, name) for name in processes.services())
            return start.is_started(settings) and all(healthy)

    def ensure_stores(self) -> None:
        """Starts the platform unless its stores are healthy; no other service need be."""
        self.require_own()
        if self._has_healthy_stores():
            return
        try:
            self.up()
        except OrionboxError as error:
            if not self._has_healthy_stores():
                raise
            say(f"{error.text.splitlines()[0]}\nbut its stores are running")

    def _has_healthy_stores(self) -> bool:
        settings = self.settings
        with waiting_for("the stores to answer"):
            return all(health.is_healthy(settings, name) for name in STORES)

    def start_postgres(self) -> None:
        """Starts Postgres, and nothing that uses it."""
        self.build()
        with start.exclusive_lock():
            self._repeat_with_other_ports(self._start_postgres)

    def down(self) -> None:
        """Stops the platform; data stays."""
        self.prepare()
        self.require_own()
        with start.exclusive_lock():
            start.stop(self._user_settings)

    def reset(self) -> None:
        """Stops the platform and deletes its data."""
        self.prepare()
        with start.exclusive_lock():
            start.stop(self._user_settings)
            delete_folder(variables.folder(self._user_settings))
            checkout.forget(ports.ports_file(self._user_settings, self.name))

    def addresses(self) -> str:
        """Lists the addresses of the services."""
        settings = self.settings
        return messages.addresses(settings, {name: settings[name] for name in variables.PORTS})

    def service_names(self) -> set[str]:
        """Returns the names of all processes that have a log."""
        return {*processes.services(), processes.BOOTSTRAP, processes.SUPERVISOR}

    def status(self) -> dict[str, str]:
        """Returns the state of each service in a word, and the supervisor's, if it has stopped."""
        settings = self.settings
        with waiting_for("the services to answer"):
            states = {name: health.state(settings, name) for name in processes.services()}
        if set(states.values()) != {"stopped"} and not processes.is_running(settings, processes.SUPERVISOR):
            states[processes.SUPERVISOR] = "stopped"
        if taken := processes.taken_port(settings):
            states[processes.SUPERVISOR] = f"stopped, because {taken}"
        return states

    def show_logs(self, services: Sequence[str], tail: int, follow: bool) -> int:
        """Prints the last lines of the logs; with `follow` also new lines, until it is interrupted."""
        everything = (processes.SUPERVISOR, processes.BOOTSTRAP, *processes.services())
        logs.show(self._user_settings, services or everything, tail, follow)
        return 0

    def shell(self) -> int:
        """Opens a shell with the flows' packages and settings."""
        self.ensure_up()
        environment = variables.environment_of_shell(self.settings)
        replace_process(["sh", str(STUDENT_SHELL), str(variables.FLOWS), str(ROOT / "workspace")], environment)

    def psql(self, sql: str = "") -> int:
        """Opens psql on the warehouse, or runs `sql`; an error in SQL that does not come from a terminal ends it."""
        self.ensure_up()
        settings = self.settings
        environment = variables.environment_of_terminal(settings, {"PGPASSWORD": settings["WAREHOUSE_DB_PASSWORD"]})
        command = ["psql", "--host=127.0.0.1", f"--port={settings['POSTGRES_PORT']}", "--username=ny_taxi", "ny_taxi"]
        if sql or not sys.stdin.isatty():
            command.append("--set=ON_ERROR_STOP=1")
        if not sql:
            replace_process(command, environment)
        # Through standard input: other users can see a command line, and with --command psql would exit with 1, not 3
        return subprocess.run(command, cwd=ROOT, env=environment, input=f"{sql}\n", text=True).returncode

    def inbox(self) -> str:
        """Returns the messages that the stand-in for Slack has kept."""
        self.ensure_up()
        file = variables.inbox(self.settings)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def run_module(self, service: str, module: str, *arguments: str) -> str:
        """Runs a Python module with the variables that all services have; returns what it prints."""
        command = [virtual_environments.program("python"), "-m", module, *arguments]
        return output(*command, environment=variables.environment_of_services(self.settings))

    def flows_command(self, module: str, *arguments: str) -> list[str]:
        """Returns the command that runs a module with the flows' packages."""
        self.build()
        return [virtual_environments.program("python"), "-E", "-m", module, *arguments]
