"""The command line: every command, its options, and the variables by which make passes them.

They are defined only here. `--help`, the list that `make` prints and the refusal of unknown variables are generated
from this table; a test compares the README's table with it.
"""

from __future__ import annotations

import argparse
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from orionbox.errors import BadInputError, did_you_mean

GROUPS = {"run": "Run", "look": "Inspect", "work": "Use", "keep": "Keep", "develop": "Develop"}
"""Groups of commands, in the order in which they are shown."""


@dataclass(frozen=True)
class Option:
    """An option; a positional argument if its name has no dashes."""

    name: str
    help: str
    variable: str = ""
    """The make variable that sets it; empty if there is none."""
    metavar: str = ""
    """The name of its value; empty for an option without one."""
    default: str = ""
    choices: tuple[str, ...] = ()
    is_list: bool = False
    """Whether it takes any number of values."""
    short: str = ""
    enabling_value: str = "yes"
    """For an option without a value: the value of the make variable that turns it on."""

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it."""
        return bool(self.metavar) or self.is_positional

    @property
    def destination(self) -> str:
        """The attribute of the parsed arguments."""
        name = self.name.lstrip("-").replace("-", "_")
        return f"{name}_" if keyword.iskeyword(name) else name

    @property
    def is_positional(self) -> bool:
        """Whether it is a positional argument."""
        return not self.name.startswith("-")


@dataclass(frozen=True)
class Command:
    """A command."""

    name: str
    group: str
    help: str
    options: tuple[Option, ...] = ()
    is_for_maintainers: bool = False
    """Whether only `dev-help` shows it."""


COLOR = Option("--color", "color of the taxis", "COLOR", "COLOR", "green")
YEAR = Option("--year", "year of the months", "YEAR", "YEAR", "2021")
MONTHS = Option("--months", "months, separated by commas", "MONTHS", "MONTHS", "1,2")
A_MONTH = (COLOR, YEAR, MONTHS)
FORCE = Option("--force", "replace real data by generated data or an excerpt", "FORCE")
TASK_RUNNER = Option("--task-runner", "where months run", "TASK_RUNNER", "RUNNER", choices=("threads", "dask"))
ROUNDS = Option("--rounds", "how often", "ROUNDS", "NUMBER")
ONLY = Option("--only", "run only these, separated by commas", "ONLY", "NAMES")

COMMANDS = (
    Command("help", "", "list the commands"),
    Command("up", "run", "build what is missing and start everything", (TASK_RUNNER,)),
    Command("run-etl", "run", "run the main job: web to GCS to BigQuery and Postgres", (*A_MONTH, FORCE, TASK_RUNNER)),
    Command("ingest", "run", "load CSV files straight into Postgres", (*A_MONTH, FORCE)),
    Command("down", "run", "stop everything; data stays"),
    Command(
        "status",
        "look",
        "show what is running, and where",
        (Option("--json", "print JSON instead of a table", "JSON"),),
    ),
    Command(
        "logs",
        "look",
        "follow the logs of all services, or of some",
        (
            Option("service", "services to show", "SERVICE", "SERVICE", is_list=True),
            Option("--tail", "number of past lines to show", "TAIL", "LINES", "200"),
            Option("--no-follow", "print the past lines and exit", "NO_FOLLOW"),
        ),
    ),
    Command(
        "check",
        "look",
        "show what you have achieved in the lesson, and what is missing",
        (Option("--json", "print JSON instead of text", "JSON"),),
    ),
    Command("inbox", "look", "show the messages sent to the chat"),
    Command(
        "doctor",
        "look",
        "check this machine; each line says what to fix",
        (Option("--quick", "only what a start needs"),),
    ),
    Command("shell", "work", "open a shell with the flows' packages and settings"),
    Command(
        "psql",
        "work",
        "open psql on the warehouse",
        (Option("--sql", "run this SQL and exit", "SQL", "SQL", short="-c"),),
    ),
    Command(
        "data",
        "work",
        "fill data/ with taxi files",
        (Option("--from", "import the taxi files of this folder", "FROM", "FOLDER"), *A_MONTH, FORCE),
    ),
    Command(
        "backup",
        "keep",
        "write the platform's data to one file in backups/",
        (
            Option("--secrets", "include the key that decrypts its blocks", "SECRETS"),
            Option("--to", "write this file instead", "TO", "FILE"),
        ),
    ),
    Command(
        "restore",
        "keep",
        "fill an empty platform from a backup",
        (
            Option("file", "the backup", "FILE", "FILE"),
            Option(
                "--without-blocks",
                "restore everything except your blocks (their key is missing)",
                "SECRETS",
                enabling_value="no",
            ),
            Option("--yes", "do not ask about a file that this checkout has not made", "YES"),
        ),
    ),
    Command(
        "prune",
        "keep",
        "free disk space that nothing needs any more",
        (
            Option("--days", "keep what is younger than this", "DAYS", "DAYS", "1"),
            Option("--dry-run", "only say what would be freed", "DRY_RUN"),
        ),
    ),
    Command("bundle", "keep", "write the whole platform to one file in bundles/"),
    Command(
        "load",
        "keep",
        "import a bundle and start the platform",
        (
            Option("file", "the bundle", "FILE", "FILE"),
            Option("--yes", "use a bundle that this checkout has not made, without a question", "YES"),
        ),
    ),
    Command(
        "reset",
        "keep",
        "stop everything and delete its data",
        (Option("--yes", "do not ask", "YES"),),
    ),
    Command("engine", "develop", "install and start Docker on Debian or Ubuntu"),
    Command("test", "develop", "run all tests that this machine can run"),
    Command("lint", "develop", "check format, style and types"),
    Command("dev-help", "develop", "list the maintainers' commands"),
    Command("build", "develop", "build missing images or virtual environments", is_for_maintainers=True),
    Command("test-unit", "develop", "run the tests that need no server", is_for_maintainers=True),
    Command("test-integration", "develop", "run the tests against real stores", is_for_maintainers=True),
    Command("test-e2e", "develop", "run the tests of the whole platform", is_for_maintainers=True),
    Command(
        "bench",
        "develop",
        "measure a separate platform and compare it with the goals",
        (ONLY, Option("--rows", "rows in a month, for a quick try", "ROWS", "ROWS")),
        is_for_maintainers=True,
    ),
    Command("bench-report", "develop", "write the last measurements into the docs", is_for_maintainers=True),
    Command(
        "chaos",
        "develop",
        "inject every fault into a separate platform",
        (ONLY,),
        is_for_maintainers=True,
    ),
    Command("chaos-report", "develop", "write the last fault-injection results into the docs", is_for_maintainers=True),
    Command(
        "neighbours",
        "develop",
        "start clones at the same moment, and compare each one's data",
        (ROUNDS, Option("--clones", "how many start together, one group after another", "CLONES", "NUMBERS")),
        is_for_maintainers=True,
    ),
    Command(
        "busy",
        "develop",
        "start the platform while other processes compute",
        (ROUNDS, Option("--load", "number of these processes", "LOAD", "NUMBER")),
        is_for_maintainers=True,
    ),
    Command(
        "fuzz",
        "develop",
        "compare BigQuery's functions and queries with Google's evaluator",
        (Option("--minutes", "for how long", "MINUTES", "NUMBER"),),
        is_for_maintainers=True,
    ),
    Command(
        "peers",
        "develop",
        "run the Cloud Storage test suites of others",
        (
            Option("--suites", "folder with clones of the suites", "SUITES", "FOLDER"),
            Option("--url", "a running server, instead of one of its own", "URL", "ADDRESS"),
        ),
        is_for_maintainers=True,
    ),
    Command("audit", "develop", "look up known vulnerabilities of the locked packages", is_for_maintainers=True),
    Command("lock", "develop", "renew all requirements.lock files", is_for_maintainers=True),
    Command("licences", "develop", "renew docs/licences.md from the images", is_for_maintainers=True),
    Command("drawings", "develop", "draw the diagrams of docs/ as pictures", is_for_maintainers=True),
)
BY_NAME = {command.name: command for command in COMMANDS}


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Refuses the arguments."""
        raise BadInputError(message, f"see: {self.prog} --help")


def create_parser(version: str) -> Parser:
    """Returns the parser of `./orionbox`."""
    parser = Parser(
        prog="./orionbox",
        usage="./orionbox [--runtime RUNTIME] COMMAND [OPTION...]",
        description="The Data Engineering Zoomcamp's week 2 as a local data platform.",
        epilog=overview("./orionbox {}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"Orionbox {version}")
    parser.add_argument("--runtime", help="compose (with Docker) or embedded (without)", default="")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    for command in COMMANDS:
        description = f"{command.help[:1].upper()}{command.help[1:]}."
        subparser = commands.add_parser(
            command.name, prog=f"./orionbox {command.name}", description=description, allow_abbrev=False
        )
        for option in command.options:
            _add(subparser, option)
    return parser


def parse(arguments: Sequence[str], version: str) -> argparse.Namespace:
    """Returns the arguments; `command` is None if none is named.

    Raises:
        BadInputError: a command or an option does not exist, or lacks its value.
        SystemExit: the user asked for help or the version, which this has printed.
    """
    found, unknown = create_parser(version).parse_known_args(list(arguments))
    if unknown:
        known = [option.name for option in BY_NAME[found.command].options] if found.command else []
        hint = did_you_mean(unknown[0].partition("=")[0], known)
        raise BadInputError(f"unknown argument {unknown[0]}{hint}", f"see: ./orionbox {found.command} --help")
    return found


def _add(subparser: argparse.ArgumentParser, option: Option) -> None:
    names = [option.short, option.name] if option.short else [option.name]
    help_text = f"{option.help} (default: {option.default})" if option.default else option.help
    if not option.takes_value:
        subparser.add_argument(*names, dest=option.destination, action="store_true", help=help_text)
    elif option.is_positional:
        subparser.add_argument(
            option.name, nargs="*" if option.is_list else "?", default=None, metavar=option.metavar, help=help_text
        )
    else:
        metavar = "|".join(option.choices) or option.metavar
        subparser.add_argument(*names, dest=option.destination, default=option.default, metavar=metavar, help=help_text)


def overview(form: str, for_maintainers: bool = False) -> str:
    """Lists the commands by group, a line of less than 80 characters each.

    Args:
        form: how a command is typed, with `{}` for its name.
        for_maintainers: the maintainers' commands instead of everybody's.
    """
    lines, width = [], max(len(form.format(one.name)) for one in COMMANDS if one.is_for_maintainers == for_maintainers)
    for group, title in GROUPS.items():
        shown = [one for one in COMMANDS if one.group == group and one.is_for_maintainers == for_maintainers]
        lines += (
            [f"{title}:", *(f"  {form.format(one.name):<{width}} {one.help}" for one in shown), ""] if shown else []
        )
    return "\n".join(lines).rstrip()
