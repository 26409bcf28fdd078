"""The result of a fault: printed as a line, written to reports/chaos.json, shown in a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOAL = "survived"
HEADINGS = ("fault", "stage", "", "what happened", "seconds")


@dataclass(frozen=True)
class FaultResult:
    """The result of one fault."""

    name: str
    stage: str
    survived: bool | None
    """Whether the platform passed every check afterwards; None if the fault could not be injected."""
    details: str
    """What happened, which check failed, or why the fault could not be injected."""
    seconds: float

    @property
    def verdict(self) -> str:
        """Returns `survived` in words."""
        return {True: "survived", False: "FAILED", None: "not tested"}[self.survived]

    def line(self) -> str:
        """Returns a line for the terminal."""
        return f"{self.name:<24} {self.stage:<6} {self.verdict:<10} {self.seconds:>4.0f} s  {self.details}"

    def cells(self) -> list[str]:
        """Returns a line for the table of a page."""
        return [self.name, self.stage, self.verdict, self.details.replace("|", "/"), f"{self.seconds:.0f}"]

    def to_json(self) -> dict[str, Any]:
        """Returns the result with the keys that all reports have, and three more."""
        value = {"name": f"{self.name} {self.stage}".strip(), "value": round(self.seconds, 1), "unit": "s"}
        goal = {"baseline": None, "ratio": None, "goal": GOAL, "ok": self.survived}
        return {**value, **goal, "fault": self.name, "stage": self.stage, "what": self.details}


def read(path: Path) -> list[FaultResult]:
    """Returns the results of a reports/chaos.json."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [FaultResult(row["fault"], row["stage"], row["ok"], row["what"], row["value"]) for row in rows]


def updated(known: Sequence[FaultResult], new: Sequence[FaultResult]) -> list[FaultResult]:
    """Returns the known results in their order, each replaced by a new one of the same fault; other new ones follow."""
    results = {(result.name, result.stage): result for result in [*known, *new]}
    return list(results.values())


def failed(results: Sequence[FaultResult]) -> list[FaultResult]:
    """Returns the faults that the platform did not survive."""
    return [result for result in results if result.survived is False]


def summary(results: Sequence[FaultResult]) -> str:
    """Returns how many faults the platform survived, in a sentence."""
    untested = sum(result.survived is None for result in results)
    survived = len(results) - untested - len(failed(results))
    remark = f", {untested} not tested" if untested else ""
    return f"survived {survived} of {len(results)} faults{remark}"
