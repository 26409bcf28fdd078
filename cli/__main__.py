"""`./orionbox COMMAND`: reads arguments and settings, chooses the runtime, and hands them to the command."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

from cli import check, maintainer_commands, make_variables, messages, options, status, taxi_files
from cli.backup import backup, restore
from cli.bundle import bundle, load
from cli.doctor import checks
from cli.environments import inherited
from cli.error_reports import exit_code
from cli.programs import say, user_path
from cli.prune import prune
from cli.runs import inbox, run
from cli.runtimes import choose, platforms, restore_note
from cli.runtimes.embedded.users import account
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import OrionboxError
from orionbox.trips.months import TripFile

NEEDS_WHOLE_DATA = ("run-etl", "ingest", "check", "shell", "psql", "backup", "load", "prune", "inbox")
"""Commands that refuse a platform whose restore was interrupted."""
PASSES_OUTPUT_THROUGH = ("logs", "shell", "psql", "inbox")
"""Commands whose standard output belongs to another program; our own lines go to standard error."""


@dataclass
class Call:
    """One command: its options, settings and runtime. The runtime is chosen on first use."""

    options: Namespace
    settings: Settings
    runtime_name: str

    @cached_property
    def runtime(self) -> Runtime:
        """The runtime. The first use prints the choice and its reason."""
        chosen, reason = self._choice
        chosen.leave_root()
        print(f"runtime: {chosen.name} ({reason})", flush=True, file=self._output)
        if self.settings.is_real_cloud:
            print(messages.real_cloud(self.settings.flow_settings), flush=True, file=self._output)
        return chosen

    @cached_property
    def _choice(self) -> tuple[Runtime, str]:
        return choose.choose(self.runtime_name, self.settings)

    def leave_root(self) -> None:
        """Starts this command again as another user if this is root, and the runtime does not work as root."""
        try:
            chosen, _ = self._choice
        except OrionboxError:  # the platform is on Docker, which does not answer and is not needed
            return
        chosen.leave_root()

    @cached_property
    def months(self) -> list[TripFile]:
        """The months that the user named."""
        return taxi_files.parse_months(self.options.color, self.options.year, self.options.months)

    @property
    def file(self) -> Path | None:
        """The file that the user named, with `~` expanded."""
        return user_path(self.options.file) if self.options.file else None

    @property
    def _output(self) -> TextIO:
        is_for_program = self.options.command in PASSES_OUTPUT_THROUGH or getattr(self.options, "json", False)
        return sys.stderr if is_for_program else sys.stdout


def _up(call: Call) -> int:
    if account.INSTEAD_OF_ROOT not in os.environ and not checks.is_ready_for_start(call.settings, call.runtime_name):
        return 1
    restore.start_or_complete(call.runtime)
    if found := status.obstacles_in_orion(call.runtime):
        say("\n" + "\n".join(found))
    _say_what_else_there_is(call.runtime, only_running=True)
    return 0


def _down(call: Call) -> int:
    call.runtime.down()
    _say_what_else_there_is(call.runtime)
    return 0


def _say_what_else_there_is(runtime: Runtime, only_running: bool = False) -> None:
    if notes := platforms.describe(runtime, only_running):
        say(f"\n{notes}")


def _build(call: Call) -> int:
    call.runtime.build()
    return 0


def _reset(call: Call) -> int:
    call.runtime.prepare()
    call.runtime.require_own()
    restore_note.read(call.runtime)  # refuses while a restore is running
    messages.confirm_reset(call.settings, call.options.yes)
    call.runtime.reset()
    restore_note.remove(call.runtime)
    _say_what_else_there_is(call.runtime)
    return 0


def _psql(call: Call) -> int:
    platforms.require(call.runtime, "there are no tables to ask")
    return call.runtime.psql(call.options.sql)


def _inbox(call: Call) -> int:
    platforms.require(call.runtime, "there are no messages")
    return inbox.show(call.runtime)


def _backup(call: Call) -> int:
    platforms.require(call.runtime, "there is nothing to back up")
    target = user_path(call.options.to) if call.options.to else None
    return backup.write_backup(call.runtime, call.options.secrets, target)


def _prune(call: Call) -> int:
    platforms.require(call.runtime, "there is nothing to prune")
    return prune.prune(call.runtime, call.options.days, call.options.dry_run)


COMMANDS: Mapping[str, Callable[[Call], int]] = {
    "up": _up,
    "run-etl": lambda call: run.run_etl(call.months, call.runtime, call.options.force),
    "ingest": lambda call: run.ingest(call.months, call.runtime, call.options.force),
    "down": _down,
    "status": lambda call: status.show_status(call.runtime, call.options.json),
    "logs": lambda call: status.show_logs(
        call.runtime, call.options.service, call.options.tail, follow=not call.options.no_follow
    ),
    "check": lambda call: check.check(call.runtime, call.options.json),
    "inbox": _inbox,
    "shell": lambda call: call.runtime.shell(),
    "psql": _psql,
    "data": lambda call: taxi_files.import_or_get(
        call.options.from_, lambda: call.months, lambda: call.runtime, call.options.force
    ),
    "backup": _backup,
    "restore": lambda call: restore.restore(call.runtime, call.file, call.options.without_blocks, call.options.yes),
    "prune": _prune,
    "bundle": lambda call: bundle.write_bundle(call.runtime),
    "load": lambda call: load.load(call.runtime, call.file, call.options.yes),
    "reset": _reset,
    "build": _build,
}


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code: 2 for bad input, 1 for a failure, 130 for an interruption."""
    return exit_code(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    for problem in inherited.certificate_problems():
        print(problem, file=sys.stderr)
    typed, by_make = dict(os.environ), "--make" in arguments
    if by_make:
        arguments, typed = _from_make(arguments[0], typed)
    found = options.parse(arguments, env_file.version())
    if not found.command or found.command == "help":
        say(options.overview("make {}" if by_make else "./orionbox {}"))
        return 0 if found.command else 2
    if options.BY_NAME[found.command].group == "develop" and found.command not in COMMANDS:
        return maintainer_commands.run_maintainer_command(found)
    if getattr(found, "task_runner", ""):
        typed["TASK_RUNNER"] = found.task_runner
    runtime = found.runtime or typed.get("RUNTIME", "")
    if found.command == "doctor":  # doctor reads the settings itself, because they may be invalid
        return checks.doctor(typed, runtime, found.quick)
    call = Call(found, Settings.read(typed), runtime)
    env_file.export(inherited.ENGINE)
    if hasattr(found, "months") and not getattr(found, "from_", ""):
        _ = call.months  # refuses invalid months before anything else
    if found.command == "data" and not os.geteuid():  # the only one that may write files without its runtime
        call.leave_root()
    if found.command in NEEDS_WHOLE_DATA:
        restore_note.require_none(call.runtime)
    return COMMANDS[found.command](call)


def _from_make(command: str, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Returns the arguments for make's variables, and the environment with its settings added."""
    variables = make_variables.read(environment.get("MAKEFLAGS", ""))
    settings = [*env_file.parse(env_file.EXAMPLE), *env_file.OLD_NAMES, "RUNTIME"]
    arguments = [command, *make_variables.arguments(command, variables, settings)]
    return arguments, {**environment, **{name: variables[name] for name in settings if name in variables}}
