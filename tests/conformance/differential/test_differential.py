"""A part of `make fuzz`: some lines and queries, drawn anew each time."""

from __future__ import annotations

import random
import time
from collections import Counter

from services.bigquery.compiler.signatures import lines as signatures
from tests.conformance.differential import lines, queries
from tests.conformance.differential.judge import BOTH_FAIL, SAME, Judge
from tests.googlesql import MODULE_FOLDER

LINES, QUERIES = 12, 150


def test_lines_and_queries_answer_as_googles_evaluator_does() -> None:
    seed = time.time_ns()
    dice, judge, counts = random.Random(seed), Judge(MODULE_FOLDER), Counter[str]()
    compared = [line for line in signatures.all_lines() if line.hash in signatures.compared()]
    differences = []
    for line, found in lines.compare(judge, dice.sample(compared, LINES), dice, 60).items():
        differences += [f"{line.text}: {difference}" for difference in found.differences]
        counts["values"] += found.values + found.over
    for verdict, text in queries.compare(judge, dice, QUERIES):
        counts[verdict] += 1
        differences += [f"{verdict}: {text}"] if verdict in queries.BAD else []
    judge.pool.close()
    assert differences == [], f"seed {seed}"
    assert counts["values"] > 500 and counts[SAME] + counts[BOTH_FAIL] > QUERIES / 2
