"""Running other programs, and speaking to the user."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from orionbox.errors import CommandError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout. All commands run there."""


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


def end_as(main: Callable[[], int]) -> NoReturn:
    """Ends this process as `main` says; a CommandError is told, not traced."""
    try:
        sys.exit(main())
    except CommandError as error:
        say(str(error))
        sys.exit(1)


def environment() -> dict[str, str]:
    """The process's environment, with PWD as compose's files expect it: the checkout."""
    return {**os.environ, "PWD": str(ROOT)}


def output(*command: str) -> str:
    """What the program prints.

    Raises:
        CommandError: it failed; the text ends with what it said.
    """
    return _output(None, command)


def output_with_input(text: str, *command: str) -> str:
    """What the program prints when it reads the text; raises as `output` does."""
    return _output(text, command)


def _output(text: str | None, command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(), input=text, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]}: no such program; install it") from error
    if done.returncode:
        said = last_lines(done.stderr or done.stdout)
        raise CommandError(f"{' '.join(command[:4])} ...: exit {done.returncode}\n{said}")
    return done.stdout


def run(*command: str) -> int:
    """Runs the program on the user's terminal; its exit code."""
    return subprocess.run(command, cwd=ROOT, env=environment()).returncode


def hand_over(command: Sequence[str]) -> int:
    """Becomes the program, which so owns the terminal and its signals."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execvpe(command[0], list(command), environment())


def last_lines(text: str, count: int = 25) -> str:
    """The end of a long output, indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-count:])
