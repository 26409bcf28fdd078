"""What became of a fault: printed as a line, written to reports/chaos.json, shown in a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOAL = "held"
HEADINGS = ("fault", "stage", "", "what happened", "seconds")


@dataclass(frozen=True)
class Outcome:
    """One fault's."""

    name: str
    stage: str
    held: bool | None
    """None where it could not be tried."""
    what: str
    """What happened; where it did not hold, what was wrong; where it was not tried, why."""
    seconds: float

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "held", False: "NOT HELD", None: "not verified"}[self.held]

    def line(self) -> str:
        """For the terminal."""
        return f"{self.name:<24} {self.stage:<6} {self.verdict:<12} {self.seconds:>4.0f} s  {self.what}"

    def cells(self) -> list[str]:
        """For a table of a page."""
        return [self.name, self.stage, self.verdict, self.what.replace("|", "/"), f"{self.seconds:.0f}"]

    def to_json(self) -> dict[str, Any]:
        """With the keys of all reports, and two of its own."""
        judged = {"name": f"{self.name} {self.stage}".strip(), "value": round(self.seconds, 1), "unit": "s"}
        held_against = {"baseline": None, "ratio": None, "goal": GOAL, "ok": self.held}
        return {**judged, **held_against, "fault": self.name, "stage": self.stage, "what": self.what}


def from_json(row: dict[str, Any]) -> Outcome:
    """The outcome behind a row of the report."""
    return Outcome(row["fault"], row["stage"], row["ok"], row["what"], row["value"])


def read(path: Path) -> list[Outcome]:
    """Those of a reports/chaos.json."""
    return [from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def renewed(known: Sequence[Outcome], new: Sequence[Outcome]) -> list[Outcome]:
    """The known outcomes in their order; a new one of the same fault takes its place, others follow."""
    found = {(outcome.name, outcome.stage): outcome for outcome in [*known, *new]}
    return list(found.values())


def failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that did not hold."""
    return [outcome for outcome in outcomes if outcome.held is False]


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many held, in a sentence."""
    untried = sum(outcome.held is None for outcome in outcomes)
    held = len(outcomes) - untried - len(failed(outcomes))
    remark = f", {untried} not verified" if untried else ""
    return f"{held} of {len(outcomes)} faults held{remark}"
