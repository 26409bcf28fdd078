"""`./orionbox COMMAND`: a command for each target of the Makefile; arguments come as environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from cli import taxi_files
from cli.backup import backup, restore
from cli.bundle import bundle, load
from cli.programs import say
from cli.runs import inbox, run
from cli.runtimes.choose import choose
from cli.runtimes.compose import google_cloud
from cli.runtimes.runtime import Runtime
from cli.settings import rules, settings
from orionbox.errors import BadInputError, CommandError

COMMANDS: dict[str, Callable[[Runtime], int]] = {
    "up": lambda runtime: runtime.up(),
    "down": lambda runtime: runtime.down(),
    "reset": lambda runtime: runtime.reset(),
    "status": lambda runtime: runtime.status(),
    "logs": lambda runtime: runtime.logs(),
    "shell": lambda runtime: runtime.shell(),
    "psql": lambda runtime: runtime.psql(),
    "build": lambda runtime: runtime.build(),
    "cloud-check": google_cloud.check,
    "run-etl": run.run_etl,
    "ingest": run.ingest,
    "data": taxi_files.fill,
    "inbox": inbox.show,
    "backup": backup.make,
    "restore": restore.restore,
    "bundle": bundle.make,
    "load": load.load,
}
TAKES_MONTHS = ("run-etl", "ingest", "data")
OTHERS_OUTPUT = ("logs", "shell", "psql")
"""Commands whose output is that of another program, perhaps read by a third: what we say goes elsewhere."""


def main(arguments: list[str]) -> int:
    """Runs one command; 2 says that the input was bad, 1 that something failed."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say(f"usage: ./orionbox {'|'.join(COMMANDS)}")
        return 2
    try:
        if arguments[0] in TAKES_MONTHS:
            taxi_files.wanted_files()  # what is typed wrong is said before anything else
        rules.check()
        runtime, reason = choose()
        print(f"runtime: {runtime.NAME} ({reason})", flush=True, file=_output(arguments[0]))
        if settings.is_real():
            print(settings.announcement(), flush=True, file=_output(arguments[0]))
        return COMMANDS[arguments[0]](runtime)
    except BadInputError as error:
        say(str(error))
        return 2
    except CommandError as error:
        say(str(error))
        return 1
    except BrokenPipeError:  # as by `make status | head -1`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _output(command: str) -> TextIO:
    return sys.stderr if command in OTHERS_OUTPUT else sys.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
