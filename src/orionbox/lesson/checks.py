"""What a check is, and how a graph of them is run, in the shape of check50 (https://cs50.readthedocs.io/projects/check50).

A check that depends on another one is only tried when that one has passed. What was once achieved stays passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orionbox.lesson.facts import Facts

PASSED, NOT_YET, UNKNOWN = "passed", "not yet", "cannot be checked yet"
LESSON, HOMEWORK = "lesson", "homework"
GROUP_TITLES = {LESSON: "The lesson", HOMEWORK: "Homework of 2023"}


@dataclass(frozen=True)
class Finding:
    """What a check has found."""

    is_passed: bool
    rationale: str
    """What was found, quoted, in a sentence."""
    hint: str = ""
    """What to do next; empty if it has passed."""


def passed(rationale: str) -> Finding:
    """Returns the finding of a check that has passed."""
    return Finding(True, rationale)


def not_yet(rationale: str, hint: str) -> Finding:
    """Returns the finding of a check that has not passed."""
    return Finding(False, rationale, hint)


@dataclass(frozen=True)
class Check:
    """One thing that a student achieves."""

    name: str
    title: str
    group: str
    section: str
    """The anchor of its heading in docs/week2.md."""
    why: str
    commands: tuple[str, ...]
    """What to type for it: after `$` in the checkout, after `workspace$` in `make shell`."""
    sources: tuple[str, ...]
    """The services that it looks at."""
    look: Callable[[Facts], Finding]
    needs: tuple[str, ...] = ()
    """Names of the checks that must have passed before."""


@dataclass(frozen=True)
class Achievement:
    """A check that has passed at some time."""

    when: str
    """ISO 8601, UTC."""
    rationale: str


@dataclass(frozen=True)
class Result:
    """A check, and what was found."""

    check: Check
    status: str
    """PASSED, NOT_YET or UNKNOWN."""
    rationale: str
    hint: str = ""
    achieved: str = ""
    """When it first passed; empty if it has not."""

    @property
    def is_passed(self) -> bool:
        """Returns whether it has passed, now or earlier."""
        return self.status == PASSED


Memory = Mapping[str, Achievement]


def run_checks(checks: Sequence[Check], facts: Facts, memory: Memory, now: str) -> list[Result]:
    """Returns the result of each check, in the order given: a check comes after those that it needs."""
    results: dict[str, Result] = {}
    for check in checks:
        results[check.name] = _run(check, facts, memory, results, now)
    return list(results.values())


def _run(check: Check, facts: Facts, memory: Memory, earlier: Mapping[str, Result], now: str) -> Result:
    if known := memory.get(check.name):
        return Result(check, PASSED, known.rationale, achieved=known.when)
    waiting = [earlier[name].check.title for name in check.needs if not earlier[name].is_passed]
    if waiting:
        return Result(check, UNKNOWN, f"first comes: {', '.join(waiting)}", "do that step, then look again")
    missing = [source for source in check.sources if source in facts.missing]
    if missing:
        reasons = "; ".join(facts.reasons.get(source) or f"{source} does not answer" for source in missing)
        return Result(check, UNKNOWN, reasons, "start what is down: `make up`")
    found = check.look(facts)
    status, achieved = (PASSED, now) if found.is_passed else (NOT_YET, "")
    return Result(check, status, found.rationale, found.hint, achieved)


def remember(memory: Memory, results: Sequence[Result]) -> dict[str, Achievement]:
    """Returns the memory with everything that has passed."""
    new = {result.check.name: Achievement(result.achieved, result.rationale) for result in results if result.is_passed}
    return {**new, **memory}


def next_result(results: Sequence[Result]) -> Result | None:
    """Returns the first check that has not passed; one that cannot be checked is not skipped. None if all have."""
    return next((result for result in results if not result.is_passed), None)


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Returns the results as JSON objects, with check50's words for what it has."""
    return [
        {
            "name": result.check.name,
            "group": result.check.group,
            "description": result.check.title,
            "passed": {PASSED: True, NOT_YET: False, UNKNOWN: None}[result.status],
            "status": result.status,
            "cause": {"rationale": result.rationale, "help": result.hint},
            "dependencies": list(result.check.needs),
            "section": result.check.section,
            "commands": list(result.check.commands),
            "achieved": result.achieved or None,
        }
        for result in results
    ]


def memory_to_json(memory: Memory) -> list[dict[str, str]]:
    """Returns the memory as the rows of a table."""
    return [{"check": name, **asdict(achievement)} for name, achievement in sorted(memory.items())]


def memory_from_json(rows: Sequence[Mapping[str, str]]) -> dict[str, Achievement]:
    """Returns the memory from the rows of a table.

    Raises:
        KeyError: a row lacks a column.
    """
    return {str(row["check"]): Achievement(str(row["when"]), str(row["rationale"])) for row in rows}
