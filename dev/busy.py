"""`python -m dev.busy`: a warm start must succeed on a busy machine, slowly.

Starts a platform `--rounds` times in each runtime, while `--load` processes compute without a pause. Exits with 1 if a
start failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cli.error_reports import exit_with
from cli.programs import last_lines, say
from dev import clones
from dev.clones import Clone, make_together
from orionbox.errors import BadInputError, CommandError

RUNTIMES = ("compose", "embedded")
ROUNDS, LOAD = "10", "6"
COMPUTE = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): sum(range(100_000))"
"""Ends with the process that has started it, however that ends."""


def main(arguments: Sequence[str]) -> int:
    """Starts and stops, prints a line for each start, and the verdict.

    Raises:
        BadInputError: a number is invalid.
        CommandError: a clone could not be built or removed, or does not start without the load.
    """
    rounds, load = parse(arguments)
    with clones.prepared("busy", RUNTIMES) as prepared:
        started = {clone.runtime: _count_starts(clone, rounds, load) for clone in prepared}
    say(verdict(rounds, load, started))
    return int(any(count < rounds for count in started.values()))


def parse(arguments: Sequence[str]) -> tuple[int, int]:
    """Returns the number of starts in each runtime, and of processes that compute."""
    parser = argparse.ArgumentParser(prog="python -m dev.busy")
    parser.add_argument("--rounds", default=ROUNDS, metavar="NUMBER")
    parser.add_argument("--load", default=LOAD, metavar="NUMBER")
    options = parser.parse_args(list(arguments))
    for name, value, example in (("ROUNDS", options.rounds, ROUNDS), ("LOAD", options.load, LOAD)):
        if not value.isdecimal() or int(value) < 1:
            raise BadInputError(f"{name}={value}: not a number from 1 on", f"use for example {name}={example}")
    return int(options.rounds), int(options.load)


def verdict(rounds: int, load: int, started: dict[str, int]) -> str:
    """Returns the last line."""
    counts = ", ".join(f"{count} of {rounds} times in {runtime}" for runtime, count in started.items())
    return f"with {load} busy processes on {os.cpu_count()} processors, the platform started {counts}"


def _count_starts(clone: Clone, rounds: int, load: int) -> int:
    """Returns how many starts under load succeeded, after one without it that creates the data."""
    for command in (["up"], ["down"]):
        if failures := make_together([(clone, command)]):
            raise CommandError(f"without any load, {failures[0]}")
    with _busy(load):
        return sum(_start(clone, number, rounds) for number in range(1, rounds + 1))


def _start(clone: Clone, number: int, rounds: int) -> bool:
    start = time.monotonic()
    failures = make_together([(clone, ["up"])])
    say(
        f"{clone.runtime} {number} of {rounds}: {'FAILED' if failures else 'running'}, {time.monotonic() - start:.0f} s"
    )
    failures += make_together([(clone, ["down"])])
    for failure in failures:
        say(last_lines(failure, 40))
    return not failures


@contextmanager
def _busy(load: int) -> Iterator[None]:
    """Keeps so many processes computing."""
    loops = [subprocess.Popen([sys.executable, "-c", COMPUTE, str(os.getpid())]) for _ in range(load)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
