"""`make fuzz`: compares lines and queries with Google's evaluator for so many minutes, with a fresh seed.

`python -m tests.conformance.differential --lock` compares every line and writes signatures.lock: after a change of a
line, of DuckDB or of the module.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from cli.programs import say
from services.bigquery.compiler.signatures import lines as signatures
from tests.conformance.differential import lines, queries
from tests.conformance.differential.judge import Judge
from tests.googlesql import MODULE_FOLDER


def main(arguments: Sequence[str]) -> int:
    """Returns 1 if a line or query differs; with --lock only if a line cannot be compared."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--lock", action="store_true")
    parser.add_argument("--only", default="", help="only lines whose text has this in it")
    options = parser.parse_args(arguments)
    sys.setrecursionlimit(10_000)
    judge = Judge(MODULE_FOLDER)
    if options.lock or options.only:
        return lock(judge, options.seed, options.only)
    say(f"seed {options.seed}")
    return fuzz(judge, options.seed, time.monotonic() + 60 * options.minutes)


def lock(judge: Judge, seed: int, only: str) -> int:
    """Compares the lines that the lock does not have, and writes down those that may count; prints the others.

    A line that has passed keeps its entry as long as neither it nor DuckDB nor the module changes.
    """
    known = dict(signatures.compared())
    signatures.trust(signatures.all_lines())
    table = [line for line in signatures.all_lines() if only in line.text and line.is_compared]
    results: dict[signatures.Line, lines.Result] = {}
    for part, file in itertools.product((lines.PLAIN, lines.OVER), dict.fromkeys(line.file for line in table)):
        members = [line for line in table if line.file == file and _is_open(line, part, known)]
        for line, result in lines.compare(judge, members, random.Random(f"{seed} {file}"), parts=[part]).items():
            results.setdefault(line, lines.Result()).add(result)
        if not only:
            _write(table, known, {line: _entries(line, result) for line, result in results.items()})
    for line, result in results.items():
        _report(line, result, line.hash in known)
    say(f"{len(signatures.LOCK.read_text(encoding='utf-8').splitlines()) - 1} entries")
    return 0


def _is_open(line: signatures.Line, part: str, known: Mapping[str, int]) -> bool:
    """Whether the lock has nothing about this part of a line."""
    is_over = part == lines.OVER and line.family == signatures.AGGREGATES
    return line.hash + (signatures.OVER if is_over else "") not in known


def _entries(line: signatures.Line, result: lines.Result) -> dict[str, int]:
    """What a line's comparison is worth: the keys of the lock, with the number of values that agree."""
    found = {}
    if not result.differences and result.values >= lines.LEAST:
        found[line.hash] = result.values
    if not result.over_differences and result.over >= lines.LEAST:
        found[line.hash + (signatures.OVER if line.family == signatures.AGGREGATES else "")] = result.over
    return found


def _write(
    table: Sequence[signatures.Line], known: Mapping[str, int], found: Mapping[signatures.Line, dict[str, int]]
) -> None:
    text = [f"# {signatures.versions()}"]
    for line in table:
        old = {key: count for key, count in known.items() if key.removesuffix(signatures.OVER) == line.hash}
        text += [f"{key} {count} {line.text}" for key, count in {**old, **found.get(line, {})}.items()]
    signatures.LOCK.write_text("\n".join(text) + "\n", encoding="utf-8")
    keys = {entry.split()[0] for entry in text[1:]}
    waiting = [line.text for line in table if line.hash not in keys]
    signatures.WAITING.write_text("".join(f"{line}\n" for line in waiting), encoding="utf-8")


def _report(line: signatures.Line, result: lines.Result, is_known: bool) -> None:
    if result.differences or result.over_differences or not (is_known or _entries(line, result)):
        say(f"NOT {line.text} ({result.values}, {result.over})")
        for difference in result.differences[:3] + result.over_differences[:3]:
            say(f"    {difference.verdict}: {difference.text}")


def fuzz(judge: Judge, seed: int, end: float) -> int:
    """Compares lines and queries in turn until a moment."""
    dice, counts, found = random.Random(seed), Counter[str](), 0
    table = [line for line in signatures.all_lines() if line.hash in signatures.compared()]
    while time.monotonic() < end:
        for line, result in lines.compare(judge, dice.sample(table, 8), dice, 120).items():
            counts["values"] += result.values + result.over
            for difference in result.differences:
                found += 1
                say(f"{difference.verdict}: {line.text}\n    {difference.text}")
        for verdict, text in queries.compare(judge, dice, 20):
            counts[verdict] += 1
            if verdict in queries.BAD:
                found += 1
                say(f"{verdict}: {text}")
    say(f"{dict(counts)}, {found} differences")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
