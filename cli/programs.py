"""Runs other programs, and prints to the user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

from orionbox.errors import BadInputError, CommandError, OrionboxError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout. All commands run there."""
CHUNK = 1 << 20
"""Bytes to copy at once."""


def say(text: str) -> None:
    """Prints and flushes."""
    print(text, flush=True)


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Ends this process with the exit code of `main`; errors are printed and exit as those of the command line."""
    try:
        sys.exit(main())
    except OrionboxError as error:
        say("\n".join(filter(None, [error.text, error.fix])))
        sys.exit(2 if isinstance(error, BadInputError) else 1)


Environment = Mapping[str, str]
"""Environment variables of a program; None inherits this process's."""


def output(*command: str, environment: Environment | None = None, text: str | None = None) -> str:
    """Returns what the program prints.

    Args:
        command: the program and its arguments.
        environment: its environment variables.
        text: its standard input.

    Raises:
        CommandError: the program failed; the error quotes the end of its output.
    """
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]}: no such program", "install it") from error
    if done.returncode:
        end = last_lines(done.stderr or done.stdout)
        raise CommandError(f"{' '.join(command[:4])} ...: exit {done.returncode}\n{end}")
    return done.stdout


def run(*command: str, environment: Environment | None = None) -> int:
    """Runs the program on the user's terminal; returns its exit code."""
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def run_with_input(command: Sequence[str], content: IO[bytes], environment: Environment | None = None) -> None:
    """Runs a program that reads `content`; it prints its own errors.

    Raises:
        CommandError: the program failed.
    """
    pipe = subprocess.PIPE
    # The program may exit before it has read everything; it prints the reason itself
    with suppress(BrokenPipeError), subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe) as process:
        assert process.stdin
        shutil.copyfileobj(content, process.stdin, CHUNK)
    if process.returncode:
        raise CommandError(f"{' '.join(command[:4])} ...: exit {process.returncode}; its message is above")


def replace_process(command: Sequence[str], environment: Environment | None = None, folder: Path = ROOT) -> NoReturn:
    """Becomes the program, which then owns the terminal and its signals."""
    sys.stdout.flush()
    os.chdir(folder)
    os.execvpe(command[0], list(command), dict(os.environ if environment is None else environment))


def last_lines(text: str, count: int = 25) -> str:
    """Returns the end of a long output, indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-count:])
