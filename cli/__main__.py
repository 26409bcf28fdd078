"""`python3 -m ctl COMMAND`: a command for each target of the Makefile; arguments come as environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from ctl import backup, bundle, cloud, data, inbox, jobs, restore, validity
from ctl.runtime import Runtime, choose
from ctl.shell import CommandError, say
from orionbox.errors import BadInputError

COMMANDS: dict[str, Callable[[Runtime], int]] = {
    "up": lambda runtime: runtime.up(),
    "down": lambda runtime: runtime.down(),
    "reset": lambda runtime: runtime.reset(),
    "status": lambda runtime: runtime.status(),
    "logs": lambda runtime: runtime.logs(),
    "shell": lambda runtime: runtime.shell(),
    "psql": lambda runtime: runtime.psql(),
    "build": lambda runtime: runtime.build(),
    "cloud-check": cloud.check,
    "run-etl": jobs.run_etl,
    "ingest": jobs.ingest,
    "data": data.fill,
    "inbox": inbox.show,
    "backup": backup.make,
    "restore": restore.restore,
    "bundle": bundle.make,
    "load": bundle.load,
}
TAKES_MONTHS = ("run-etl", "ingest", "data")
OTHERS_OUTPUT = ("logs", "shell", "psql")
"""Commands whose output is that of another program, perhaps read by a third: what we say goes elsewhere."""


def main(arguments: list[str]) -> int:
    """Runs one command; 2 says that the input was bad, 1 that something failed."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say(f"usage: python3 -m ctl {'|'.join(COMMANDS)}")
        return 2
    try:
        if arguments[0] in TAKES_MONTHS:
            data.wanted_files()  # what is typed wrong is said before anything else
        validity.check()
        runtime, reason = choose()
        print(f"runtime: {runtime.NAME} ({reason})", flush=True, file=_output(arguments[0]))
        if cloud.is_real():
            print(cloud.announcement(), flush=True, file=_output(arguments[0]))
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
