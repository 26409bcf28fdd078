"""Progress bars below the log lines, one for each month that is being moved."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

from orionbox.runs.progress import Progress, parse

WIDTH = 24
"""Characters of a bar."""
UP_AND_CLEAR = "\x1b[{}F\x1b[J"
"""Moves that many lines up and clears everything from there on (ECMA-48: CPL, ED)."""


class Bars:
    """The bars of a run. A stream that is not a terminal gets no bars; there, progress is a line like any other.

    Args:
        stream: where lines and bars are printed.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._moving: dict[tuple[str, str], Progress] = {}
        self._drawn: list[str] = []

    def print(self, lines: list[tuple[str, str]]) -> None:
        """Prints new log lines, and below them the bars.

        Args:
            lines: pairs of a prefix, for example "  1.2 s  ", and a message.
        """
        printed = [f"{start}{message}" for start, message in lines if not (self._is_terminal and self._update(message))]
        drawn = [bar(progress, shutil.get_terminal_size().columns) for progress in self._moving.values()]
        if printed or drawn != self._drawn:
            self.clear()
            self._stream.writelines(f"{line}\n" for line in printed + drawn)
            self._stream.flush()
            self._drawn = drawn

    def say(self, text: str) -> None:
        """Prints a message above the bars."""
        self.print([("", text)])

    def clear(self) -> None:
        """Removes the bars."""
        if self._drawn:
            self._stream.write(UP_AND_CLEAR.format(len(self._drawn)))
            self._stream.flush()
            self._drawn = []

    def _update(self, message: str) -> bool:
        """Updates a bar from the message; returns True if the message holds nothing else."""
        progress = parse(message)
        if progress is None:
            return False
        month = (progress.source, progress.target)
        if progress.percent is None:
            self._moving.pop(month, None)
            return False
        self._moving[month] = progress
        return True


def bar(progress: Progress, columns: int) -> str:
    """Returns a line shorter than `columns`."""
    percent = progress.percent or 0
    filled = WIDTH * percent // 100
    source, target = (name.rsplit("/", 1)[-1] for name in (progress.source, progress.target))
    text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {percent:3} %  {progress.rows} rows  {source} -> {target}"
    return text[: columns - 1]
