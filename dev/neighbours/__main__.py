"""`python -m dev.neighbours`: clones of this checkout start at the same moment, and each must have its own data alone.

A round starts two, then three, then five clones, or the numbers that `--clones` names, in both runtimes and on the
default ports. Each loads another month with another number of rows; then Orion's runs, Postgres, BigQuery, the bucket
and the block `postgres-connector` of each are compared with what it has loaded. Every second round ends with `reset`,
so that the next one chooses its ports anew; the others with `down`, so that the next one finds data. Exits with 1 if a
round failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from cli.error_reports import exit_with
from cli.programs import last_lines, say
from dev import clones
from dev.clones import RESET, Clone, make_together
from dev.neighbours.stores import COUNT_IN_PSQL, Holdings, own_connector, read
from orionbox.errors import BadInputError, OrionboxError
from orionbox.trips.generated import write_month
from orionbox.trips.months import TripFile

RUNTIMES = ("compose", "embedded", "embedded", "compose", "embedded")
"""The runtime of each clone: any number of them from two on is a mixture."""
ROUNDS, CLONES = "20", "2,3,5"


def main(arguments: Sequence[str]) -> int:
    """Plays all rounds, prints a line for each, and the verdict.

    Raises:
        BadInputError: the number of rounds or of clones is invalid.
        CommandError: a clone could not be built or removed.
    """
    rounds, groups = parse(arguments)
    with clones.prepared("neighbours", RUNTIMES[: max(groups)]) as prepared:
        neighbours = [Neighbour(clone) for clone in prepared]
        failed = [number for number in range(1, rounds + 1) if not _play(number, rounds, neighbours, groups)]
    say(verdict(rounds, failed))
    return 1 if failed else 0


def parse(arguments: Sequence[str]) -> tuple[int, list[int]]:
    """Returns the number of rounds, and how many clones start together, group by group."""
    parser = argparse.ArgumentParser(prog="python -m dev.neighbours")
    parser.add_argument("--rounds", default=ROUNDS, metavar="NUMBER")
    parser.add_argument(
        "--clones", default=CLONES, metavar="NUMBERS", help="how many start together, one after another"
    )
    options = parser.parse_args(list(arguments))
    if not options.rounds.isdecimal() or int(options.rounds) < 1:
        raise BadInputError(f"ROUNDS={options.rounds}: not a number of rounds", f"use for example ROUNDS={ROUNDS}")
    groups = options.clones.split(",")
    if not all(group.isdecimal() and 1 <= int(group) <= len(RUNTIMES) for group in groups):
        raise BadInputError(
            f"CLONES={options.clones}: not numbers from 1 to {len(RUNTIMES)}", f"use for example CLONES={CLONES}"
        )
    return int(options.rounds), [int(group) for group in groups]


def verdict(rounds: int, failed: Sequence[int]) -> str:
    """Returns the last line."""
    text = f"{rounds - len(failed)} of {rounds} rounds: every clone ran, with its own data and nothing else"
    return f"{text}; failed: {', '.join(map(str, failed))}" if failed else text


class Neighbour:
    """A clone, and what it has loaded since its last reset."""

    def __init__(self, clone: Clone) -> None:
        self.clone, self.trips = clone, TripFile("green", 2021, clone.number)
        """Each clone has a month of its own."""
        self._runs, self.rows = set[str](), 0

    def put_file(self, number: int) -> None:
        """Puts the month into data/ with as many rows as it has in no other round and no other clone has."""
        self.rows = 1_000 * self.clone.number + number
        path = self.clone.root / "data" / self.trips.csv_path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_month(self.trips, self.rows, file)

    @property
    def load_command(self) -> list[str]:
        """Returns the arguments of make that load it."""
        return ["run-etl", f"COLOR={self.trips.color}", f"YEAR={self.trips.year}", f"MONTHS={self.trips.month}"]

    def note_run(self) -> None:
        """Notes the run that has just loaded it."""
        report = json.loads((self.clone.root / "reports/last-run.json").read_text())
        self._runs.add(report["flow_run_id"])

    def forget(self) -> None:
        """Forgets what the platform held before its reset."""
        self._runs = set()

    def differences(self, clone: Clone) -> list[str]:
        """Returns a line for each store that does not hold this clone's data and nothing else.

        Args:
            clone: the same, with its ports; its last command was that of COUNT_IN_PSQL.
        """
        rows, objects = {self.trips.csv_name: self.rows}, {self.trips.object_name}
        expected = Holdings(self._runs, rows, rows, objects, own_connector(clone))
        try:
            found = read(clone, clone.output.read_text())
        except (OrionboxError, KeyError, ValueError) as error:
            return [f"{clone}: {error!r}"]
        return [f"{clone}: {line}" for line in found.differences(expected)]


def _play(number: int, rounds: int, neighbours: Sequence[Neighbour], groups: Sequence[int]) -> bool:
    """Plays one round and prints its line; returns whether it succeeded."""
    done, failures = list[str](), list[str]()
    for group in groups:
        start = time.monotonic()
        found = _load_and_compare(number, neighbours[:group])
        found += _stop(neighbours[:group], with_reset=bool(found) or number % 2 == 1)
        done.append(f"{group} clones {'FAILED' if found else 'ok'}, {time.monotonic() - start:.0f} s")
        failures += found
    say(f"round {number} of {rounds}: {'; '.join(done)}")
    for failure in failures:
        say(last_lines(failure, 40))
    return not failures


def _load_and_compare(number: int, group: Sequence[Neighbour]) -> list[str]:
    """Starts these clones together, loads and compares; returns what was wrong."""
    for each in group:
        each.put_file(number)
    if failures := make_together([(each.clone, ["up"]) for each in group]):
        return failures
    with_ports = [each.clone.with_printed_ports() for each in group]
    if failures := make_together([(each.clone, each.load_command) for each in group]):
        return failures
    for each in group:
        each.note_run()
    if failures := make_together([(each.clone, ["psql", f"SQL={COUNT_IN_PSQL}"]) for each in group]):
        return failures
    return [line for each, clone in zip(group, with_ports) for line in each.differences(clone)]


def _stop(group: Sequence[Neighbour], with_reset: bool) -> list[str]:
    failures = make_together([(each.clone, RESET if with_reset else ["down"]) for each in group])
    if with_reset:
        for each in group:
            each.forget()
        failures += [f"{each.clone}: left: {line}" for each in group for line in clones.leftovers(each.clone)]
    return failures


if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
