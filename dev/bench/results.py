"""The results: a row per goal, as in reports/bench.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orionbox import files


@dataclass(frozen=True)
class Row:
    """A value, its baseline, its goal, and whether it meets the goal."""

    name: str
    value: float | None
    unit: str
    baseline: float | None
    ratio: float | None
    goal: str
    ok: bool | None
    """None if it was not measured, or not under the conditions of the goal."""
    reason: str = ""
    """Why `ok` is None."""


def faster(name: str, seconds: float, baseline: float, times: float) -> Row:
    """Returns a row whose goal is to be so many times faster than the baseline; the ratio is baseline / seconds."""
    ratio = baseline / seconds
    return Row(name, seconds, "s", baseline, ratio, f">= {times:g}x faster", ratio >= times)


def close_to(name: str, value: float, baseline: float, times: float, unit: str = "s") -> Row:
    """Returns a row whose goal is at most so many times the baseline; the ratio is value / baseline."""
    ratio = value / baseline
    return Row(name, value, unit, baseline, ratio, f"<= {times:g}x", ratio <= times)


def at_most(name: str, value: float, limit: float, unit: str) -> Row:
    """Returns a row whose goal is an absolute limit."""
    return Row(name, value, unit, None, None, f"<= {limit:,g} {unit}", value <= limit)


def not_measured(name: str, unit: str, goal: str, reason: str) -> Row:
    """Returns a row for a value that cannot be measured here, with the reason."""
    return Row(name, None, unit, None, None, goal, None, reason)


def without_verdict(row: Row, reason: str) -> Row:
    """Returns the row without a verdict; one without a verdict keeps its own reason."""
    return row if row.ok is None else replace(row, ok=None, reason=reason)


def missed(rows: Iterable[Row]) -> list[Row]:
    """Returns the rows that miss their goal."""
    return [row for row in rows if row.ok is False]


def cells(row: Row) -> tuple[str, str, str, str, str, str]:
    """Returns the row as text: name, ours, baseline, ratio, goal, verdict."""
    ratio = "" if row.ratio is None else f"{row.ratio:.{1 if row.ratio >= 10 else 2}f}x"
    verdict = {True: "met", False: "missed", None: f"not judged: {row.reason}"}[row.ok]
    return row.name, amount(row.value, row.unit), amount(row.baseline, row.unit), ratio, row.goal, verdict


def amount(value: float | None, unit: str) -> str:
    """Returns a value with its unit, rounded to about three digits."""
    if value is None:
        return ""
    if unit == "s" and 0 < value < 0.1:
        return f"{1000 * value:.1f} ms"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


HEADINGS = ("name", "ours", "baseline", "ratio", "goal", "verdict")


def table(rows: Sequence[Row]) -> str:
    """Returns all rows as aligned text."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip() for line in lines)


def write(path: Path, content: Any) -> None:
    """Writes JSON atomically."""
    path.parent.mkdir(exist_ok=True)
    files.write(path, json.dumps(content, indent=2) + "\n")


def to_json(row: Row) -> dict[str, Any]:
    """Returns the row as JSON; without an empty reason."""
    return {name: value for name, value in asdict(row).items() if name != "reason" or value}


def read(path: Path) -> list[Row]:
    """Returns the rows of a reports/bench.json."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
