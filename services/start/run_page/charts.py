"""Draws charts as SVG in the page's colors, so that they follow it on dark screens and on paper."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import date, timedelta

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, BAR, GRID = "#010101", "#020202", "#030303"
"""Stand-ins, which the page's own colors replace."""
COLORS = {INK: "var(--quiet)", BAR: "var(--accent)", GRID: "var(--line)"}
WIDTH = 4.4
"""In inches. With this width the text is as large as the page's, and still readable on a phone."""
MARKED_DAYS, TWO_MONTHS = (1, 8, 15, 22), 62
"""The days of a month that get a label, and the most days for which all do; above that only the first of a month."""
HEIGHT, ROW_HEIGHT = 2.1, 0.25

matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text: to be read aloud, found and copied
        "svg.hashsalt": "orionbox",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": GRID,
        "figure.constrained_layout.use": True,
        "axes.axisbelow": True,
    }
)


def vertical_bars(bars: Sequence[tuple[str, int]], label: str) -> str:
    """Draws vertical bars."""
    figure, axis = _figure(HEIGHT)
    axis.bar([name for name, _ in bars], [count for _, count in bars], color=BAR, width=0.8)
    _scale(axis)
    axis.set_xlabel(label)
    step = 1 if len(bars) < 16 else 3
    axis.set_xticks(range(0, len(bars), step), [name for name, _ in bars][::step])
    return _svg(figure)


def daily_bars(counts: Sequence[tuple[date, int]]) -> str:
    """Draws one bar per day on a time axis."""
    figure, axis = _figure(HEIGHT)
    if counts:
        first, last = counts[0][0], counts[-1][0]
        axis.bar([(day - first).days for day, _ in counts], [count for _, count in counts], color=BAR, width=0.8)
        every = [first + timedelta(number) for number in range((last - first).days + 1)]
        marked = [day for day in every if day.day in (MARKED_DAYS if len(every) <= TWO_MONTHS else MARKED_DAYS[:1])]
        names = [f"{day:%-d %b}" if day.day == 1 and len(every) <= TWO_MONTHS else _short(day) for day in marked]
        axis.set_xticks([(day - first).days for day in marked], names)
    _scale(axis)
    return _svg(figure)


def _short(day: date) -> str:
    return f"{day:%b}" if day.day == 1 else f"{day.day}"


def horizontal_bars(bars: Sequence[tuple[str, float]], form: str = "{:,.0f}") -> str:
    """Draws horizontal bars, the first at the top, each with its number."""
    figure, axis = _figure(0.15 + ROW_HEIGHT * len(bars))
    drawn = axis.barh([name for name, _ in bars], [count for _, count in bars], color=BAR, height=0.7)
    axis.bar_label(drawn, [form.format(count) for _, count in bars], padding=4)
    axis.invert_yaxis()
    axis.margins(x=0.25, y=0.02)
    axis.xaxis.set_visible(False)
    axis.tick_params(length=0)
    return _svg(figure)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height))
    axis = figure.subplots()
    axis.spines[:].set_visible(False)
    figure.patch.set_visible(False)
    axis.patch.set_visible(False)
    return figure, axis


def _scale(axis: Axes) -> None:
    axis.grid(axis="y")
    axis.tick_params(length=0)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _svg(figure: Figure) -> str:
    """Returns the drawing for use within an HTML page."""
    sink = io.StringIO()
    figure.savefig(sink, format="svg", metadata={"Date": None})
    text = sink.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # each drawing has the same ids
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'aria-hidden="true" focusable="false"', text, count=1)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    for stand_in, color in COLORS.items():
        text = text.replace(stand_in, color)
    return text
