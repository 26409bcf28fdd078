"""Runs other programs, and prints to the user."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import IO, NoReturn

from cli.environments import inherited
from cli.waiting import waiting_for
from orionbox.errors import CommandError, printable

ROOT = Path(__file__).resolve().parent.parent
"""The checkout. All commands run there."""
CHUNK = 1 << 20
"""Bytes to copy at once."""
DOCKER_FAILED = "see whether Docker works, and what to do: make doctor; then run the command again"
"""The fix for a docker command that failed although the engine answered at the command's beginning."""


def say(text: str) -> None:
    """Prints and flushes."""
    print(text, flush=True)


def user_path(text: str) -> Path:
    """Returns a path that the user typed, with `~` expanded; the name of an unknown user stays as it is."""
    return Path(os.path.expanduser(text))


Environment = Mapping[str, str]
"""Environment variables of a program; None for what Docker and this machine's own tools need."""


def output(*command: str, environment: Environment | None = None, text: str | None = None) -> str:
    """Returns what the program prints.

    Args:
        command: the program and its arguments.
        environment: its environment variables.
        text: its standard input.

    Raises:
        CommandError: the program failed; the error quotes the end of its output.
    """
    with _start_errors(command), waiting_for(without_options(command)):
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=_or_tools(environment),
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    if done.returncode:
        end = last_lines(done.stderr or done.stdout)
        fix = DOCKER_FAILED if command[0] == "docker" else ""
        raise CommandError(f"{' '.join(command[:4])} ...: {describe_exit(done.returncode)}\n{end}", fix)
    return done.stdout


def without_options(command: Sequence[str]) -> str:
    """Returns the first words of a command, which say what it does: up to its first option."""
    return " ".join(takewhile(lambda word: not word.startswith("-"), [Path(command[0]).name, *command[1:3]]))


def run(*command: str, environment: Environment | None = None) -> int:
    """Runs the program on the user's terminal; returns its exit code.

    Raises:
        CommandError: there is no such program.
    """
    with _start_errors(command):
        return subprocess.run(command, cwd=ROOT, env=_or_tools(environment)).returncode


def relay(command: Sequence[str], show: Callable[[str], object], environment: Environment | None = None) -> int:
    """Runs a program and calls `show` with each line that it prints on standard output; returns its exit code."""
    with _start_errors(command):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_or_tools(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    with process:
        assert process.stdout
        for line in process.stdout:
            show(line.rstrip("\n"))
    return process.returncode


def run_with_input(command: Sequence[str], content: IO[bytes], environment: Environment | None = None) -> None:
    """Runs a program that reads `content`.

    Raises:
        CommandError: the program failed; the error quotes the end of what it said.
    """
    feed(command, lambda target: shutil.copyfileobj(content, target, CHUNK), environment)


def feed(
    command: Sequence[str],
    write: Callable[[IO[bytes]], object],
    environment: Environment | None = None,
    is_quiet: bool = False,
) -> None:
    """Runs a program and calls `write` with its input; its errors may quote that, so they are shown as plain text.

    Args:
        command: the program and its arguments.
        write: writes everything that the program reads. If it fails, the program is killed.
        environment: its environment variables.
        is_quiet: whether what it prints on standard output is of no use.

    Raises:
        CommandError: the program failed; the error quotes the end of what it said.
    """
    output = subprocess.DEVNULL if is_quiet else None
    with tempfile.TemporaryFile() as errors:
        with _start_errors(command):
            process = subprocess.Popen(
                command, cwd=ROOT, env=_or_tools(environment), stdin=subprocess.PIPE, stdout=output, stderr=errors
            )
        # The program may exit before it has read everything; it says why
        with suppress(BrokenPipeError), process, waiting_for(without_options(command)):
            assert process.stdin
            try:
                write(process.stdin)
            except BaseException as error:
                if not isinstance(error, BrokenPipeError):
                    process.kill()  # at the end of its input it would do its work with a part of it
                raise
        said = read_errors(errors)
    if process.returncode:
        how = describe_exit(process.returncode)
        raise CommandError(f"{' '.join(command[:4])} ...: {how}\n{said}")
    if said:
        print(said, file=sys.stderr, flush=True)


def read_errors(errors: IO[bytes]) -> str:
    """Returns the end of what a program has written into a file, as a terminal can show it."""
    errors.seek(0)
    return last_lines(printable(errors.read().decode(errors="replace"), keep="\n\t"))


def replace_process(command: Sequence[str], environment: Environment | None = None, folder: Path = ROOT) -> NoReturn:
    """Becomes the program, which then owns the terminal and its signals.

    Raises:
        CommandError: there is no such program.
    """
    sys.stdout.flush()
    give_files_to_owner()
    os.chdir(folder)
    try:
        os.execvpe(command[0], list(command), _or_tools(environment))
    except FileNotFoundError as error:
        raise _missing(command) from error


@contextmanager
def _start_errors(command: Sequence[str]) -> Iterator[None]:
    """Reports a program that is not installed."""
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(command) from error


def _missing(command: Sequence[str]) -> CommandError:
    return CommandError(f"{command[0]}: no such program", "install it")


def describe_exit(code: int) -> str:
    """Returns how a program ended: `exit 1`, or the signal that killed it."""
    if code >= 0:
        return f"exit {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"killed by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")


def give_files_to_owner(root: Path = ROOT) -> None:
    """Gives what root has created in a checkout to the checkout's owner, who could not use it after `sudo make up`."""
    owner = root.stat()
    if os.geteuid() or not owner.st_uid:
        return
    for _, folders, files, folder in os.fwalk(root):
        for name in (*folders, *files):
            with suppress(OSError):  # deleted meanwhile, or on a file system without owners
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                # A file with two names is root's elsewhere, too: uv links packages from its cache
                if not status.st_uid and (stat.S_ISDIR(status.st_mode) or status.st_nlink == 1):
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)


def _or_tools(environment: Environment | None) -> dict[str, str]:
    return inherited.for_tools() if environment is None else dict(environment)


def last_lines(text: str, count: int = 25) -> str:
    """Returns the end of a long output, indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-count:])
