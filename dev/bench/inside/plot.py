"""Draws the ratios: `python -m dev.bench.inside.plot <reports/bench.json >plot.png`.

Runs in the virtual environment of the other tools.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes

Rows = list[dict[str, Any]]

MET, MISSED = "#2a78b5", "#d9730d"
PANELS = ((">=", "times faster than its baseline\n(longer is better)"), ("<=", "times its limit\n(shorter is better)"))


def draw(rows: Rows) -> None:
    """Draws two panels: goals to be faster, and goals to stay close. A black mark is the goal."""
    panels = [[row for row in rows if row["ratio"] and row["goal"].startswith(sign)] for sign, _ in PANELS]
    heights = {"height_ratios": [len(panel) or 1 for panel in panels]}
    figure, axes = pyplot.subplots(2, 1, figsize=(8, 1.8 + 0.36 * len(rows)), gridspec_kw=heights, squeeze=False)
    for axis, panel, (sign, title) in zip(axes.flat, panels, PANELS, strict=True):
        bars(axis, panel[::-1], title)
        if sign == ">=":
            axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
    figure.suptitle("blue: goal met; orange: goal missed; black mark: the goal", fontsize=10)
    figure.tight_layout()


def bars(axis: Axes, rows: Rows, title: str) -> None:
    """Draws a bar for each row with its ratio written before it, and a mark at its goal."""
    ratios = [row["ratio"] for row in rows]
    names = [f"{row['name']}   {ratio:.{1 if ratio >= 10 else 2}f}" for row, ratio in zip(rows, ratios, strict=True)]
    axis.barh(names, ratios, color=[MISSED if row["ok"] is False else MET for row in rows], height=0.6)
    axis.plot([goal(row) for row in rows], names, linestyle="none", marker="|", markersize=18, color="black")
    axis.set_xlabel(title)
    axis.spines[["top", "right"]].set_visible(False)


def goal(row: dict[str, Any]) -> float:
    """Returns the number in `>= 30x faster`."""
    match = re.search(r"[\d.]+", row["goal"])
    return float(match[0]) if match else float("nan")


if __name__ == "__main__":
    matplotlib.use("Agg")
    draw(json.load(sys.stdin))
    # White on dark pages too
    pyplot.savefig(sys.stdout.buffer, format="png", dpi=130, facecolor="white")
