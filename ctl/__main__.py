"""`python3 -m ctl COMMAND`: a command for each target of the Makefile; arguments come as environment variables."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ctl import data, inbox, jobs, platform
from ctl.shell import CommandError, say
from orionbox.errors import BadInputError

COMMANDS: dict[str, Callable[[], int]] = {
    "up": platform.up,
    "down": platform.down,
    "reset": platform.reset,
    "status": platform.status,
    "logs": platform.logs,
    "shell": platform.shell,
    "psql": platform.psql,
    "build": platform.build,
    "run-etl": jobs.run_etl,
    "ingest": jobs.ingest,
    "data": data.fill,
    "inbox": inbox.show,
}


def main(arguments: list[str]) -> int:
    """Runs one command; 2 says that the input was bad, 1 that something failed."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say(f"usage: python3 -m ctl {'|'.join(COMMANDS)}")
        return 2
    try:
        return COMMANDS[arguments[0]]()
    except BadInputError as error:
        say(str(error))
        return 2
    except CommandError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
