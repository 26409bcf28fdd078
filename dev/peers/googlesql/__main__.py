"""`python -m dev.peers.googlesql TESTDATA MODULE_FOLDER OUT.json [GLOB]`: Google's compliance tests, without a server.

TESTDATA is the folder googlesql/compliance/testdata of a clone of google/googlesql, which stays outside the project.
MODULE_FOLDER keeps the compiled module. `--every-line` also uses lines of signatures/*.sql that signatures.lock does
not have: to see what they are worth, before they are compared.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import fnmatch
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.programs import say
from dev.peers.googlesql.outside import FILES
from dev.peers.googlesql.run import Outcome, run_file
from services.bigquery.compiler.signatures import lines as signatures
from services.bigquery.language.analyzer import Analyzer
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import Pool
from services.bigquery.queries import Queries


def main(arguments: Sequence[str]) -> int:
    """Runs the files, prints a line for each, writes all outcomes; returns 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m dev.peers.googlesql")
    parser.add_argument("testdata", type=Path)
    parser.add_argument("module", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("glob", nargs="?", default="*")
    parser.add_argument("--every-line", action="store_true")
    options = parser.parse_args(arguments)
    if options.every_line:
        signatures.trust(signatures.all_lines())
    sys.setrecursionlimit(10_000)
    pool = Pool(options.module)
    queries = Queries(Analyzer(pool), Evaluator(pool))
    every: list[Outcome] = []
    for file in sorted(options.testdata.glob("*.test")):
        if fnmatch.fnmatch(file.stem, options.glob) and not FILES.match(file.stem):
            outcomes = run_file(file, queries)
            every += outcomes
            say(f"{file.stem:44} {_counts(outcomes)}")
    text = json.dumps([dataclasses.asdict(outcome) for outcome in every], ensure_ascii=False, indent=0)
    options.out.write_text(text, "utf-8", "surrogateescape")
    by = collections.Counter(outcome.by or "error" for outcome in every if outcome.verdict == "right")
    say(f"ALL {_counts(every)}, right by {dict(by)}")
    return 1 if any(outcome.verdict.startswith("wrong") for outcome in every) else 0


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(collections.Counter(outcome.verdict for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
